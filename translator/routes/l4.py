"""Routes that forward connections or datagrams: the rules of TCP-, TLS- and UDPRoutes (Gateway API, `TCPRouteRule`)."""

from __future__ import annotations

from collections.abc import Iterable

from translator.backends.reference import backend
from translator.db import Db
from translator.engine.query import query
from translator.ir.backend import Protocol
from translator.ir.l4 import L4Backend, L4Rule
from translator.kinds import RouteKind
from translator.objects.gateway_api.references import GATEWAY_GROUP
from translator.objects.gateway_api.tcproute import TCPRoute, TCPRouteRule
from translator.objects.gateway_api.tlsroute import TLSRoute
from translator.objects.gateway_api.udproute import UDPRoute
from translator.outcome import Outcome, gather
from translator.refs import Ref


@query
def tcp_rules(db: Db, route: Ref, passthrough: bool) -> tuple[Outcome[L4Rule], ...]:
    """Return the rule of a TCPRoute with the problems in it; the share of a broken backend is closed."""
    found = db.get(TCPRoute, route)
    return _read(db, route, found.spec.rules, passthrough) if found is not None else ()


@query
def tls_rules(db: Db, route: Ref, passthrough: bool) -> tuple[Outcome[L4Rule], ...]:
    """Return the rule of a TLSRoute with the problems in it; the share of a broken backend is closed."""
    found = db.get(TLSRoute, route)
    return _read(db, route, found.spec.rules, passthrough) if found is not None else ()


@query
def udp_rules(db: Db, route: Ref, passthrough: bool) -> tuple[Outcome[L4Rule], ...]:
    """Return the rule of a UDPRoute with the problems in it; the share of a broken backend is dropped."""
    found = db.get(UDPRoute, route)
    return _read(db, route, found.spec.rules, passthrough) if found is not None else ()


def _read(db: Db, route: Ref, rules: Iterable[TCPRouteRule], passthrough: bool) -> tuple[Outcome[L4Rule], ...]:
    made: list[Outcome[L4Rule]] = []
    for place, rule in enumerate(rules):
        field = f"spec.rules[{place}].backendRefs"
        found = gather(
            backend(db, GATEWAY_GROUP, route, each, f"{field}[{number}]", passthrough=passthrough)
            for number, each in enumerate(rule.backend_refs)
        )
        shares = zip(found.value, rule.backend_refs, strict=True)
        backends = tuple(L4Backend(each, reference.weight) for each, reference in shares)
        made.append(Outcome(L4Rule(rule.name or str(place), backends), found.problems))
    return tuple(made)


TCP_ROUTE = RouteKind(
    TCPRoute,
    protocols=("TCP",),
    l4_rules=tcp_rules,
    conformance=("TCPRoute",),
    backend_protocols=(Protocol.TCP,),
)

TLS_ROUTE = RouteKind(
    TLSRoute,
    protocols=("TLS",),
    l4_rules=tls_rules,
    conformance=("TLSRoute", "TLSRouteModeTerminate", "TLSRouteModeMixed"),
    backend_protocols=(Protocol.TCP,),
)

UDP_ROUTE = RouteKind(
    UDPRoute,
    protocols=("UDP",),
    l4_rules=udp_rules,
    conformance=("UDPRoute",),
    backend_protocols=(Protocol.UDP,),
)
