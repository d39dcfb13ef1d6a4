"""Endpoints of ports of UDP: each backend has its share of the weights, whatever is broken."""

from __future__ import annotations

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from translator.envoy.names import cluster_name
from translator.envoy.udp_proxy import NOWHERE, Share, datagram_assignment
from translator.ir.backend import Backend, BackendEndpoint, BackendKey, Protocol
from translator.ir.listener import SocketPort

BACKENDS = [Backend(BackendKey("Service", "shop", name), 53, Protocol.UDP.value) for name in ("a", "b", "c")]
ENDPOINTS = {each: (BackendEndpoint(f"10.0.0.{place}", 5353),) for place, each in enumerate(BACKENDS)}


@st.composite
def shares(draw: st.DrawFn) -> list[Share]:
    """Draw the shares of a rule: some broken, some of one backend, some backends without endpoints."""
    empty = draw(st.sets(st.sampled_from(BACKENDS)))
    found = draw(st.lists(st.tuples(st.sampled_from([None, *BACKENDS]), st.integers(1, 1_000_000)), max_size=16))
    return [(each, weight, () if each is None or each in empty else ENDPOINTS[each]) for each, weight in found]


@given(shares())
def test_each_backend_has_its_share(given_shares: list[Share]) -> None:
    """A locality has the weights of its backend, and the rest goes nowhere; without endpoints there is no locality."""
    wanted: Counter[str] = Counter()
    for backend, weight, endpoints in given_shares:
        wanted[cluster_name(backend) if backend is not None and endpoints else ""] += weight
    made = datagram_assignment(SocketPort(5300, "UDP"), given_shares)
    found = {each.locality.region: each for each in made.endpoints}
    assert len(found) == len(made.endpoints)
    assert {name: each.load_balancing_weight.value for name, each in found.items()} == (
        wanted if wanted.keys() - {""} else {}
    )
    nowhere = [each.endpoint.address.socket_address for each in found[""].lb_endpoints] if "" in found else []
    assert [(each.address, each.port_value) for each in nowhere] == [NOWHERE[:2]] * ("" in found)
