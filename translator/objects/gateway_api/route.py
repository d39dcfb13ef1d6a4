"""What routes of all kinds have in common (Gateway API, `apis/v1/shared_types.go`: `CommonRouteSpec`)."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field

from translator.objects.gateway_api.references import GATEWAY_GROUP, ParentReference
from translator.objects.schema.base import Fields, FieldViolation, NamespacedObject, raise_violations, repeated, shared
from translator.objects.schema.scalars import Hostname


def _parent_violations(parents: tuple[ParentReference, ...]) -> Iterator[FieldViolation]:
    by_parent: defaultdict[tuple[str | None, ...], list[int]] = defaultdict(list)
    for index, parent in enumerate(parents):
        by_parent[parent.group, parent.kind, parent.namespace, parent.name].append(index)
    for indexes in by_parent.values():
        sections = [(parents[index].section_name, parents[index].port) for index in indexes]
        shapes = [(section is None, port is None) for section, port in sections]
        for position, index in enumerate(indexes):
            if shapes[position] != shapes[0]:
                message = "names the parent of an earlier entry: give both a sectionName, or both a port"
                yield FieldViolation((index,), message)
        for position in repeated(sections):
            yield FieldViolation(
                (indexes[position],), "repeats an earlier entry: remove it, or change its sectionName or port"
            )


def _check_parents(parents: tuple[Any, ...]) -> tuple[Any, ...]:
    if len(parents) > 1:
        raise_violations(_parent_violations(parents))
    return parents


class RouteSpec(Fields):
    """What every route has: the parents that it attaches to."""

    parent_refs: Annotated[
        tuple[ParentReference, ...], Field(max_length=32), AfterValidator(_check_parents), shared()
    ] = ()
    use_default_gateways: Literal["All", "None"] | None = None


class Route(NamespacedObject):
    """An object that sends traffic of listeners to backends."""

    group = GATEWAY_GROUP

    spec: RouteSpec

    @property
    def hostnames(self) -> tuple[str, ...]:
        """The hostnames that it serves, of which none stands for all; empty for kinds that have no such field."""
        return ()

    @property
    def rule_names(self) -> tuple[str, ...]:
        """The names of its rules, "" for one without."""
        rules: tuple[Any, ...] = getattr(self.spec, "rules", ())
        return tuple(each.name or "" for each in rules)

    @property
    def reads_model(self) -> bool:
        """Whether filters read the model of requests, since rules depend on it."""
        return False

    def rule_spec(self, place: int) -> Any:
        """Return the spec of a rule, by its place among those that are served."""
        rules: tuple[Any, ...] = getattr(self.spec, "rules", ())
        return rules[place]


class HostnameRouteSpec(RouteSpec):
    """What a route attaches to, and the names it serves (none stands for all)."""

    hostnames: Annotated[tuple[Hostname, ...], Field(max_length=16)] = ()


class HostnameRoute(Route):
    """A route that tells requests apart by their host."""

    spec: HostnameRouteSpec

    @property
    def hostnames(self) -> tuple[str, ...]:
        """The hostnames that it serves, of which none stands for all."""
        return self.spec.hostnames
