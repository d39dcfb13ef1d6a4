"""What objects are generated from: few names, values of fields, and fields that may be left out."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st

from translator.objects.schema.base import KubernetesObject
from translator.registry import KINDS

Raw = dict[str, Any]
Objects = st.SearchStrategy[KubernetesObject]

GATEWAY_API = "gateway.networking.k8s.io"
EXPERIMENTAL = "gateway.networking.x-k8s.io"
NAMESPACES = ("a", "b")
CREATED = ("2026-01-01T00:00:00Z", "2026-01-02T00:00:00Z")
HOSTNAMES = ("x.test", "y.x.test", "*.x.test", "*.test")


def parsed(raw: Raw) -> KubernetesObject:
    """Return the object of a manifest, in which nothing is wrong."""
    found = KINDS.parse(raw)
    assert found.object is not None, found.problems
    assert not found.problems, found.problems
    return found.object


def maybe(strategy: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    """Return nothing half of the time, which leaves the field out."""
    return st.none() | strategy


def fields(**fields: st.SearchStrategy[Any] | Any) -> st.SearchStrategy[Raw]:
    """Return a map of fields, without those that came out as None."""
    each = {name: value if isinstance(value, st.SearchStrategy) else st.just(value) for name, value in fields.items()}
    return st.fixed_dictionaries(each).map(_present)


def _present(made: Raw) -> Raw:
    return {name: value for name, value in made.items() if value is not None}


def one(*values: Any) -> st.SearchStrategy[Any]:
    """Return any of the values."""
    return st.sampled_from(values)


def some(strategy: st.SearchStrategy[Any], most: int, least: int = 0, by: Any = repr) -> st.SearchStrategy[list[Any]]:
    """Return a list of so many values, no two of which are the same by a key."""
    return st.lists(strategy, min_size=least, max_size=most, unique_by=by)


def object_of(api_version: str, kind: str, names: tuple[str, ...], *, cluster: bool = False, **rest: Any) -> Objects:
    """Return objects of a kind, with some of the names and any of the fields."""
    namespace = rest.pop("namespace", one(*NAMESPACES))
    metadata = fields(
        name=one(*names),
        namespace=None if cluster else namespace,
        creationTimestamp=maybe(one(*CREATED)),
        labels=rest.pop("labels", None),
        annotations=rest.pop("annotations", None),
    )
    return fields(apiVersion=api_version, kind=kind, metadata=metadata, **rest).map(parsed)
