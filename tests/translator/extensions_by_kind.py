"""Random GatewayExtensions, and what policies and filters of rules say of authorizers."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st

from tests.translator.strategies import Objects, Raw, fields, maybe, object_of, one

HEADGATE = "gateway.headgate.dev"
NAMES = ("e1", "e2")


def _service() -> st.SearchStrategy[Raw]:
    return fields(name=one("w1", "w2"), namespace=one(None, None, "a", "b"), port=one(80, 80, 81))


def gateway_extensions() -> Objects:
    """Extensions with authorizers whose Services may or may not be there, or permit it, and with wrong statuses."""
    grpc = fields(grpcService=fields(backendRef=_service(), retry=maybe(one({"attempts": 2}))))
    response = one({"headersToBackend": ["x-user"]}, {"headersToClient": ["x-a"]})
    http = fields(httpService=fields(backendRef=_service(), authorizationResponse=maybe(response)))
    more = fields(
        headersToForward=maybe(one(["x-user"], ["x-a"])),
        failOpen=one(None, True),
        statusOnError=one(None, 503, 418),
        clearRouteCache=one(None, True),
    )
    member = st.tuples(grpc | http, more).map(lambda both: {**both[0], **both[1]})
    spec = fields(extAuth=member)
    return object_of(f"{HEADGATE}/v1alpha1", "GatewayExtension", NAMES, namespace=one("a", "a", "b"), spec=spec)


def authorizers() -> st.SearchStrategy[Any]:
    """Return the field `extAuth` of a policy."""
    reference = fields(name=one(*NAMES), namespace=one(None, None, "a", "b"))
    more = fields(
        contextExtensions=one(None, None, {"a": "1"}, {"b": "2"}),
        withRequestBody=one(None, {"maxRequestBytes": 10}, {"maxRequestBytes": 100_000}),
        includeRouteMetadata=one(None, None, True),
    )
    references = fields(extensionRef=reference) | fields(extensionRefs=one([{"name": each} for each in NAMES]))
    asked = st.tuples(references, more).map(lambda both: {**both[0], **both[1]})
    return st.none() | st.none() | asked | st.just({"disable": {}})


def external_auth() -> st.SearchStrategy[Raw]:
    """Return a filter ExternalAuth of a rule, perhaps with a path that it must not have."""
    http = fields(path=one(None, None, "/a", "/../a"), allowedResponseHeaders=maybe(one(["x-user"])))
    by_http = fields(protocol="HTTP", backendRef=_service(), http=http)
    by_grpc = fields(protocol="GRPC", backendRef=_service(), grpc=one({}, {"allowedHeaders": ["x-a"]}))
    return fields(type="ExternalAuth", externalAuth=by_http | by_grpc)
