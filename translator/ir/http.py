"""HTTP rules in the intermediate representation.

Everything here is frozen, compared by value and free of I/O; this module imports nothing of ours.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from enum import Enum
from typing import ClassVar, NamedTuple

from translator.ir.backend import Backend


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


class Rank(NamedTuple):
    """Sorts matches of one domain by their paths, the first to be tried first.

    Attributes:
        kind: the kind of path match; below 0 those of gRPC, which are tried before those of HTTP.
        path: the longer the path, or the service of gRPC, the smaller.
        method: the smaller the more the method of the request is told.
    """

    kind: int
    path: int
    method: int


@dataclass(frozen=True, slots=True)
class RouteMatch:
    """A match of requests; every part given must hold.

    Attributes:
        method: the method of HTTP; "" for any.
        grpc: only requests of gRPC match, by their content type; what Headgate answers to them are errors of gRPC.
        rank: its rank among the matches of its domain; None for the one that its path and method have in HTTP.
    """

    path_kind: PathKind = PathKind.PREFIX
    path: str = "/"
    headers: tuple[ValueMatch, ...] = ()
    query: tuple[ValueMatch, ...] = ()
    method: str = ""
    grpc: bool = False
    rank: Rank | None = None

    @property
    def catches_all(self) -> bool:
        """Whether every request matches."""
        partial = self.headers or self.query or self.method or self.grpc
        return self.path_kind is PathKind.PREFIX and self.path == "/" and not partial

    @property
    def requests(self) -> tuple[object, ...]:
        """What stands for the requests that match: equal for matches of the same requests, however they are written."""
        path = self.path.rstrip("/") if self.path_kind is PathKind.PREFIX else self.path
        headers = tuple(sorted(each._replace(name=each.name.lower()) for each in self.headers))
        return self.path_kind.value, path, headers, tuple(sorted(self.query)), self.method, self.grpc


class RuleSetting:
    """What a rule, or one of its backends, asks for beside forwarding: a frozen dataclass, compared by value.

    Its members say what it means for requests; the hooks that it implements write it into Envoy's messages
    (`translator.envoy.hooks`).

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
        """The backends that this setting itself sends requests to."""
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
        """Return the CORS preflights of requests that match, which this setting answers before all of the same path.

        They are tried in the order of the matches that they are for, by their own number of headers. A setting that has
        some implements `translator.envoy.hooks.PreflightHook`.
        """
        return ()

    def with_backends(self, change: Callable[[Backend], Backend]) -> RuleSetting:
        """Return the setting with its `backends` changed, for one that has some."""
        assert not self.backends, f"{type(self).__name__} has backends, and no `with_backends`"
        return self

    def shape(self, backend: Backend, match: RouteMatch) -> Backend:
        """Return a backend of the rule with the cluster settings that requests that match need."""
        return backend


@dataclass(frozen=True, slots=True)
class WeightedBackend:
    """A share of a rule's requests. `backend` is None where the reference is broken: its share gets an error."""

    backend: Backend | None
    weight: int = 1
    settings: tuple[RuleSetting, ...] = ()


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule of a route: requests that meet any of `matches` get `settings` and go to `backends`.

    Attributes:
        name: the rule's name, or its place, for people.
        error: why every matching request is answered with an error; "" where the rule works.
    """

    name: str
    matches: tuple[RouteMatch, ...]
    settings: tuple[RuleSetting, ...] = ()
    backends: tuple[WeightedBackend, ...] = ()
    error: str = ""

    def with_backends(self, change: Callable[[Backend], Backend]) -> Rule:
        """Return the rule with each of its backends changed, those of its settings too."""
        weighted = tuple(
            each if each.backend is None else replace(each, backend=change(each.backend)) for each in self.backends
        )
        return replace(self, backends=weighted, settings=tuple(each.with_backends(change) for each in self.settings))

    @property
    def all_backends(self) -> tuple[Backend, ...]:
        """Every backend that the rule sends requests to, mirrors included: those, and only those, that Envoy needs."""
        if self.error or not self.matches or any(each.terminal for each in self.settings):
            return ()
        weighted = tuple(each.backend for each in self.backends if each.backend is not None and each.weight)
        parts = [part for match in self.matches for part in self.parts(match)] if self.settings else self.matches[:1]
        shaped = dict.fromkeys(self.shaped(each, part) for part in parts for each in weighted)
        return (*shaped, *(backend for setting in self.settings for backend in setting.backends))

    def parts(self, match: RouteMatch) -> tuple[RouteMatch, ...]:
        """Return the parts of a match of this rule that have a route each, in their order."""
        parts: tuple[RouteMatch, ...] = (match,)
        if not self.error:
            answered = any(each.terminal for each in self.settings)
            for setting in self.settings:
                parts = tuple(part for each in parts for part in setting.parts(each, answered))
        return parts

    def shaped(self, backend: Backend, part: RouteMatch) -> Backend:
        """Return the backend that requests of a part go to: one of the rule's, as its settings shape it."""
        for setting in self.settings:
            backend = setting.shape(backend, part)
        return backend
