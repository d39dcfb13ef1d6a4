"""Generators of HTTPRoutes that delegate to others, or that others delegate to."""

from __future__ import annotations

from operator import itemgetter

from hypothesis import strategies as st

from tests.translator.strategies import GATEWAY_API, NAMESPACES, Objects, Raw, fields, maybe, object_of, one, some

DELEGATION = "delegation.headgate.dev"
NAMES = ("r3", "r4", "r5")


def delegating_routes() -> Objects:
    """Routes of a Gateway or of each other, with rules for Services and rules for routes: trees, circles, nothing."""
    parents = some(_gateways() | _routes(), 2, 1, by=itemgetter("name"))
    spec = fields(
        parentRefs=one(None, None, None, [{"name": "g1", "namespace": "a"}], [{"name": "g1", "namespace": "a"}])
        | parents,
        hostnames=one(*[None] * 8, ["x.test"]),
        rules=st.lists(_forwarding() | _delegating() | _delegating(), min_size=1, max_size=2),
    )
    inherits, weight = {f"{DELEGATION}/inherit-parent-matcher": "true"}, {f"{DELEGATION}/route-weight": "2"}
    return object_of(
        f"{GATEWAY_API}/v1",
        "HTTPRoute",
        NAMES,
        namespace=one("a", "a", "a", "b"),
        labels=one(None, None, {f"{DELEGATION}/label": "red"}, {"team": "red"}),
        annotations=one(None, None, inherits, weight),
        spec=spec,
    )


def _gateways() -> st.SearchStrategy[Raw]:
    return fields(name=one("g1", "g2"), namespace="a")


def _routes() -> st.SearchStrategy[Raw]:
    return fields(kind="HTTPRoute", name=one(*NAMES), namespace=maybe(one(*NAMESPACES)))


def _matches() -> st.SearchStrategy[list[Raw]]:
    paths = [{"value": "/"}, {"value": "/p"}, {"value": "/p/q"}, {"value": "/pq"}]
    kinds = [{"type": "Exact", "value": "/p/q"}, {"type": "RegularExpression", "value": "/p/.*"}]
    return some(fields(path=one(*paths, *paths, *kinds), method=maybe(one("GET"))), 2, 1)


def _forwarding() -> st.SearchStrategy[Raw]:
    backends = some(fields(name=one("w1", "w2"), port=80), 1, 1)
    return fields(matches=maybe(_matches()), backendRefs=backends, timeouts=maybe(one({"request": "3s"})))


def _delegating() -> st.SearchStrategy[Raw]:
    more = {"namespace": maybe(one(*NAMESPACES)), "weight": one(None, None, None, 0, 3)}
    named = fields(group=GATEWAY_API, kind="HTTPRoute", name=one(*NAMES, "*"), **more)
    by_label = fields(group=DELEGATION, kind="label", name="red", **more)
    headers = {"requestHeaderModifier": {"set": [{"name": "x-by", "value": "parent"}]}}
    return fields(
        matches=maybe(_matches()),
        backendRefs=some(named | named | by_label, 2, 1),
        filters=one(None, None, [{"type": "RequestHeaderModifier", **headers}]),
        timeouts=maybe(one({"request": "5s"})),
    )
