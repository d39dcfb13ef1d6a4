"""Matches for requests of gRPC, in the IR and in Envoy's messages."""

from __future__ import annotations

import pytest

from translator.envoy.preflights import routed, with_unanswered
from translator.envoy.route import EncodedRoute, error_route, match_routes, precedence
from translator.ir.backend import Backend, BackendKey
from translator.ir.http import PathKind, Rank, RouteMatch, Rule, WeightedBackend
from translator.ir.listener import ListenerContext
from translator.refs import Ref

ORIGIN = ListenerContext(80, tls=False)
METHOD = RouteMatch(PathKind.EXACT, "/a.B/C", grpc=True, rank=Rank(-1, -3, -1))
GOOD = WeightedBackend(Backend(BackendKey("Service", "default", "a"), 80))


def route(match: RouteMatch, *backends: WeightedBackend, error: str = "") -> str:
    """Return the one ``Route`` of a rule with one match."""
    (made,) = match_routes("name", Rule("0", (match,), (), backends, error), ORIGIN)
    return str(made.route)


def test_only_requests_of_grpc_match() -> None:
    """Envoy compares the content type of requests where a match is for gRPC only."""
    assert "grpc {" in route(METHOD, GOOD)
    assert "grpc {" not in route(RouteMatch(PathKind.EXACT, "/a.B/C"), GOOD)


@pytest.mark.parametrize(("grpc", "status"), [(True, 503), (False, 500)])
def test_errors(grpc: bool, status: int) -> None:
    """A rule that cannot be served answers requests of gRPC with 503, which tells them UNAVAILABLE, others with 500."""
    match = RouteMatch(grpc=grpc)
    assert f"status: {status}" in route(match, error="it is broken")
    assert f"status: {status}" in str(error_route("name", match, ORIGIN))
    broken_share = route(match, GOOD, WeightedBackend(None))
    assert ("cluster_not_found_response_code: INTERNAL_SERVER_ERROR" in broken_share) == (status == 500)


def test_a_rank_comes_before_paths() -> None:
    """A match with a rank below 0 is tried before any of HTTP, whose rank is that of path and method."""
    exact = RouteMatch(PathKind.EXACT, "/a.B/C", method="POST")
    assert sorted([RouteMatch(), exact, METHOD], key=precedence) == [METHOD, exact, RouteMatch()]


def test_not_all_requests_match() -> None:
    """A match of every method is no match of every request: those of HTTP go on to other routes."""
    assert RouteMatch().catches_all
    assert not RouteMatch(grpc=True).catches_all


def test_no_preflights() -> None:
    """Browsers ask no permission for requests of gRPC, so that their routes are in no preflight's way."""
    entries = [
        EncodedRoute(precedence(match), b"", frozenset(), match, True, False, Ref("GRPCRoute", "default", "a"), "0", 1)
        for match in (METHOD, RouteMatch(grpc=True))
    ]
    assert routed(list(with_unanswered(entries))) == entries
