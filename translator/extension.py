"""Extensions: declarations of filters, policies, backends and kinds of objects, and of their changes of messages."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Final, NamedTuple, TypeVar, cast

from translator.db import Db
from translator.envoy.hooks import FILTER
from translator.envoy.http_filter import HttpFilter
from translator.ir.http import Rule, RuleSetting
from translator.ir.l4 import L4Setting
from translator.ir.listener import ListenerSetting
from translator.kinds import BackendKind, PolicyKind, StatusKind, Unite
from translator.objects.gateway_api.filters import RouteFilter
from translator.objects.gateway_api.policy import Policy
from translator.objects.gateway_api.rules import RouteRule
from translator.objects.schema.base import Fields, KubernetesObject
from translator.outcome import Outcome
from translator.policies.effective import Stack
from translator.policies.merging import Effective
from translator.providers import ProviderKind
from translator.refs import Ref

M = TypeVar("M", bound=Fields)

FilterOutcome = Outcome[tuple[RuleSetting, ...] | None]
"""The settings of a rule; None instead of a tuple if the rule cannot be served as configured."""


UnitSetting = RuleSetting | ListenerSetting
"""A setting that units of policies give: those of rules, or of listeners themselves."""


ListenerOutcome = Outcome[tuple[ListenerSetting, ...] | None]
"""The settings of a listener; None instead of a tuple if what was asked for cannot be had."""


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
        """The response to requests that cannot be served as configured, as text for messages."""
        return self.db.registry.route(self.route.kind).error

    def filters_of(self, *types: str) -> Iterator[tuple[str, RouteFilter]]:
        """Yield the filters of these types, each with its field's path."""
        for place, each in enumerate(self.filters):
            if each.type in types:
                yield f"{self.field}.filters[{place}]", each

    def members(self, model: type[M]) -> Iterator[tuple[str, M]]:
        """Yield the filters' members of a class, each with the path of its filter."""
        for place, each in enumerate(self.filters):
            member = each.member
            if isinstance(member, model):
                yield f"{self.field}.filters[{place}]", member


@dataclass(frozen=True, slots=True)
class FilterReader:
    """A reader of filters, or of other fields, of a rule or of one of its backendRefs.

    Attributes:
        read: takes the context of a rule or backendRef, returns its settings; empty if it configures none.
        types: the types of filters that it reads; empty if it reads fields of rules. One with types is not asked about
            rules without filters.
        accepts: whether it reads a filter of a type that several readers share.
        on_backends: whether a backendRef may have these filters.
        composed: whether their settings are `FilterHook`s, whose configurations are composed with those of policies:
            a route with such a filter has to know the policies that it inherits. They protect: a unit of policies
            that is not for the rule but for them is closed.
    """

    read: Callable[[FilterContext], FilterOutcome]
    types: tuple[str, ...] = ()
    accepts: Callable[[RouteFilter], bool] = lambda _: True
    on_backends: bool = False
    composed: bool = False

    def reads(self, found: RouteFilter) -> bool:
        """Return whether this reader reads a filter."""
        return found.type in self.types and self.accepts(found)


@dataclass(frozen=True, slots=True)
class PolicyContext:
    """The context in which a unit of a policy is read.

    Attributes:
        kind: the kind of the policies.
        field: the path of the unit in the policies' specs, such as ``spec.cors``, for messages.
        effective: its effective value, and the policy of each part of it.
        stack: the policies that it is merged of, the least specific first.
        place: for a unit with `enforced_beside`, the place of an enforced value among those that hold beside what is
            not enforced, the least specific first; None for what is not.
    """

    db: Db
    kind: str
    field: str
    effective: Effective
    stack: Stack = ()
    place: int | None = None

    def origin(self, leaf: str) -> Ref:
        """Return the policy that a leaf of the value comes from, or that something below a path comes from.

        What the value refers to is in that policy's namespace, unless it names another.

        Args:
            leaf: the path of a leaf below the unit, such as ``response.body``.
        """
        origins, below = self.effective.origins, (f"{leaf}.", f"{leaf}[")
        found = (ref for path, ref in origins.items() if not path or path == leaf or path.startswith(below))
        return next(found, None) or next(iter(origins.values()))


class ListenerFilterContext(NamedTuple):
    """The context in which a filter of a listener is read.

    Attributes:
        owner: the Gateway or ListenerSet.
        field: the path of the filter in the listener, such as ``filters.requests[0]``, for messages.
        value: its member.
    """

    db: Db
    owner: Ref
    field: str
    value: Any


@dataclass(frozen=True, slots=True)
class ListenerFilterReader:
    """A reader of filters of listeners.

    Attributes:
        type: the type of these filters.
        read: returns the settings, which give filters in slots; None if the filter cannot be had: requests get 500.
    """

    type: str
    read: Callable[[ListenerFilterContext], FilterOutcome]


def inherited_filters(_: tuple[RuleSetting, ...]) -> tuple[ListenerSetting, ...]:
    """Have routes inherit the configurations of filters: those of all such units are composed (`TABLE`)."""
    return ()


TABLE: Final = inherited_filters
"""For `PolicyUnit.inherit`: its settings are `FilterHook`s only, whose configurations Envoy's routes inherit."""


class RuleCheck(NamedTuple):
    """What the owner of a policy should know of a rule that it targets.

    Attributes:
        problem: why the rule cannot have what the unit asks for, and the way out; "" if it can.
        note: why that has no effect there yet; "" if it has.
    """

    problem: str = ""
    note: str = ""


class Needed(NamedTuple):
    """What settings of rules need of listeners.

    Attributes:
        unit: the field of a unit of listeners.
        without: what becomes of the settings without it, for messages.
    """

    unit: str
    without: str


@dataclass(frozen=True, slots=True)
class PolicyUnit:
    """A field of a policy's spec, which is merged and read on its own.

    Attributes:
        policy: the class of the policies.
        field: the name of the field in their specs.
        read: takes the effective value in its context, returns the settings of the affected rules; None if these rules
            cannot be served without it. Of a kind for listeners, the settings of listeners.
        setting: the class of its settings, or several; a rule whose own filters or fields have such a setting does not
            get the policy's, unless it is enforced.
        closed: whether requests are refused if the unit cannot be read; otherwise they are served without it. It may be
            a function of the effective value.
        inherit: converts the settings of a Gateway's or listener's policies to settings that Envoy's routes inherit,
            so that no route repeats them; `TABLE` for a unit that only configures filters; None if each route must
            have them.
        own: returns what the fields of a rule itself say, as a value of the unit; None if they say nothing. It is
            merged with what policies say, and replaces what readers of the rule make of these fields. Without it a
            rule that has a setting of its own has nothing of the policies'.
        check: takes the unit's settings and a rule that a policy targets, by itself or by its route; returns what the
            policy's owner should know. What applies to all routes of a Gateway is not checked at each.
        names_routes: whether filters need to know which route and rule a request takes: takes the effective value. Each
            route then names itself in its metadata, those too that inherit the unit.
        connections: takes the effective value at a route of connections or datagrams, or one that is enforced beside
            it, returns its settings; None for a unit that concerns requests only.
        connection_fields: the names of the fields of the unit that concern these routes, and no requests; without any,
            all of it concerns both.
        request_fields: takes a value, returns the paths of what it sets that is for requests only, beside what
            concerns both; None for a unit without such fields.
        by_place: takes the value of a policy, or the effective one, returns whether each route has settings of its own
            for it (`RuleSetting.at`), which it cannot inherit; None for a unit of which that is never so.
        connection_faults: takes the value of a policy that targets such a route, yields what of it cannot be had there:
            the path below the unit, what is wrong and the way out.
        disabled: the settings of a route that must not have what it inherits, for a unit with an `inherit` of its own.
        enforced_beside: whether an enforced value holds in addition to what more specific policies say, instead of in
            its place: each is read by itself, and all settings apply.
        protocols: for a unit of listeners, the protocols of those that have it; empty if all have it.
        discovered: the name of the discovered filter that its settings are parts of, if what a proxy says of that is to
            be told to all policies that have the unit; "" if not.
        needs: takes its settings, returns what they need of listeners; None for nothing. That no listener of a Gateway
            has it is told.
    """

    policy: type[Policy]
    field: str
    read: Callable[[PolicyContext], FilterOutcome | ListenerOutcome]
    setting: type[UnitSetting] | tuple[type[UnitSetting], ...]
    closed: bool | Callable[[object], bool] = False
    inherit: Callable[[tuple[RuleSetting, ...]], tuple[ListenerSetting, ...]] | None = None
    own: Callable[[RouteRule[Any]], Fields | None] | None = None
    check: Callable[[tuple[RuleSetting, ...], Rule], RuleCheck] | None = None
    disabled: tuple[RuleSetting, ...] = ()
    names_routes: Callable[[Any], bool] | None = None
    connections: Callable[[Any], tuple[L4Setting, ...]] | None = None
    connection_fields: tuple[str, ...] = ()
    request_fields: Callable[[Any], tuple[str, ...]] | None = None
    by_place: Callable[[Any], bool] | None = None
    connection_faults: Callable[[Any], Iterable[str]] | None = None
    enforced_beside: bool = False
    protocols: frozenset[str] = frozenset()
    discovered: str = ""
    needs: Callable[[tuple[RuleSetting, ...]], Needed | None] | None = None

    @property
    def path(self) -> str:
        """The path of the field, as users write it."""
        return self.policy.spec_model().unit_title(self.field)

    @property
    def configures_filters(self) -> bool:
        """Whether routes inherit the configurations of filters."""
        return self.inherit is TABLE

    @property
    def on_backends(self) -> bool:
        """Whether a policy that a filter of a backendRef names may have it: Envoy has filters there, and no actions."""
        return all(map(FILTER.implemented_by, self._settings))

    def is_for(self, protocol: str) -> bool:
        """Return whether listeners of a protocol have the unit, which is one of listeners."""
        return not self.protocols or protocol in self.protocols

    def is_closed(self, value: object) -> bool:
        """Return whether requests are refused if an effective value of the unit cannot be read."""
        return self.closed if isinstance(self.closed, bool) else self.closed(value)

    def is_setting(self, setting: UnitSetting) -> bool:
        """Return whether a setting is what this unit asks for too."""
        return isinstance(setting, self._settings)

    @property
    def _settings(self) -> tuple[type[UnitSetting], ...]:
        return self.setting if isinstance(self.setting, tuple) else (self.setting,)


@dataclass(frozen=True, slots=True)
class Extension:
    """The declaration of an extension: one file of `translator.extensions`, or one of another package.

    Attributes:
        name: its name, for messages and documentation.
        objects: the kinds of objects that it reads, in addition to those that are always read.
        backends: the kinds of objects that a backendRef may name; they are read too.
        policies: the kinds of policies that it defines.
        units: the fields of policies that it implements.
        providers: the members of GatewayExtensions that it implements.
        filters: the readers of rules and backendRefs, in the order of `translator.extensions.EXTENSIONS`.
        listener_filters: the readers of filters of listeners.
        http_filters: the HTTP filters that it needs in every connection manager.
        statuses: the statuses of its objects.
        conformance: the features of the Gateway API's conformance suite that it implements.
        unite: takes what names them and backends of models, returns what they are together, None if none is left, and
            the names of those that are left out; None for an extension that does not do that.
    """

    name: str
    objects: tuple[type[KubernetesObject], ...] = ()
    backends: tuple[BackendKind, ...] = ()
    policies: tuple[PolicyKind, ...] = ()
    units: tuple[PolicyUnit, ...] = ()
    providers: tuple[ProviderKind, ...] = ()
    filters: tuple[FilterReader, ...] = ()
    listener_filters: tuple[ListenerFilterReader, ...] = ()
    http_filters: tuple[HttpFilter, ...] = ()
    statuses: tuple[StatusKind, ...] = ()
    conformance: tuple[str, ...] = ()
    unite: Unite | None = None

    @property
    def kinds(self) -> tuple[type[KubernetesObject], ...]:
        """All kinds of objects that it adds: those that it reads, its policies and backends."""
        return (*self.objects, *(each.model for each in self.policies), *(each.model for each in self.backends))


def extensions(db: Db) -> tuple[Extension, ...]:
    """Return the extensions, in the order in which they read a rule."""
    return cast(tuple[Extension, ...], db.registry.extensions)


def filter_readers(db: Db) -> tuple[FilterReader, ...]:
    """Return the readers of all extensions, in the order in which they read a rule and report problems."""
    return cast(tuple[FilterReader, ...], db.registry.filters)


def policy_units(db: Db) -> tuple[PolicyUnit, ...]:
    """Return the units of policies, in the order of their extensions."""
    return cast(tuple[PolicyUnit, ...], db.registry.units)


def http_filters(db: Db) -> tuple[HttpFilter, ...]:
    """Return the HTTP filters that extensions need in every connection manager, in any order."""
    return tuple(found for each in extensions(db) for found in each.http_filters)
