"""CustomResourceDefinition, as far as it says which release of the Gateway API a cluster has."""

from collections.abc import Mapping
from typing import Annotated, Final

from pydantic import BeforeValidator, Field

from translator.objects.schema.base import ClusterMeta, ClusterObject
from translator.objects.schema.scalars import Annotations

BUNDLE_VERSION: Final = "gateway.networking.k8s.io/bundle-version"
"""The annotation in which a definition of the Gateway API names the release that it belongs to."""


def _bundle_version(annotations: object) -> object:
    """Others are left out: definitions carry copies of themselves, of hundreds of kilobytes, in annotations."""
    if not isinstance(annotations, Mapping):
        return annotations
    return {key: value for key, value in annotations.items() if key == BUNDLE_VERSION}


class CustomResourceDefinitionMeta(ClusterMeta):
    """The metadata of a definition."""

    annotations: Annotated[Annotations, BeforeValidator(_bundle_version)] = Field(default_factory=dict)


class CustomResourceDefinition(ClusterObject):
    """The definition of a kind, for its name and for the release that it belongs to."""

    ignored_fields = ClusterObject.ignored_fields | {"spec"}

    kind = "CustomResourceDefinition"
    group = "apiextensions.k8s.io"
    versions = ("v1",)
    plural = "customresourcedefinitions"
    rbac_reason = "Find the installed version of the Gateway API; only metadata is read."
    metadata_only = True

    metadata: CustomResourceDefinitionMeta
