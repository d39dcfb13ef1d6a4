"""The status of GatewayClasses."""

from __future__ import annotations

from translator.conditions import Status, verdict
from translator.db import Db
from translator.engine.query import query
from translator.extension import features
from translator.gateway.gateways import managed_class
from translator.gateway.supported_version import supported_version
from translator.infrastructure.parameters import class_parameters
from translator.objects.gateway_api.gatewayclass import GatewayClass
from translator.refs import Ref

CORE_FEATURES = ("Gateway", "HTTPRoute", "ReferenceGrant")
"""What is supported beyond what the features bring (names of the Gateway API's conformance suite)."""

FEATURES = (
    "GatewayHTTPListenerIsolation",
    "GatewayHTTPSListenerDetectMisdirectedRequests",
    "GatewayPort8080",
    "GatewayRouteHostnameIntersectionPrecedence",
    "HTTPRouteBackendProtocolH2C",
    "HTTPRouteBackendProtocolWebSocket",
    "HTTPRouteDestinationPortMatching",
    "HTTPRouteMethodMatching",
    "HTTPRouteNamedRouteRule",
    "HTTPRouteParentRefPort",
    "HTTPRouteQueryParamMatching",
)

DEPLOYED_FEATURES = ("GatewayAddressEmpty", "GatewayInfrastructure", "GatewayStaticAddresses")
"""What is supported where Headgate deploys the proxies."""


@query
def gatewayclass_status(db: Db, ref: Ref) -> Status | None:
    """Return the status of a GatewayClass of ours, None for others'."""
    found = db.get(GatewayClass, ref)
    if found is None or not managed_class(db, ref.name):
        return None
    problems = class_parameters(db, ref.name)
    generation = found.metadata.generation or 1
    own = (*CORE_FEATURES, *FEATURES, *(() if db.settings.standalone else DEPLOYED_FEATURES))
    supported = sorted({*own, *(name for each in features(db) for name in each.conformance)})
    return {
        "conditions": [
            verdict("Accepted", problems, "Accepted", "Headgate runs Gateways of this class.").json(generation),
            supported_version(db).json(generation),
        ],
        "supportedFeatures": [{"name": each} for each in supported],
    }
