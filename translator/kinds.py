"""What is declared of kinds of objects: which there are, how routes are read, where backends are, who gets a status.

`translator.registry` collects the declarations; queries reach them as `Db.registry`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import IntEnum
from functools import cached_property
from typing import Any

from translator.conditions import Status
from translator.engine.query import Query
from translator.inputs import Invalid
from translator.ir.backend import Backend, BackendEndpoint, Protocol
from translator.ir.http import Rule
from translator.objects.gateway_api.policy import Policy
from translator.objects.gateway_api.route import Route
from translator.objects.parse import Kinds
from translator.objects.schema.base import KubernetesObject
from translator.outcome import Outcome
from translator.refs import Ref


@dataclass(frozen=True, slots=True)
class RouteKind:
    """A kind of route.

    Attributes:
        model: its class.
        protocols: the protocols of the listeners that it may attach to (`Listener.protocol`).
        rules: the query for the rules of a route, in the order of its spec.
        conformance: the features of the Gateway API's conformance suite that the kind brings.
        backend_protocols: what it can speak to backends; first what it speaks to those of which nothing says it.
        error: what requests are answered with that cannot be served as asked, in messages.
    """

    model: type[Route]
    protocols: tuple[str, ...]
    rules: Query[[Ref], tuple[Outcome[Rule], ...]]
    conformance: tuple[str, ...] = ()
    backend_protocols: tuple[Protocol, ...] = (Protocol.HTTP1, Protocol.H2C)
    error: str = "500"


@dataclass(frozen=True, slots=True)
class BackendKind:
    """A kind of object that a backendRef may name.

    Attributes:
        model: its class.
        resolve: the query for the backend that a port of an object is, or the problem that prevents it.
        endpoints: the query for the endpoints of a backend that `resolve` gave.
    """

    model: type[KubernetesObject]
    resolve: Query[[Ref, int], Outcome[Backend | None]]
    endpoints: Query[[Backend], tuple[BackendEndpoint, ...]]


class Level(IntEnum):
    """Where a policy can be, the least specific first (GEP-713)."""

    GATEWAY = 0
    LISTENER = 1
    ROUTE = 2
    RULE = 3


@dataclass(frozen=True, slots=True)
class PolicyKind:
    """A kind of policy; what its fields do, units say (`translator.extension.PolicyUnit`).

    Attributes:
        model: its class.
        levels: where its policies can be.
    """

    model: type[Policy]
    levels: frozenset[Level] = frozenset(Level)


@dataclass(frozen=True, slots=True)
class StatusKind:
    """The status of the objects of a class.

    Attributes:
        model: the class; its subclasses are meant too.
        query: the query for an object's `status`; None if it is not for us to write.
        invalid: takes the database, an object, what is known of it though it is not valid, and a sentence that says
            so; gives its `status`, None if it is not for us to write.
    """

    model: type[KubernetesObject]
    query: Query[[Ref], Status | None]
    invalid: Callable[[Any, Ref, Invalid, str], Status | None]


@dataclass(frozen=True)
class Registry:
    """All that is declared: everything that differs between kinds is found here.

    Attributes:
        kinds: the kinds of objects that are read.
        routes: the kinds of routes.
        backends: the kinds of objects that a backendRef may name.
        policies: the kinds of policies.
        statuses: whose objects get a status; of a class and its subclass, the subclass comes first.
        packages: the packages whose indexes there are.
        extensions: the extensions; `translator.extension.extensions` gives them their type, which is declared above the
            database.
    """

    kinds: Kinds
    routes: tuple[RouteKind, ...]
    backends: tuple[BackendKind, ...]
    policies: tuple[PolicyKind, ...]
    statuses: tuple[StatusKind, ...]
    packages: tuple[str, ...]
    extensions: tuple[object, ...]

    @cached_property
    def protocols(self) -> tuple[str, ...]:
        """The protocols of listeners that some kind of route can be served on."""
        return tuple(dict.fromkeys(protocol for each in self.routes for protocol in each.protocols))

    def routes_on(self, protocol: str) -> tuple[str, ...]:
        """Return the kinds of routes that may attach to listeners of a protocol."""
        return tuple(each.model.kind for each in self.routes if protocol in each.protocols)

    def route(self, kind: str) -> RouteKind:
        """Return what is declared of a kind of route.

        Raises:
            KeyError: it is none.
        """
        return self._routes[kind]

    def backend_of(self, group: str, kind: str) -> BackendKind | None:
        """Return what is declared of a kind of object; None if a backendRef may not name it."""
        found = self._backends.get(kind)
        return found if found is not None and found.model.group == group else None

    def backend(self, kind: str) -> BackendKind:
        """Return what is declared of the kind of object that a backend is of.

        Raises:
            KeyError: a backendRef may not name it.
        """
        return self._backends[kind]

    def policy(self, kind: str) -> PolicyKind:
        """Return what is declared of a kind of policy.

        Raises:
            KeyError: it is none.
        """
        return self._policies[kind]

    def status(self, kind: str) -> StatusKind | None:
        """Return how objects of a kind get their status; None if they get none."""
        return self._statuses.get(kind)

    @cached_property
    def with_status(self) -> tuple[type[KubernetesObject], ...]:
        """The kinds whose objects get a status."""
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
