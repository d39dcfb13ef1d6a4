"""The fields of an object that its manifest owns. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from translator.strategic_merge import keyed


def owned_fields(live: Mapping[str, Any], manifest: Mapping[str, Any]) -> Any:
    """Give the fields of an object that its manifest has, but for what it is: objects in lists do not say that."""
    return project(live, {name: wanted for name, wanted in manifest.items() if name not in ("apiVersion", "kind")})


def project(live: Any, like: Any) -> Any:
    """Give the part of `live` that has the shape of `like`.

    Of objects the fields that `like` has, of lists whose items have names the items that `like` has, and all of
    anything else. What others add, and what the API server fills in, is left out; what is missing is missing.
    """
    if isinstance(live, Mapping) and isinstance(like, Mapping):
        return {name: project(live[name], wanted) for name, wanted in like.items() if name in live}
    if isinstance(live, list) and isinstance(like, Sequence) and not isinstance(like, str):
        key = keyed(live, like)
        if key is not None:
            wanted = {item[key]: item for item in like}
            return [project(item, wanted[item[key]]) for item in live if item[key] in wanted]
    return live
