"""What is beyond a limit is cut, left out or forgotten, and the rest goes on."""

from __future__ import annotations

import errno
import socket
from pathlib import Path

import pytest
from google.protobuf.any_pb2 import Any
from google.protobuf.message import Message

from headgate.admin.client import fetch
from headgate.admin.streaming import PIECE_BYTES, _gathered
from headgate.envoy import supervisor
from headgate.process.address import Address
from headgate.process.errors import UserError
from headgate_proto.envoy.config.listener.v3 import listener_pb2
from headgate_proto.envoy.config.route.v3 import route_components_pb2
from tests.headgate.reporting.test_tables import status
from tests.xds.calls import Dial, serving
from tests.xds.conftest import dial
from tests.xds.sample_resources import cluster, endpoints, https_listener
from tests.xds.talk import Talk
from translator.conditions import MOST_CHARACTERS as MOST_TOLD
from translator.conditions import verdict
from translator.engine.query import MOST_CHARACTERS, QueryError
from translator.envoy.durations import MAX_MILLISECONDS
from translator.extensions.retry import RouteRetry
from translator.extensions.timeouts import RouteTimeouts
from translator.gateway.der import MOST_LENGTH_BYTES, DerError, element
from translator.inputs import AttributedNack
from translator.ir.http import RouteMatch, Rule
from translator.ir.listener import ListenerContext
from translator.objects.headgate.timeouts import RequestTimeouts, Retry
from translator.outcome import Problem
from translator.refs import Ref
from translator.status import programmed
from watchers.files import portable_watch as watch
from watchers.files import symlinks as lookup
from watchers.files.relations import Relations
from watchers.files.yaml_decoder import YamlValues
from watchers.informers.observed_status import LONGEST_MANAGER, field_manager
from watchers.kubernetes.errors import ApiError
from watchers.proxies.api_errors import MOST, problem_of
from xds.protocol import exclusive
from xds.protocol.client_state import MAX_CANDIDATES, after_nack, candidates
from xds.protocol.draining import MAX_DRAINING, Draining
from xds.protocol.nacks import Nack
from xds.protocol.outstanding import MAX_ANSWERED
from xds.protocol.session import MAX_MESSAGE
from xds.resources.references import DEPTH, of
from xds.resources.resource import Reference
from xds.resources.snapshot import Snapshot
from xds.resources.types import CLUSTER, ENDPOINT, SECRET
from xds.server.stream import MAX_LISTED
from xds.validation import constraints

__all__ = ["dial"]

LONGEST_DURATION = 99_999 * 3_600_000
"""The longest time that a duration of the Gateway API can say in hours (GEP-2257), in milliseconds."""


def test_candidates_of_a_client_are_bounded() -> None:
    """Of many versions that a client may have taken, the good one and the newest are remembered."""
    sent = [endpoints("a", port) for port in range(1, MAX_CANDIDATES + 3)]
    held = after_nack(sent[0], sent[1])
    for each in sent[2:]:
        held = after_nack(held, each)
    assert list(candidates(held)) == [*sent[2:], sent[0]]


def test_references_of_draining_listeners_are_bounded() -> None:
    """Of more references than are remembered, those that were lost first are forgotten."""
    draining = Draining()
    names = [Reference(CLUSTER, str(number)) for number in range(MAX_DRAINING + 2)]
    draining.add(names, 0.0)
    assert list(draining._since) == names[2:]


def test_the_text_of_a_nack_is_cut() -> None:
    """A client's words are kept up to a length."""
    talk = Talk(cluster("a", eds=False), delta=True)
    talk.request(CLUSTER)
    talk.response()
    answer = talk.request(CLUSTER, nonce=talk.nonces[CLUSTER], error="x" * (MAX_MESSAGE + 1))
    assert answer is not None
    assert answer.error == "x" * MAX_MESSAGE


def test_answers_that_are_remembered_are_bounded() -> None:
    """Of many responses that were answered, the newest are known as answered."""
    talk = Talk(endpoints("a", 1), delta=True)
    talk.request(ENDPOINT, "a")
    newest = ""
    for port in range(2, MAX_ANSWERED + 4):
        talk.response()
        newest = talk.nonces[ENDPOINT]
        talk.accept(ENDPOINT)
        talk.publish(endpoints("a", port))
    answered = talk.session.substreams[ENDPOINT].outstanding._answered
    assert len(answered) == MAX_ANSWERED
    assert answered[-1] == newest


async def test_pending_names_that_are_shown_are_bounded(dial: Dial) -> None:
    """Of a client that has acknowledged nothing yet, so many names are shown as pending."""
    async with serving() as server:
        server.publish(
            "gateway", Snapshot.of([cluster(f"c{number:03}", eds=False) for number in range(MAX_LISTED + 1)])
        )
        call = dial(server)
        await call.request(CLUSTER)
        await call.response()
        [client] = server.clients()
        assert len(client.types[CLUSTER].pending) == MAX_LISTED


@pytest.mark.parametrize(("depth", "found"), [(2, True), (2 * DEPTH, False)])
def test_references_are_looked_for_to_a_depth(depth: int, found: bool) -> None:
    """A message inside of very many others is not looked into, and that is no error."""
    message: Message = listener_pb2.Listener.FromString(https_listener("l", 80, "r", "s").body)
    for _ in range(depth):
        outer = Any()
        outer.Pack(message)
        message = outer
    assert ((SECRET, "s") in of(message)) is found


def test_what_is_known_of_claims_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """Beyond the bound all that is remembered of resources is read again, and comes out the same."""
    monkeypatch.setattr(exclusive, "MAX_KNOWN", 2)
    monkeypatch.setattr(exclusive, "_known", {})
    listeners = [https_listener(f"l{port}", port, "r", "s") for port in range(1, 10)]
    assert [exclusive.claims([each]) for each in listeners] == [exclusive.claims([each]) for each in listeners]
    assert len(exclusive._known) <= 2


def test_the_answer_of_another_program_is_cut() -> None:
    """An answer that is no status is told up to a length."""
    result = status(body=b"x" * 10_000, code=500)
    assert 500 <= result.stderr.count("x") < 510


def test_the_last_words_of_an_envoy_are_bounded(tmp_path: Path) -> None:
    """Of a log the last lines are told, of its last bytes alone, and of a line so much."""
    log = tmp_path / "log"
    log.write_text("a\nb\nc\nd\n")
    assert supervisor.last_lines(log) == ["b", "c", "d"]
    log.write_text("a\n" + "x" * (2 * supervisor.MAX_TOLD_BYTES))
    assert supervisor.last_lines(log) == ["x" * supervisor.MAX_TOLD_BYTES]
    assert supervisor.plain_line("x" * 10_000) == "x" * supervisor.MAX_TOLD_CHARACTERS


def test_a_long_integer_is_a_float() -> None:
    """Digits without end cost no arithmetic of as many digits."""
    assert [_value(f"1{'0' * zeros}") for zeros in (23, 24)] == [10**23, 1e24]
    assert isinstance(_value("1" + "0" * 24), float)


def _value(text: str) -> object:
    """Return the value of a scalar of YAML."""
    [document] = YamlValues(text).documents()
    return document[0]


def test_suggestions_look_at_so_many_names(monkeypatch: pytest.MonkeyPatch) -> None:
    """A misspelt name is compared with so many others, so that thousands of them cost little."""
    monkeypatch.setattr("watchers.files.relations.MOST_NAMES", 2)
    relations = Relations(standalone=False)
    relations._names["Service", "shop"] = dict.fromkeys(["xxxx", "yyyy", "cart"])
    assert relations._meant(Ref("Service", "shop", "carts")) == "write it, or correct the name"


def test_symbolic_links_in_a_row_are_bounded(tmp_path: Path) -> None:
    """A longer row of links than the kernel follows is an error as the kernel's."""
    (tmp_path / "0").write_text("")
    for number in range(1, lookup._MAX_LINKS + 2):
        (tmp_path / str(number)).symlink_to(str(number - 1))
    assert lookup.look_up(str(tmp_path / str(lookup._MAX_LINKS))).real == str((tmp_path / "0").resolve())
    with pytest.raises(OSError, match="symbolic links") as error:
        lookup.look_up(str(tmp_path / str(lookup._MAX_LINKS + 1)))
    assert error.value.errno == errno.ELOOP


def test_a_message_of_many_problems_is_cut() -> None:
    """A condition's message stays within what the API server takes, and shows that it was cut."""
    problems = [Problem("Accepted", "Invalid", f"{number} is wrong.") for number in range(10_000)]
    told = verdict("Accepted", problems, "Accepted", "")
    assert len(told.message) == MOST_TOLD
    assert told.message.endswith("…")


def test_a_condition_of_many_refusals_is_cut() -> None:
    """What proxies refuse of a Gateway is told up to a length."""
    told = programmed._refusal(AttributedNack(Nack(CLUSTER, f"c{number}", "no")) for number in range(1000))
    assert len(told.message) == programmed.MOST_CHARACTERS


def test_the_words_for_a_bug_are_cut() -> None:
    """The name of a query, which has the names of objects in it, is told up to a length."""
    bug = QueryError("x" * 1000, ValueError("secret"))
    assert bug.bug == "x" * MOST_CHARACTERS + ": ValueError"


def test_the_api_servers_words_are_cut() -> None:
    """What the API server says of an object that it refuses is told up to a length."""
    told = problem_of(Ref("Deployment", "web", "shop"), ApiError("PATCH", 400, message="x" * 100_000))
    assert MOST <= told.message.count("x") < MOST + 10


def test_a_long_field_manager_is_cut() -> None:
    """The API server takes names of so many characters; the end tells controllers of one domain apart."""
    assert field_manager("x" * 200 + "/mine").endswith("/mine")
    assert len(field_manager("x" * 200 + "/mine")) == LONGEST_MANAGER


@pytest.mark.parametrize(("backoff", "longest"), [(100, 1_000), (1_000_000, 3_600_000), (4_000_000, 4_000_000)])
def test_the_time_between_tries_is_bounded(backoff: int, longest: int) -> None:
    """It grows to ten times the first and to an hour, and is never shorter than the first."""
    found = route_components_pb2.Route()
    asked = Retry.model_validate(
        {"statusCodes": [503], "attempts": 2, "backoffBaseInterval": f"{backoff // 1000}s{backoff % 1000}ms"}
    )
    RouteRetry(asked).apply_to_route(found, ListenerContext(80, tls=False), RouteMatch())
    assert found.route.retry_policy.retry_back_off.max_interval.ToMilliseconds() == longest


@pytest.mark.parametrize(
    ("duration", "out"),
    [
        ((constraints.MAX_DURATION_SECONDS, constraints.MAX_NANOS), False),
        ((constraints.MAX_DURATION_SECONDS + 1, 0), True),
        ((-constraints.MAX_DURATION_SECONDS - 1, 0), True),
        ((0, constraints.MAX_NANOS + 1), True),
    ],
)
def test_durations_have_a_range(duration: tuple[int, int], out: bool) -> None:
    """A duration of more than protobuf allows is out of range, whichever part of it is, and whatever its sign."""
    assert constraints.is_out_of_range(duration) is out


def test_a_headgate_that_does_not_answer_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """A process that takes connections and never answers is given up."""
    monkeypatch.setattr("headgate.admin.client.DEADLINE", 0.1)
    with socket.create_server(("127.0.0.1", 0)) as server, pytest.raises(UserError, match="timed out"):
        fetch(Address("127.0.0.1", server.getsockname()[1]))


async def test_a_document_is_sent_in_pieces() -> None:
    """Of a document of any size no more is gathered than a piece, and the value that made it full."""
    sizes = [len(each) async for each in _gathered(iter([b"x" * 1000] * 500))]
    assert all(PIECE_BYTES <= each < PIECE_BYTES + 1000 for each in sizes[:-1])
    assert (len(sizes), sum(sizes)) == (500_000 // PIECE_BYTES + 1, 500_000)


@pytest.mark.parametrize(("changes", "watched"), [(watch._ATTEMPTS - 1, True), (watch._ATTEMPTS, False)])
async def test_a_watch_that_cannot_be_begun_is_tried_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, changes: int, watched: bool
) -> None:
    """Where the folders change while they are to be watched, that is tried some times; then it is told why not."""
    going = [str(tmp_path / "gone")] * changes

    def present(directories: frozenset[str]) -> list[str]:
        return [going.pop()] if going else sorted(directories)

    monkeypatch.setattr(watch, "_present", present)
    found = watch.PortableWatch()
    await found.follow(frozenset({str(tmp_path)}))
    assert (found.failure is None) is watched
    await found.stop()


@pytest.mark.parametrize(("attempts", "silence"), [(1, 2 * LONGEST_DURATION), (2, 0)])
def test_silence_that_envoy_cannot_count_is_not_limited(attempts: int, silence: int) -> None:
    """Where a request may take thousands of days, as after some of the longest tries, its silence has no limit."""
    timeouts = RouteTimeouts(RequestTimeouts.model_validate({"backendRequest": "99999h"}))
    rule = Rule("0", (), (timeouts, RouteRetry(Retry.model_validate({"attempts": attempts}))))
    found = rule.settings[0]
    assert isinstance(found, RouteTimeouts)
    assert (found.request, found.silence) == (0, silence)
    assert 2 * LONGEST_DURATION <= MAX_MILLISECONDS < 3 * LONGEST_DURATION


@pytest.mark.parametrize(("more", "told"), [(0, "cut off"), (1, "as short as can be")])
def test_the_length_of_an_element_of_der_is_bounded(more: int, told: str) -> None:
    """What says to be longer than any certificate is not one."""
    size = MOST_LENGTH_BYTES + more
    with pytest.raises(DerError, match=told):
        element(bytes([0x30, 0x80 + size, 1, *bytes(size - 1)]))
