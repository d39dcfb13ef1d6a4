"""The release of the Gateway API's definitions in the cluster, and whether Headgate supports it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

from translator.conditions import Condition, bounded
from translator.db import Db
from translator.engine.query import index, query
from translator.objects.gateway_api.references import GATEWAY_GROUP
from translator.objects.kubernetes.customresourcedefinition import BUNDLE_VERSION, CustomResourceDefinition
from translator.refs import Ref

NEWEST_MINOR: Final = 7
"""Releases v1.0 to v1.7 are supported, with their patches and candidates."""

_RELEASE: Final = re.compile(r"v1\.([0-9]{1,3})\.[0-9]+(-[0-9A-Za-z.-]+)?")


def _group(ref: Ref) -> str:
    return ref.name.partition(".")[2]


@index(CustomResourceDefinition.kind, partitions=lambda _, ref: (_group(ref),))
def definitions(db: Db, ref: Ref) -> Iterator[tuple[str, tuple[str, str]]]:
    """Index definitions by the API group that their name ends in: name and release, "" where it names none."""
    found = db.get(CustomResourceDefinition, ref)
    if found is not None:
        yield _group(ref), (ref.name, found.metadata.annotations.get(BUNDLE_VERSION, ""))


@query
def supported_version(db: Db) -> Condition:
    """Return the condition SupportedVersion of every GatewayClass of ours.

    Without a cluster there are no definitions, and objects are read as the newest release defines them.
    Source: `GatewayClassConditionStatusSupportedVersion` of the Gateway API.
    """
    others = sorted(each for each in db.select(definitions, GATEWAY_GROUP) if not is_supported(each[1]))
    supported = f"v1.0 to v1.{NEWEST_MINOR}"
    if not others:
        text = f"The Gateway API's definitions are of a supported release ({supported})."
        return Condition("SupportedVersion", "True", "SupportedVersion", text)
    told = [f"CustomResourceDefinition {name} {_belongs(release)}." for name, release in others]
    way_out = f"Headgate supports {supported}, and serves what it can; install the definitions of one of these."
    return Condition("SupportedVersion", "False", "UnsupportedVersion", bounded([*told, way_out]))


def is_supported(release: str) -> bool:
    """Return whether Headgate supports a release of the Gateway API, as the annotation of a definition names it."""
    found = _RELEASE.fullmatch(release)
    return found is not None and int(found[1]) <= NEWEST_MINOR


def _belongs(release: str) -> str:
    return f"belongs to release {release[:63]}" if release else f"has no annotation {BUNDLE_VERSION}"
