"""Declarations of kinds: the types of declarations of routes, backends, policies and statuses, and their registry.

`translator.registry` collects the declarations; queries reach them as `Db.registry`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import IntEnum
from functools import cached_property
from typing import Any, Final

from translator.conditions import Status
from translator.engine.query import Query
from translator.inputs import Invalid
from translator.ir.ai import ModelBackend
from translator.ir.backend import Backend, BackendEndpoint, BackendKey, BackendSetting, Protocol
from translator.ir.http import Rule
from translator.ir.l4 import L4Rule
from translator.objects.gateway_api.backend import BackendObject
from translator.objects.gateway_api.policy import Policy
from translator.objects.gateway_api.route import Route
from translator.objects.parse import Kinds
from translator.objects.schema.base import KubernetesObject
from translator.outcome import Outcome, Problem
from translator.refs import Ref

HttpRules = Query[[Ref], tuple[Outcome[Rule], ...]]
Unite = Callable[[BackendKey, tuple[ModelBackend, ...]], tuple[Backend | None, tuple[str, ...]]]
"""Unites backends of models (`translator.extension.Extension.unite`)."""
L4Rules = Query[[Ref, bool], tuple[Outcome[L4Rule], ...]]


@dataclass(frozen=True, slots=True)
class RouteKind:
    """A kind of route.

    Attributes:
        model: its class.
        protocols: the protocols of the listeners that it may attach to (`Listener.protocol`).
        rules: the query for the rules of a route, in the order of its spec; None for a kind that has `l4_rules`.
        l4_rules: the same for a kind whose routes forward connections. It also takes whether these are TLS that the
            listener passes through.
        conformance: the features of the Gateway API's conformance suite that the kind implements.
        backend_protocols: the protocols that it supports for backends; the first one is the default.
        error: the response to requests that cannot be served as configured, as text for messages.
        proxyless: whether its routes may attach to Services, and are served to gRPC's own xDS clients.
    """

    model: type[Route]
    protocols: tuple[str, ...]
    rules: HttpRules | None = None
    l4_rules: L4Rules | None = None
    conformance: tuple[str, ...] = ()
    backend_protocols: tuple[Protocol, ...] = (Protocol.HTTP1, Protocol.H2C)
    error: str = "500"
    proxyless: bool = False


@dataclass(frozen=True, slots=True)
class BackendKind:
    """A kind of object that a backendRef may name.

    Attributes:
        model: its class.
        resolve: the query for the backend of a port of an object, or the problem that prevents it.
        connect: the same for connections, whatever protocol the port says it speaks; None if it cannot be such a
            backend. It also takes whether these are TLS that is passed through, which policies do not concern.
        datagrams: the same for datagrams of UDP.
        endpoints: the query for the endpoints of a backend of `resolve`.
        is_empty: the query for whether a backend has no endpoint at all, not even one that is not ready; None for
            kinds of which that is not told.
        problems: the query for what is wrong with an object, as the conditions of its status; None for kinds without a
            status. Those that derive from `BackendObject` have one at each Gateway whose routes name them.
        protocol_field: the field by which an object says which protocol it speaks, for messages.
        takes_policies: whether policies may target it.
        own_namespace_only: whether only routes of its own namespace may name it, whatever ReferenceGrants there are.
    """

    model: type[KubernetesObject]
    resolve: Query[[Ref, int], Outcome[Backend | None]]
    endpoints: Query[[Backend], tuple[BackendEndpoint, ...]]
    connect: Query[[Ref, int, bool], Outcome[Backend | None]] | None = None
    is_empty: Query[[Backend], bool] | None = None
    datagrams: Query[[Ref, int], Outcome[Backend | None]] | None = None
    problems: Query[[Ref], tuple[Problem, ...]] | None = None
    protocol_field: str = "protocol"
    takes_policies: bool = True
    own_namespace_only: bool = False

    def __post_init__(self) -> None:
        assert self.problems is not None or not self.has_ancestors, "a BackendObject has a status"
        assert self.own_namespace_only or not self.has_ancestors, "such a status is of routes of the same namespace"

    @property
    def has_ancestors(self) -> bool:
        """Whether the status of an object is one for each Gateway whose routes name it."""
        return issubclass(self.model, BackendObject)


class Level(IntEnum):
    """The levels at which a policy can be attached, the least specific first (GEP-713).

    A listener's is that of one listener of a Gateway or of a ListenerSet, and a backend's that of its ports too. No
    policy targets the filters of a rule and its backendRefs: these name the policy instead (`ExtensionRef`).
    """

    GATEWAY = 0
    LISTENER_SET = 1
    LISTENER = 2
    PARENT_ROUTE = 3
    """That of a route which delegates, and below of a rule of it, for the rules of its children (ADR 31)."""
    PARENT_RULE = 4
    ROUTE = 5
    RULE = 6
    EXTENSION_REF = 7
    RULE_FIELDS = 8
    """No policies, but what the fields and filters of a rule itself say."""
    BACKEND_REF = 9
    BACKEND = 10

    @property
    def title(self) -> str:
        """The level as words of a message."""
        return self.name.lower().replace("_", " ")


BackendSettings = Outcome[tuple[BackendSetting, ...] | None]
"""The settings of a backend; None instead of a tuple if requests to it must be refused."""

TARGET_LEVELS: Final = frozenset({Level.GATEWAY, Level.LISTENER_SET, Level.LISTENER, Level.ROUTE, Level.RULE})
"""The levels of the targets of policies whose units are merged from one level to the next."""

LISTENER_LEVELS: Final = frozenset({Level.GATEWAY, Level.LISTENER_SET, Level.LISTENER})
"""The levels of the targets of policies for listeners themselves."""

REQUEST_LEVELS: Final = TARGET_LEVELS | {Level.EXTENSION_REF, Level.BACKEND_REF}
"""All levels of such policies: those of targets, and of the filters that name policies."""


@dataclass(frozen=True, slots=True)
class PolicyKind:
    """A kind of policy.

    Units implement the fields of its policies (`translator.extension.PolicyUnit`), which are merged. A policy for
    backends is read as a whole instead, and never merged: that of a port replaces that of all ports of an object, and
    of two policies with one target the newer has no effect, and is Conflicted (GEP-713, "direct policies").

    Attributes:
        model: its class.
        levels: the levels at which its policies can be attached.
        backend: the query for what a policy sets at the backends that it targets; None for kinds with units.
        unsupported: whether its policies have no effect, which their status says: nothing of them is read.
        of_listeners: whether its units are for listeners themselves, and not for what their routes inherit.
        closed: whether requests to the targets of a policy are refused while it is invalid, and never was valid.
        closed_fields: for a kind without units, the fields of the spec of which a policy must set one for that; empty
            if any policy of the kind has requests refused.
    """

    model: type[Policy]
    levels: frozenset[Level] = REQUEST_LEVELS
    backend: Query[[Ref], BackendSettings] | None = None
    closed: bool = False
    unsupported: bool = False
    of_listeners: bool = False
    closed_fields: frozenset[str] = frozenset()

    def __post_init__(self) -> None:
        of_backends = self.levels == {Level.BACKEND} and not self.unsupported
        assert (self.backend is not None) == of_backends, "policies are for requests or backends"


@dataclass(frozen=True, slots=True)
class StatusKind:
    """The status of the objects of a class.

    Attributes:
        model: the class; its subclasses are included.
        query: the query for an object's `status`; None if Headgate does not write it.
        invalid: takes the database, an invalid object, its known part, and a sentence that describes the faults;
            returns its `status`, None if Headgate does not write it.
    """

    model: type[KubernetesObject]
    query: Query[[Ref], Status | None]
    invalid: Callable[[Any, Ref, Invalid, str], Status | None]


@dataclass(frozen=True)
class Registry:
    """All declarations: the differences between kinds.

    Attributes:
        kinds: the kinds of objects that are read.
        routes: the kinds of routes.
        backends: the kinds of objects that a backendRef may name.
        policies: the kinds of policies.
        statuses: the declarations of statuses; that of a subclass is before that of its base class.
        units: the units of policies; `translator.extension.policy_units` gives them their type.
        closed_units: by the kind of policies that have units, or `PolicyKind.closed_fields`, the fields of their specs
            that fail closed.
        connection_policies: the kinds of policies that may target routes of connections and datagrams.
        written_units: those of them that each route has to write, since routes do not inherit them in Envoy: the kind
            of the policies, and the field of their specs.
        naming_units: those for which routes name themselves, by the kind of the policies and the field of their specs:
            whether they do for a value.
        providers: the members of GatewayExtensions, by their names in the model; `translator.providers` gives them
            their type.
        units_beside: those of which all enforced values hold, beside what is not enforced: the kind of the policies,
            and the field of their specs.
        packages: the packages that declare indexes.
        composed_filters: the types of filters of rules that configure Envoy's HTTP filters, as policies do.
        filters: the readers of filters; `translator.extension.filter_readers` gives them their type.
        extensions: the extensions; `translator.extension.extensions` returns them with their type, which is declared
            above the database.
        units_by_place: the units that each route has to write for some values only: the kind of the policies, the field
            of their specs, and whether it is so for a value.
        unite: what unites backends of models; None if no extension does.
    """

    kinds: Kinds
    routes: tuple[RouteKind, ...]
    backends: tuple[BackendKind, ...]
    policies: tuple[PolicyKind, ...]
    statuses: tuple[StatusKind, ...]
    units: tuple[object, ...]
    closed_units: Mapping[str, frozenset[str]]
    connection_policies: frozenset[str]
    written_units: tuple[tuple[str, str], ...]
    naming_units: Mapping[tuple[str, str], Callable[[Any], bool]]
    providers: Mapping[str, object]
    units_beside: frozenset[tuple[str, str]]
    packages: tuple[str, ...]
    composed_filters: frozenset[str]
    filters: tuple[object, ...]
    extensions: tuple[object, ...]
    units_by_place: tuple[tuple[str, str, Callable[[Any], bool]], ...] = ()
    unite: Unite | None = None

    @cached_property
    def protocols(self) -> tuple[str, ...]:
        """The protocols of listeners that some kind of route may attach to."""
        return tuple(dict.fromkeys(protocol for each in self.routes for protocol in each.protocols))

    def routes_on(self, protocol: str) -> tuple[str, ...]:
        """Return the kinds of routes that may attach to listeners of a protocol."""
        return tuple(each.model.kind for each in self.routes if protocol in each.protocols)

    @cached_property
    def l4_protocols(self) -> frozenset[str]:
        """The protocols of listeners whose connections are forwarded as they are."""
        return frozenset(protocol for each in self.routes if each.l4_rules for protocol in each.protocols)

    @cached_property
    def rules(self) -> Mapping[str, HttpRules]:
        """The query for the rules of a route, by its kind, for kinds of HTTP."""
        return {each.model.kind: each.rules for each in self.routes if each.rules is not None}

    @cached_property
    def l4_rules(self) -> Mapping[str, L4Rules]:
        """The query for the rules of a route, by its kind, for kinds that forward connections."""
        return {each.model.kind: each.l4_rules for each in self.routes if each.l4_rules is not None}

    def route(self, kind: str) -> RouteKind:
        """Return the declaration of a kind of route.

        Raises:
            KeyError: it is none.
        """
        return self._routes[kind]

    def backend_of(self, group: str, kind: str) -> BackendKind | None:
        """Return the declaration of a kind of backend; None if a backendRef may not name it."""
        found = self._backends.get(kind)
        return found if found is not None and found.model.group == group else None

    def backend(self, kind: str) -> BackendKind:
        """Return the declaration of a kind of backend.

        Raises:
            KeyError: it is no kind of backend.
        """
        return self._backends[kind]

    def policy(self, kind: str) -> PolicyKind:
        """Return the declaration of a kind of policy.

        Raises:
            KeyError: it is none.
        """
        return self._policies[kind]

    def policy_of(self, kind: str) -> PolicyKind | None:
        """Return the declaration of a kind of policy; None if it is none."""
        return self._policies.get(kind)

    def status(self, kind: str) -> StatusKind | None:
        """Return the declaration of a kind's status; None if its objects have none."""
        return self._statuses.get(kind)

    @cached_property
    def with_status(self) -> tuple[type[KubernetesObject], ...]:
        """The kinds whose objects have a status."""
        return tuple(self.kinds[kind] for kind in self._statuses)

    @cached_property
    def _routes(self) -> dict[str, RouteKind]:
        return {each.model.kind: each for each in self.routes}

    @cached_property
    def _backends(self) -> dict[str, BackendKind]:
        return {each.model.kind: each for each in self.backends}

    @cached_property
    def _policies(self) -> dict[str, PolicyKind]:
        return {each.model.kind: each for each in self.policies}

    @cached_property
    def _statuses(self) -> dict[str, StatusKind]:
        found: dict[str, StatusKind] = {}
        for each in self.statuses:
            for model in self.kinds.subclasses(each.model):
                found.setdefault(model.kind, each)
        return found
