"""Extensions of route rules: each reads its part of a rule and writes it into Envoy's messages."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, TypeVar, cast

from translator.db import Db
from translator.ir.http import RouteFeature
from translator.objects.gateway_api.filters import RouteFilter
from translator.objects.gateway_api.rules import RouteRule
from translator.objects.schema.base import Fields, KubernetesObject
from translator.outcome import Outcome
from translator.refs import Ref

M = TypeVar("M", bound=Fields)

FilterOutcome = Outcome[tuple[RouteFeature, ...] | None]
"""What a feature has to say of a rule; None instead of a tuple: the rule cannot be served as asked, answer 500."""


@dataclass(frozen=True, slots=True)
class FilterContext:
    """The context in which filters are read: a rule of a route, or one backend of a rule.

    Attributes:
        route: the route, of an API group `group`.
        field: the path of the rule or backend in the route, such as ``spec.rules[0]``, for messages.
        filters: its filters.
        rule: the rule; None for a backend.
    """

    db: Db
    group: str
    route: Ref
    field: str
    filters: tuple[RouteFilter, ...]
    rule: RouteRule | None = None

    def filters_of(self, *types: str) -> Iterator[tuple[str, RouteFilter]]:
        """Yield the filters of these types, each with its field's path."""
        for place, each in enumerate(self.filters):
            if each.type in types:
                yield f"{self.field}.filters[{place}]", each

    def members(self, model: type[M]) -> Iterator[tuple[str, M]]:
        """Yield what the filters hold that is of a class, each with the path of its filter."""
        for place, each in enumerate(self.filters):
            member = each.member
            if isinstance(member, model):
                yield f"{self.field}.filters[{place}]", member


@dataclass(frozen=True, slots=True)
class Feature:
    """An extension of what rules can do; its place in `translator.extensions.FEATURES` is its filter's place in Envoy.

    Attributes:
        name: its name, for people and documentation.
        read: takes a site, gives what it asks of this feature, nothing if it asks nothing.
        filters: the types of filters that it takes care of.
        accepts: for a filter type that several features share, whether this one takes care of it.
        on_backends: whether it can be asked for by one backend.
        kinds: the kinds of objects that it reads, beyond those that are always read.
        http_filter: makes the ``HttpFilter`` that it needs in every connection manager, if it needs one.
        conformance: the features of the Gateway API's conformance suite that it brings.
    """

    name: str
    read: Callable[[FilterContext], FilterOutcome]
    filters: tuple[str, ...] = ()
    accepts: Callable[[RouteFilter], bool] = lambda _: True
    on_backends: bool = False
    kinds: tuple[type[KubernetesObject], ...] = ()
    http_filter: Callable[[], Any] | None = None
    conformance: tuple[str, ...] = ()

    def takes(self, found: RouteFilter) -> bool:
        """Whether this feature takes care of the filter."""
        return found.type in self.filters and self.accepts(found)


def features(db: Db) -> tuple[Feature, ...]:
    """Return the features that routes may use, in the order of their filters."""
    return cast(tuple[Feature, ...], db.registry.extensions)
