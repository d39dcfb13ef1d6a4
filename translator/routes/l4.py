"""Routes that forward connections or datagrams: TCPRoutes, TLSRoutes and UDPRoutes."""

from __future__ import annotations

from translator.backends.reference import backend
from translator.db import Db
from translator.engine.query import query
from translator.ir.backend import Protocol
from translator.ir.l4 import L4Backend, L4Rule
from translator.kinds import RouteKind
from translator.objects.gateway_api.l4route import L4Route
from translator.objects.gateway_api.references import GATEWAY_GROUP
from translator.objects.gateway_api.tcproute import TCPRoute
from translator.objects.gateway_api.tlsroute import TLSRoute
from translator.objects.gateway_api.udproute import UDPRoute
from translator.outcome import Outcome, gather
from translator.refs import Ref


@query
def forwarding_rules(db: Db, route: Ref, passthrough: bool) -> tuple[Outcome[L4Rule], ...]:
    """Return the rule of a route with the problems in it; the share of a broken backend is closed, or dropped."""
    found = db.get(L4Route, route)
    made: list[Outcome[L4Rule]] = []
    for place, rule in enumerate(found.spec.rules if found is not None else ()):
        field = f"spec.rules[{place}].backendRefs"
        backends = gather(
            backend(db, GATEWAY_GROUP, route, each, f"{field}[{number}]", passthrough=passthrough)
            for number, each in enumerate(rule.backend_refs)
        )
        shares = zip(backends.value, rule.backend_refs, strict=True)
        forwarded = tuple(L4Backend(each, reference.weight) for each, reference in shares)
        made.append(Outcome(L4Rule(rule.name or str(place), forwarded), backends.problems))
    return tuple(made)


TCP_ROUTE = RouteKind(
    TCPRoute,
    protocols=("TCP",),
    l4_rules=forwarding_rules,
    conformance=("TCPRoute",),
    backend_protocols=(Protocol.TCP,),
)

TLS_ROUTE = RouteKind(
    TLSRoute,
    protocols=("TLS",),
    l4_rules=forwarding_rules,
    conformance=("TLSRoute", "TLSRouteModeTerminate", "TLSRouteModeMixed"),
    backend_protocols=(Protocol.TCP,),
)

UDP_ROUTE = RouteKind(
    UDPRoute,
    protocols=("UDP",),
    l4_rules=forwarding_rules,
    conformance=("UDPRoute",),
    backend_protocols=(Protocol.UDP,),
)
