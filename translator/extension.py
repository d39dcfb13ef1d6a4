"""Extensions: each declares what it reads of objects, and what it writes into Envoy's messages."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TypeVar, cast

from translator.db import Db
from translator.envoy.http_filter import HttpFilter
from translator.ir.http import RuleSetting
from translator.ir.listener import ListenerSetting
from translator.kinds import BackendKind, PolicyKind, StatusKind
from translator.objects.gateway_api.filters import RouteFilter
from translator.objects.gateway_api.policy import Policy
from translator.objects.gateway_api.rules import RouteRule
from translator.objects.schema.base import Fields, KubernetesObject
from translator.outcome import Outcome
from translator.policies.merging import Effective
from translator.refs import Ref

M = TypeVar("M", bound=Fields)

FilterOutcome = Outcome[tuple[RuleSetting, ...] | None]
"""The settings that a rule asks for; None instead of a tuple: the rule cannot be served as asked."""


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
    rule: RouteRule[Fields] | None = None

    @property
    def error(self) -> str:
        """What requests are answered with that cannot be served as asked, in messages."""
        return self.db.registry.route(self.route.kind).error

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
class FilterReader:
    """What a rule, or one of its backendRefs, may ask for, by its filters or by fields of its own.

    Attributes:
        read: takes a rule or backendRef in its context, returns the settings it asks for; none if it asks for nothing.
        types: the types of filters that it reads.
        accepts: for a type that several share, whether this one reads the filter.
        on_backends: whether a single backendRef can have it.
    """

    read: Callable[[FilterContext], FilterOutcome]
    types: tuple[str, ...] = ()
    accepts: Callable[[RouteFilter], bool] = lambda _: True
    on_backends: bool = False

    def reads(self, found: RouteFilter) -> bool:
        """Return whether it reads a filter."""
        return found.type in self.types and self.accepts(found)


@dataclass(frozen=True, slots=True)
class PolicyContext:
    """The context in which a unit of a policy is read.

    Attributes:
        field: the path of the unit in the policies' specs, such as ``spec.cors``, for messages.
        effective: its effective value, and from which policy each part of it comes.
    """

    db: Db
    field: str
    effective: Effective


@dataclass(frozen=True, slots=True)
class PolicyUnit:
    """A field of a policy's spec that has a meaning of its own.

    Attributes:
        policy: the class of the policies.
        field: the name of the field in their specs.
        read: takes the effective value in its context, returns the settings of the rules that it is effective for;
            None if what it protects cannot be served without it.
        setting: the class of its settings: a rule whose own filters or fields ask for one is not given the policy's.
        closed: whether rules answer 500 where the unit cannot be read; otherwise they are served without it.
        inherit: makes of the settings of a Gateway's or listener's policies what routes inherit in Envoy, so that none
            has to say it; None where each has to. A closed unit has none.
    """

    policy: type[Policy]
    field: str
    read: Callable[[PolicyContext], FilterOutcome]
    setting: type[RuleSetting]
    closed: bool = False
    inherit: Callable[[tuple[RuleSetting, ...]], tuple[ListenerSetting, ...]] | None = None

    def __post_init__(self) -> None:
        assert not (self.closed and self.inherit), "what is closed is closed at each route"


@dataclass(frozen=True, slots=True)
class Extension:
    """What one file of `translator.extensions` brings.

    Attributes:
        name: its name, for people and documentation.
        objects: the kinds of objects that it reads, beyond those that are always read.
        backends: the kinds of objects that backendRefs may name by it; they are read too.
        policies: the kinds of policies that it brings.
        units: fields of policies that it gives a meaning to.
        filters: what rules and backendRefs may ask for, read in the order of `translator.extensions.EXTENSIONS`.
        http_filters: the HTTP filters that it needs in every connection manager.
        statuses: the statuses of its objects.
        conformance: the features of the Gateway API's conformance suite that it brings.
    """

    name: str
    objects: tuple[type[KubernetesObject], ...] = ()
    backends: tuple[BackendKind, ...] = ()
    policies: tuple[PolicyKind, ...] = ()
    units: tuple[PolicyUnit, ...] = ()
    filters: tuple[FilterReader, ...] = ()
    http_filters: tuple[HttpFilter, ...] = ()
    statuses: tuple[StatusKind, ...] = ()
    conformance: tuple[str, ...] = ()

    @property
    def kinds(self) -> tuple[type[KubernetesObject], ...]:
        """All kinds of objects that it adds: those that it reads, its policies and backends."""
        return (*self.objects, *(each.model for each in self.policies), *(each.model for each in self.backends))


def extensions(db: Db) -> tuple[Extension, ...]:
    """Return the extensions there are, in the order in which their part of a rule is read."""
    return cast(tuple[Extension, ...], db.registry.extensions)


def filter_readers(db: Db) -> list[FilterReader]:
    """Return what rules may ask for, in the order in which it is read, so in which problems are told."""
    return [found for each in extensions(db) for found in each.filters]


def policy_units(db: Db) -> list[PolicyUnit]:
    """Return the units of policies, in the order of their extensions."""
    return [found for each in extensions(db) for found in each.units]
