"""The fields of an object that its manifest sets, for comparison. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from translator.strategic_merge import keyed


def owned_fields(live: Mapping[str, Any], manifest: Mapping[str, Any]) -> Any:
    """Return the fields of an object that its manifest has, without apiVersion and kind, which items of lists lack."""
    return project(live, {name: wanted for name, wanted in manifest.items() if name not in ("apiVersion", "kind")})


def project(live: Any, like: Any) -> Any:
    """Return the part of `live` that has the shape of `like`.

    That is: of objects, the fields that `like` has; of lists with merge keys, the items that `like` has; other values
    whole. Fields that other clients add or the API server defaults are left out; missing fields stay missing.
    """
    if isinstance(live, Mapping) and isinstance(like, Mapping):
        return {name: project(live[name], wanted) for name, wanted in like.items() if name in live}
    if isinstance(live, list) and isinstance(like, Sequence) and not isinstance(like, str):
        key = keyed(live, like)
        if key is not None:
            wanted = {item[key]: item for item in like}
            return [project(item, wanted[item[key]]) for item in live if item[key] in wanted]
    return live
