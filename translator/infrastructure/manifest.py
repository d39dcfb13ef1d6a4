"""Manifests of Kubernetes objects, as plain data."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from translator.backends.own_service import OwnService
from translator.objects.kubernetes.core import ConfigMap
from translator.objects.kubernetes.service import Service
from translator.objects.kubernetes.workloads import (
    DaemonSet,
    Deployment,
    HorizontalPodAutoscaler,
    PodDisruptionBudget,
    ServiceAccount,
    VerticalPodAutoscaler,
)
from translator.objects.schema.base import KubernetesObject
from translator.refs import Ref

DEPLOYED_KINDS: Final[Mapping[str, type[KubernetesObject]]] = {
    each.kind: each
    for each in (
        ServiceAccount,
        ConfigMap,
        Service,
        Deployment,
        DaemonSet,
        HorizontalPodAutoscaler,
        PodDisruptionBudget,
        VerticalPodAutoscaler,
    )
}
"""The kinds that are deployed, in the order in which they are applied."""

WORKLOADS: Final = (Deployment.kind, DaemonSet.kind)
"""The kinds that run proxies."""


@dataclass(frozen=True, slots=True)
class Manifest:
    """The desired state of an object: the fields that Headgate owns, and no others."""

    ref: Ref
    body: Mapping[str, Any]

    @property
    def model(self) -> type[KubernetesObject]:
        """The model of the object's kind."""
        return DEPLOYED_KINDS[self.ref.kind]


@dataclass(frozen=True, slots=True)
class ProxyManifests:
    """The manifests of a Gateway's proxies.

    Attributes:
        manifests: all of them, in the order in which they are applied; empty for self-managed proxies.
        paused: whether the manifests are unknown, so that existing objects are left as they are.
        services: those of services of Headgate's own, for a Gateway whose policies need them.
    """

    manifests: tuple[Manifest, ...] = ()
    paused: bool = False
    services: tuple[tuple[OwnService, tuple[Manifest, ...]], ...] = ()


PAUSED: Final = ProxyManifests(paused=True)
