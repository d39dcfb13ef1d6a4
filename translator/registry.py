"""The registry of all declarations: kinds of objects, routes, backends, policies, statuses, extensions."""

from __future__ import annotations

from collections.abc import Iterable

from translator.backends import service
from translator.errors import ExtensionError
from translator.extension import Extension, PolicyUnit
from translator.extensions import EXTENSIONS
from translator.installed import installed_extensions
from translator.kinds import PolicyKind, Registry
from translator.objects.gateway_api.gateway import Gateway
from translator.objects.gateway_api.gatewayclass import GatewayClass
from translator.objects.gateway_api.listenerset import ListenerSet
from translator.objects.gateway_api.policy import PolicySpec
from translator.objects.gateway_api.referencegrant import ReferenceGrant
from translator.objects.headgate.gatewayextension import GatewayExtension
from translator.objects.headgate.gatewayparameters import GatewayParameters
from translator.objects.kubernetes.clustertrustbundle import ClusterTrustBundle
from translator.objects.kubernetes.core import ConfigMap, Namespace, Secret
from translator.objects.kubernetes.customresourcedefinition import CustomResourceDefinition
from translator.objects.kubernetes.endpointslice import EndpointSlice
from translator.objects.kubernetes.service import Service
from translator.objects.kubernetes.workloads import DaemonSet, Deployment, Pod
from translator.objects.parse import Kinds
from translator.objects.schema.base import KubernetesObject
from translator.routes import ROUTES
from translator.routes.policy_filters import policy_filter
from translator.status import (
    backend,
    gateway,
    gatewayclass,
    gatewayextension,
    gatewayparameters,
    headgatebackend,
    inferencepool,
    listenerset,
    policy,
    route,
)

KUBERNETES_KINDS = (
    Namespace,
    Service,
    EndpointSlice,
    Secret,
    ConfigMap,
    ClusterTrustBundle,
    Deployment,
    DaemonSet,
    Pod,
    CustomResourceDefinition,
)
"""The kinds of Kubernetes that are read."""

STATUSES = (
    gatewayclass.STATUS,
    gateway.STATUS,
    listenerset.STATUS,
    gatewayparameters.STATUS,
    gatewayextension.STATUS,
    headgatebackend.STATUS,
    inferencepool.STATUS,
    route.STATUS,
    policy.STATUS,
    backend.STATUS,
)


def registry(extensions: Iterable[Extension], packages: Iterable[str] = ()) -> Registry:
    """Return the registry of Headgate with these extensions.

    Args:
        extensions: the extensions.
        packages: the packages, in addition to Headgate's own, that declare indexes.

    Raises:
        ValueError: there would be two kinds of one name, or a unit that no policy can have.
    """
    found = tuple(extensions)
    backends = (service.BACKEND, *(kind for each in found for kind in each.backends))
    statuses = (*STATUSES, *(status for each in found for status in each.statuses))
    policies = tuple(kind for each in found for kind in each.policies)
    units = [unit for each in found for unit in each.units]
    _check_units(policies, units)
    filters = (*(reader for each in found for reader in each.filters), policy_filter(policies))
    written = tuple((each.policy.kind, each.field) for each in units if each.inherit is None)
    kinds: list[type[KubernetesObject]] = [GatewayClass, Gateway, ListenerSet]
    kinds += (each.model for each in ROUTES)
    kinds += (ReferenceGrant, *(model for each in found for model in each.objects))
    kinds += (each.model for each in backends if each.model is not Service)
    kinds += (each.model for each in policies)
    kinds += (GatewayExtension, GatewayParameters, *KUBERNETES_KINDS)
    return Registry(
        Kinds(kinds),
        ROUTES,
        backends,
        policies,
        statuses,
        tuple(units),
        _closed(units) | {each.model.kind: each.closed_fields for each in policies if each.closed_fields},
        frozenset(each.policy.kind for each in units if each.connections is not None),
        written,
        {(each.policy.kind, each.field): each.names_routes for each in units if each.names_routes is not None},
        {each.member: each for extension in found for each in extension.providers},
        frozenset((each.policy.kind, each.field) for each in units if each.enforced_beside),
        ("translator", *packages),
        frozenset(type_ for each in filters if each.composed for type_ in each.types),
        filters,
        found,
        tuple((each.policy.kind, each.field, each.by_place) for each in units if each.by_place is not None),
        next((each.unite for each in found if each.unite is not None), None),
    )


def _closed(units: Iterable[PolicyUnit]) -> dict[str, frozenset[str]]:
    """Return the fields that fail closed, by the kind of the policies, for kinds with units."""
    found: dict[str, frozenset[str]] = {}
    for each in units:
        own = {each.field} if each.closed else set()
        found[each.policy.kind] = found.get(each.policy.kind, frozenset()) | own
    return found


def _check_units(policies: Iterable[PolicyKind], units: Iterable[PolicyUnit]) -> None:
    models, seen = {each.model: each for each in policies}, set[tuple[str, str]]()
    for unit in units:
        kind, field = unit.policy.kind, unit.field
        if unit.policy not in models:
            raise ValueError(f"there is a unit for the kind {kind}, which is not among the policies of any extension")
        if (kind, field) in seen:
            raise ValueError(f"there are two units for the field {field} of the kind {kind}")
        seen.add((kind, field))
        if unit.closed and not models[unit.policy].closed:
            raise ValueError(
                f"the unit for the field {field} fails closed, and the kind {kind} is not declared to do so"
            )
        if not _has_field(unit):
            raise ValueError(f"there is a unit for the field {field} of the kind {kind}, whose spec has no such field")


def _has_field(unit: PolicyUnit) -> bool:
    try:
        unit.policy.spec_model().unit_info(unit.field)
    except KeyError:
        return False
    return unit.field not in PolicySpec.model_fields


def _with_installed() -> Registry:
    found = tuple(installed_extensions())
    try:
        return registry((*EXTENSIONS, *(each for _, each in found)), dict.fromkeys(package for package, _ in found))
    except ValueError as error:
        raise ExtensionError(f"an installed extension cannot be used: {error}; remove its package") from error


REGISTRY = _with_installed()
"""All declarations of Headgate and of installed packages."""
KINDS = REGISTRY.kinds
"""The kinds of objects that are read."""
