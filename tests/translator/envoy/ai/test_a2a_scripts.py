"""What the scripts for agents make of messages and cards, compared with what Python reads."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.translator.envoy.ai.a2a_scripts import card, refusal

TEXTS = st.text(st.characters(codec="utf-8"), max_size=8)
KEYS = TEXTS | st.sampled_from(["method", "params", "url", "Method"])
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | TEXTS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=3),
    max_leaves=8,
)
METHODS = st.sampled_from(["message/send", "tasks/get", "SendMessage"]) | TEXTS


@given(st.dictionaries(KEYS, VALUES, max_size=4), METHODS, st.booleans(), st.integers(0, 2))
def test_what_is_let_in_has_an_allowed_method(found: dict[str, Any], method: str, ascii_: bool, space: int) -> None:
    """A message that is let in is a map, and by whatever reader its method is one that is allowed."""
    message = json.dumps(found | {"method": method}, ensure_ascii=ascii_, indent=space or None)
    if refusal(message, "message/send") is None:
        read = json.loads(message)
        assert read["method"] == "message/send"
        assert [each for each in read if each.lower() == "method"] == ["method"]
    elif method == "message/send" and not any(each.lower() == "method" != each for each in found):
        assert any("\\" in json.dumps(each, ensure_ascii=ascii_) for each in found), "nothing else refuses it"


@given(VALUES, st.integers(1, 30))
def test_what_is_no_message(found: Any, cut: int) -> None:
    """Values that are no maps are refused, and so are messages that end too early or go on."""
    whole = json.dumps({"method": "message/send", "params": found})
    assert refusal(whole[:-cut], "message/send") == "400"
    assert refusal(f"{whole}{whole}", "message/send") == "400"
    assert refusal(json.dumps([{"method": "message/send"}, found]), "message/send") == "400"
    assert refusal(f'{{"a": "{chr(cut)}", "method": "message/send"}}', "message/send") == "400"


@pytest.mark.parametrize(
    "path", ["/", "/rpc", "/agents/my-agent_1.0/", "/a2a/tasks?x=a:b%20c", "/tasks", "/~me/@x/$web"]
)
def test_paths_of_messages(path: str) -> None:
    """Agents take messages of JSON-RPC at any usual path."""
    assert refusal('{"method": "message/send"}', "message/send", path=path) is None


@pytest.mark.parametrize(
    "path",
    [
        "/tasks/1:cancel",
        "/v1/message:send",
        "/agents/tenant/tasks/1:subscribe?x",
        "/tasks/1%3Acancel",
        "/tasks/1%3acancel/",
        "/tasks/1;x=:cancel",
        "/tasks/1\uff1acancel",
        "/v1/tasks/1/pushNotificationConfigs",
        "/tasks/1/PUSHNotificationConfigs;x/",
        "/tasks/1/%70ushNotificationConfigs",
        "/lf.a2a.v1.A2AService/CancelTask",
        "/a.v1.a2aservice/canceltask",
    ],
)
def test_paths_that_name_what_is_done(path: str) -> None:
    """Paths of the bindings to REST and gRPC are refused whatever the message says, however they are written."""
    assert refusal('{"method": "message/send"}', "message/send", path=path) == "403"


@given(st.dictionaries(TEXTS, VALUES, max_size=4), st.booleans())
def test_all_else_of_a_card_stays(found: dict[str, Any], ascii_: bool) -> None:
    """A card is the same but for its addresses, whatever else it has."""
    changed = {"url", "supportedInterfaces", "additionalInterfaces", "signatures"}
    rest = {key: each for key, each in found.items() if key not in changed}
    inner = {"url": "http://AGENT:9/x", "transport": rest}
    written = json.dumps(rest | {"url": "http://agent:9/rpc", "additionalInterfaces": [inner]}, ensure_ascii=ascii_)
    made, warning = card(written)
    assert warning is None
    interfaces = [{"url": "https://a.test/x", "transport": rest}]
    assert json.loads(made) == rest | {"url": "https://a.test/rpc", "additionalInterfaces": interfaces}


@pytest.mark.parametrize(
    ("url", "path", "context", "public"),
    [
        ("http://agent", "", {}, "https://a.test"),
        ("http://agent/", "", {}, "https://a.test/"),
        ("http://agent/rpc?x=y", "/p", {"from_": "/p", "to": ""}, "https://a.test/p/rpc?x=y"),
        ("http://agent/p/rpc", "/p", {}, "https://a.test/p/rpc"),
        ("http://agent/private", "/p", {}, "https://a.test/p/private"),
        ("http://agent/a2a/rpc", "/p/q", {"from_": "/p", "to": "/a2a"}, "https://a.test/p/q/a2a/rpc"),
        ("http://agent/a2a/q/rpc", "/p/q", {"from_": "/p", "to": "/a2a"}, "https://a.test/p/q/rpc"),
        ("http://agent/rpc", "/p", {"from_": "/p", "to": "", "public": "https://b.test/x"}, "https://b.test/x/rpc"),
        ("grpc.agent:50051", "", {}, "https://a.test"),
        ('http://agent/\\"', "", {}, "https://a.test"),
    ],
)
def test_addresses(url: str, path: str, context: dict[str, str], public: str) -> None:
    """The path of an address follows the one by which the card is read, without what the agent sees of that."""
    made, _ = card(f'{{"url": "{url}"}}', f"{path}/.well-known/agent-card.json", **context)
    assert json.loads(made) == {"url": public}


def test_the_main_address_of_a_new_card() -> None:
    """In version 1.0 the first interface is the main one: what is elsewhere is left out."""
    interfaces = [{"url": each} for each in ("http://agent/rpc", "grpc://agent", "http://other/", "http://agent/v1")]
    made, _ = card(json.dumps({"supportedInterfaces": interfaces}))
    kept = [{"url": "https://a.test/rpc"}, {"url": "https://a.test/v1"}]
    assert json.loads(made) == {"supportedInterfaces": kept}


@pytest.mark.parametrize("signatures", [[], [{"protected": "e30", "signature": "x"}]])
def test_signed_cards(signatures: list[Any]) -> None:
    """A card with a signature stays as it is, and the answer says so; a list of none is no signature."""
    written = json.dumps({"url": "http://agent/", "signatures": signatures})
    made, warning = card(written)
    assert (made == written, warning is not None) == (bool(signatures), bool(signatures))


@pytest.mark.parametrize(
    ("written", "made"),
    [
        ('{"u\\u0072l": "http://agent/rpc"}', '{"u\\u0072l": "https://a.test/rpc"}'),
        ('\ufeff{"url": "http://agent/rpc"}', '{"url": "https://a.test/rpc"}'),
        (
            '{"url": "http://agent:80/", "additionalInterfaces": [{"url": "http://agent/b"}, {"url": "https://agent/c"}]}',
            '{"url": "https://a.test/", "additionalInterfaces": [{"url": "https://a.test/b"},{"url": "https://a.test/c"}]}',
        ),
        (
            '{"url": "https://agent/", "additionalInterfaces": [{"url": "https://AGENT:443/b"}, {"url": "http://agent:443"}]}',
            '{"url": "https://a.test/", "additionalInterfaces": [{"url": "https://a.test/b"}]}',
        ),
        (
            '{"url": "http://agent/", "supportedInterfaces": [{"url": "http://agent/", "u\\u0072l": "http://agent/x"}]}',
            '{"url": "https://a.test/", "supportedInterfaces": []}',
        ),
    ],
)
def test_ways_to_write_addresses(written: str, made: str) -> None:
    """No way to write a card has the agent's own address left in it; ports count that addresses do not tell."""
    assert card(written) == (made, None)
