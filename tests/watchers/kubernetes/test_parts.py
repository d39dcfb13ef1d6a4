"""Small pure parts: JSON lines, back-off, paths, diagnostics, error messages."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from translator.objects.gateway_api.httproute import HTTPRoute
from translator.objects.kubernetes.core import Namespace, Secret
from translator.refs import Ref
from watchers.diagnostics import Diagnostic, DiagnosticSet, Place
from watchers.kubernetes import paths
from watchers.kubernetes.backoff import Backoff
from watchers.kubernetes.errors import ApiError, TooLarge, forbidden, is_namespace_gone
from watchers.kubernetes.json_lines import JsonLines


@given(st.lists(st.binary(max_size=5)), st.lists(st.integers(0, 30)), st.binary(max_size=5))
def test_lines_do_not_depend_on_the_chunks(lines: list[bytes], cuts: list[int], rest: bytes) -> None:
    """Chunks of any size give the same lines; a rest without a line end is none."""
    lines = [each.replace(b"\n", b"") for each in lines]
    stream = b"".join(each + b"\n" for each in lines) + rest.replace(b"\n", b"")
    reader, found, start = JsonLines(10), [], 0
    for cut in [*sorted(cuts), len(stream)]:
        found += reader.feed(stream[start:cut])
        start = max(start, cut)
    assert found == [each for each in lines if each]


def test_a_line_is_bounded() -> None:
    """The memory of a line is bounded, in one chunk or in many."""
    with pytest.raises(TooLarge):
        JsonLines(10).feed(b"ok\n" + b"x" * 11)
    reader = JsonLines(10)
    reader.feed(b"123456")
    with pytest.raises(TooLarge):
        reader.feed(b"78901")


def test_chunks_are_not_bounded() -> None:
    """The limit applies to lines, not to chunks."""
    assert len(JsonLines(10).feed(b"12345\n" * 100)) == 100


@given(st.lists(st.floats(0, 0.999), min_size=1, max_size=80))
def test_backoff_pauses_are_bounded(draws: list[float]) -> None:
    """Each pause is between half and all of its step; steps double up to the longest."""
    drawn = iter(draws)
    backoff = Backoff(1.0, 8.0, lambda: next(drawn))
    for tries in range(len(draws)):
        step = min(8.0, 2.0**tries)
        assert step / 2 <= backoff.next() <= step
    backoff.reset()
    assert Backoff(1.0, 8.0, lambda: 0.0).next() == 1.0


def test_a_server_may_request_a_pause() -> None:
    """Retry-After is respected, up to the longest pause."""
    assert Backoff(1.0, 8.0).next(at_least=5) == 5
    assert Backoff(1.0, 8.0).next(at_least=3600) == 8


def test_paths_are_those_of_the_api() -> None:
    """Core kinds are below /api, others below /apis/GROUP; cluster-scoped kinds have no namespace."""
    assert paths.collection(Secret, "v1", "shop") == "/api/v1/namespaces/shop/secrets"
    assert paths.item(Namespace, "v1", Ref("Namespace", "", "shop")) == "/api/v1/namespaces/shop"
    route = Ref("HTTPRoute", "shop", "a")
    assert (
        paths.item(HTTPRoute, "v1", route, "status")
        == "/apis/gateway.networking.k8s.io/v1/namespaces/shop/httproutes/a/status"
    )


def test_a_shared_diagnostic_is_reported_once() -> None:
    """The same diagnostic of several kinds appears with the first, and is resolved with the last."""
    told: list[tuple[str, str]] = []
    troubles = DiagnosticSet(
        lambda raised, settled: told.append((" ".join(map(str, raised)), " ".join(map(str, settled))))
    )
    down, other = Diagnostic(Place("url"), "down"), Diagnostic(Place("url"), "other")
    both = DiagnosticSet()
    both.put("one", other)
    both.put("two", down)
    assert both.diagnostics == (down, other), "in the order in which they are shown"
    troubles.put("one", down)
    troubles.put("two", down)
    troubles.put("one", None)
    troubles.put("nobody", None)
    assert told == [("url: error: down", "")]
    troubles.put("two", other)
    assert told[1:] == [("url: error: other", "url: error: down")]
    assert troubles.diagnostics == (other,)
    troubles.put("two", None)
    assert told[2:] == [("", "url: error: other")]
    assert not troubles.diagnostics


def test_a_denial_names_verb_resource_and_subject() -> None:
    """The message has the content of the missing role, and its subject."""
    words = (
        'secrets is forbidden: User "system:serviceaccount:headgate-system:headgate" cannot list resource "secrets" '
        'in API group "" at the cluster scope'
    )
    told = forbidden("list", "secrets in the whole cluster", ApiError("GET /api/v1/secrets", 403, "Forbidden", words))
    assert "may not list secrets in the whole cluster" in told
    assert "to system:serviceaccount:headgate-system:headgate" in told


@pytest.mark.parametrize(
    ("status", "message", "gone"),
    [
        (404, 'namespaces "web" not found', True),
        (403, 'configmaps "namespaces" is forbidden: namespace web is unable to be used: it is being terminated', True),
        (404, 'httproutes.gateway.networking.k8s.io "namespaces" not found', False),
        (404, "the server could not find the requested resource", False),
        (409, 'namespaces "web" not found', False),
    ],
)
def test_a_missing_namespace_is_recognised(status: int, message: str, *, gone: bool) -> None:
    """An error says that the namespace is missing, or being deleted, by its message, not by a name in it."""
    assert is_namespace_gone(ApiError("PATCH x", status, "", message)) is gone
