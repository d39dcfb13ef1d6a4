"""Manifests: what is asked of the API server, as plain data."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

from translator.refs import Ref


class ManifestKind(NamedTuple):
    """A kind of object that is deployed: its `apiVersion`, and its name in URLs and RBAC rules."""

    api_version: str
    kind: str
    plural: str

    @property
    def group(self) -> str:
        """The API group, "" for the core group."""
        return self.api_version.rpartition("/")[0]


KINDS: Final[Mapping[str, ManifestKind]] = {
    each.kind: each
    for each in (
        ManifestKind("v1", "ServiceAccount", "serviceaccounts"),
        ManifestKind("v1", "ConfigMap", "configmaps"),
        ManifestKind("v1", "Service", "services"),
        ManifestKind("apps/v1", "Deployment", "deployments"),
        ManifestKind("apps/v1", "DaemonSet", "daemonsets"),
        ManifestKind("autoscaling/v2", "HorizontalPodAutoscaler", "horizontalpodautoscalers"),
        ManifestKind("policy/v1", "PodDisruptionBudget", "poddisruptionbudgets"),
    )
}
"""All kinds that are deployed, in the order in which they are applied."""


@dataclass(frozen=True, slots=True)
class Manifest:
    """An object as it is to be: exactly the fields that Headgate answers for."""

    ref: Ref
    body: Mapping[str, Any]

    @property
    def kind(self) -> ManifestKind:
        """What kind of object it is."""
        return KINDS[self.ref.kind]


@dataclass(frozen=True, slots=True)
class Proxies:
    """What is to be deployed for a Gateway.

    Attributes:
        manifests: all of it, in the order in which it is applied; empty where somebody else runs the proxies.
        held: what is to be deployed cannot be told, so whatever runs is left as it is.
    """

    manifests: tuple[Manifest, ...] = ()
    held: bool = False


HELD: Final = Proxies(held=True)
