"""All that is declared, collected: kinds of objects, routes, statuses, extensions."""

from __future__ import annotations

from collections.abc import Iterable

from translator.backends import service
from translator.errors import ExtensionError
from translator.extension import Extension
from translator.extensions import EXTENSIONS
from translator.installed import installed_extensions
from translator.kinds import Registry
from translator.objects.gateway_api.gateway import Gateway
from translator.objects.gateway_api.gatewayclass import GatewayClass
from translator.objects.gateway_api.referencegrant import ReferenceGrant
from translator.objects.headgate.gatewayparameters import GatewayParameters
from translator.objects.kubernetes.core import ConfigMap, Namespace, Secret
from translator.objects.kubernetes.customresourcedefinition import CustomResourceDefinition
from translator.objects.kubernetes.endpointslice import EndpointSlice
from translator.objects.kubernetes.service import Service
from translator.objects.kubernetes.workloads import DaemonSet, Deployment, Pod
from translator.objects.parse import Kinds
from translator.objects.schema.base import KubernetesObject
from translator.routes import ROUTES
from translator.status import gateway, gatewayclass, gatewayparameters, policy, route

KUBERNETES_KINDS = (
    Namespace,
    Service,
    EndpointSlice,
    Secret,
    ConfigMap,
    Deployment,
    DaemonSet,
    Pod,
    CustomResourceDefinition,
)
"""The kinds of Kubernetes itself that are read."""

STATUSES = (gatewayclass.STATUS, gateway.STATUS, gatewayparameters.STATUS, route.STATUS, policy.STATUS)


def registry(extensions: Iterable[Extension], packages: Iterable[str] = ()) -> Registry:
    """Make the registry of Headgate with these extensions.

    Args:
        extensions: the extensions.
        packages: the packages beside Headgate's own that declare indexes.

    Raises:
        ValueError: there would be two kinds of one name.
    """
    found = tuple(extensions)
    backends = (service.BACKEND, *(kind for each in found for kind in each.backends))
    statuses = (*STATUSES, *(status for each in found for status in each.statuses))
    policies = tuple(kind for each in found for kind in each.policies)
    kinds: list[type[KubernetesObject]] = [GatewayClass, Gateway]
    kinds += (each.model for each in ROUTES)
    kinds += (ReferenceGrant, *(model for each in found for model in each.objects))
    kinds += (each.model for each in backends if each.model is not Service)
    kinds += (each.model for each in policies)
    kinds += (GatewayParameters, *KUBERNETES_KINDS)
    return Registry(Kinds(kinds), ROUTES, backends, policies, statuses, ("translator", *packages), found)


def _with_installed() -> Registry:
    found = tuple(installed_extensions())
    try:
        return registry((*EXTENSIONS, *(each for _, each in found)), dict.fromkeys(package for package, _ in found))
    except ValueError as error:
        raise ExtensionError(f"an installed extension cannot be used: {error}; remove its package") from error


REGISTRY = _with_installed()
"""All that is declared here and in installed packages."""
KINDS = REGISTRY.kinds
"""The kinds of objects that are read."""
