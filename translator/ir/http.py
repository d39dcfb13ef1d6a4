"""HTTP rules in the intermediate representation.

Everything here is frozen, compared by value and free of I/O; this module imports nothing of ours.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import Any, ClassVar, NamedTuple

from translator.ir.backend import Backend
from translator.ir.listener import ListenerContext


class PathKind(Enum):
    """The kinds of path matches; the values are the specification's names."""

    EXACT = "Exact"
    PREFIX = "PathPrefix"
    REGEX = "RegularExpression"


class ValueMatch(NamedTuple):
    """A header or query parameter that a request must carry: its value exactly, or as a regular expression."""

    name: str
    value: str
    regex: bool = False


@dataclass(frozen=True, slots=True)
class RouteMatch:
    """A match of requests; every part given must hold. `method` is "" for any."""

    path_kind: PathKind = PathKind.PREFIX
    path: str = "/"
    headers: tuple[ValueMatch, ...] = ()
    query: tuple[ValueMatch, ...] = ()
    method: str = ""

    @property
    def catches_all(self) -> bool:
        """Whether every request matches."""
        return (
            self.path_kind is PathKind.PREFIX and self.path == "/" and not (self.headers or self.query or self.method)
        )


class RouteFeature:
    """Something a rule asks for beside forwarding; features subclass it as frozen dataclasses.

    Attributes:
        terminal: it answers by itself: requests are not forwarded.
        forwarding: it concerns requests on their way to a backend: where a rule answers by itself it is left out.
        backends: what it sends requests to, so that their clusters exist.
    """

    __slots__ = ()
    terminal: ClassVar[bool] = False
    forwarding: ClassVar[bool] = False

    @property
    def backends(self) -> tuple[Backend, ...]:
        """The backends that this feature itself sends requests to."""
        return ()

    def parts(self, match: RouteMatch, answered: bool) -> tuple[RouteMatch, ...]:
        """Divide `match` where Envoy needs several routes for it, in their order; the last takes all that is left.

        Each part has the place of `match` among the matches of its domain.

        Args:
            match: a match of the rule, or a part of one.
            answered: whether the rule answers by itself.
        """
        return (match,)

    def preflights(self, match: RouteMatch) -> tuple[RouteMatch, ...]:
        """Return the CORS preflights of requests that match, which this feature answers before all of the same path.

        They are tried in the order of the matches that they are for, by their own number of headers.
        """
        return ()

    def answer(self, route: Any, match: RouteMatch) -> None:
        """Write the answer to one of `preflights` into a ``Route``."""
        raise NotImplementedError

    def shape(self, backend: Backend, match: RouteMatch) -> Backend:
        """Return a backend of the rule with this feature's cluster settings, for requests that match."""
        return backend

    def apply(self, route: Any, origin: ListenerContext, match: RouteMatch) -> None:
        """Write this feature into an ``envoy.config.route.v3.Route`` that serves `match` on `origin`."""
        raise NotImplementedError

    def apply_to_weight(self, cluster_weight: Any) -> None:
        """Write this feature into one ``WeightedCluster.ClusterWeight``, for features allowed on a single backend."""
        raise NotImplementedError


@dataclass(frozen=True, slots=True)
class WeightedBackend:
    """A share of a rule's requests. `backend` is None where the reference is broken: that share is answered 500."""

    backend: Backend | None
    weight: int = 1
    features: tuple[RouteFeature, ...] = ()


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule of a route: requests that meet any of `matches` get `features` and go to `backends`.

    Attributes:
        name: the rule's name, or its place, for people.
        broken: why every matching request is answered with 500; "" where the rule works.
    """

    name: str
    matches: tuple[RouteMatch, ...]
    features: tuple[RouteFeature, ...] = ()
    backends: tuple[WeightedBackend, ...] = ()
    error: str = ""

    @property
    def all_backends(self) -> tuple[Backend, ...]:
        """Every backend that the rule sends requests to, mirrors included: those, and only those, that Envoy needs."""
        if self.error or not self.matches or any(each.terminal for each in self.features):
            return ()
        weighted = tuple(each.backend for each in self.backends if each.backend is not None and each.weight)
        parts = [part for match in self.matches for part in self.parts(match)] if self.features else self.matches[:1]
        shaped = dict.fromkeys(self.shaped(each, part) for part in parts for each in weighted)
        return (*shaped, *(backend for feature in self.features for backend in feature.backends))

    def parts(self, match: RouteMatch) -> tuple[RouteMatch, ...]:
        """Return the parts of a match of this rule that have a route each, in their order."""
        parts: tuple[RouteMatch, ...] = (match,)
        if not self.error:
            answered = any(each.terminal for each in self.features)
            for feature in self.features:
                parts = tuple(part for each in parts for part in feature.parts(each, answered))
        return parts

    def shaped(self, backend: Backend, part: RouteMatch) -> Backend:
        """Return the backend that requests of a part go to: one of the rule's, with its features' settings."""
        for feature in self.features:
            backend = feature.shape(backend, part)
        return backend
