"""The status of GatewayClasses."""

from __future__ import annotations

from itertools import chain

from translator.conditions import Status, verdict
from translator.db import Db
from translator.engine.query import query
from translator.extension import extensions
from translator.gateway.gateways import managed_class
from translator.gateway.supported_version import supported_version
from translator.infrastructure.parameters import class_parameters
from translator.inputs import Invalid
from translator.kinds import StatusKind
from translator.objects.gateway_api.gatewayclass import GatewayClass
from translator.objects.kubernetes.clustertrustbundle import ClusterTrustBundle
from translator.refs import Ref
from translator.status.invalid import false, last_valid_status

FEATURES = (
    "Gateway",
    "GatewayFrontendClientCertificateValidation",
    "GatewayFrontendClientCertificateValidationInsecureFallback",
    "GatewayHTTPListenerIsolation",
    "GatewayHTTPSListenerDetectMisdirectedRequests",
    "GatewayPort8080",
    "GatewayRouteHostnameIntersectionPrecedence",
    "ListenerSet",
    "ReferenceGrant",
)
"""What is supported beside what routes and extensions bring (names of the Gateway API's conformance suite)."""

DEPLOYED_FEATURES = (
    "GatewayAddressEmpty",
    "GatewayAddressRoutability",
    "GatewayAddressRoutabilityCluster",
    "GatewayInfrastructure",
    "GatewayStaticAddresses",
)
"""What is supported where Headgate deploys the proxies."""


@query
def gatewayclass_status(db: Db, ref: Ref) -> Status | None:
    """Return the status of a GatewayClass of ours, None for others'."""
    found = db.get(GatewayClass, ref)
    if found is None or not managed_class(db, ref.name):
        return None
    problems = class_parameters(db, ref.name)
    generation = found.metadata.generation or 1
    brought = (*(each.conformance for each in db.registry.routes), *(each.conformance for each in extensions(db)))
    own = (*FEATURES, *(() if db.settings.standalone else DEPLOYED_FEATURES))
    own += (ClusterTrustBundle.kind,) if db.is_served(ClusterTrustBundle.kind) else ()
    supported = sorted({*own, *chain.from_iterable(brought)})
    return {
        "conditions": [
            verdict("Accepted", problems, "Accepted", "Headgate runs Gateways of this class.").json(generation),
            supported_version(db).json(generation),
        ],
        "supportedFeatures": [{"name": each} for each in supported],
    }


def _invalid(db: Db, ref: Ref, invalid: Invalid, text: str) -> Status | None:
    if invalid.partial.controller != db.settings.controller_name:
        return None
    return {**last_valid_status(db, ref), "conditions": [false("Accepted", "Unsupported", text, invalid)]}


STATUS = StatusKind(GatewayClass, gatewayclass_status, _invalid)
