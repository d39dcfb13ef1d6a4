"""HTTP rules in the intermediate representation.

Everything here is frozen, compared by value and free of I/O; this module imports nothing of ours.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from enum import Enum
from typing import ClassVar, Final, NamedTuple

from translator.ir.backend import Backend


class PathKind(Enum):
    """The kinds of path matches; the values are the specification's names.

    Requests with the method CONNECT have no path (RFC 9110, 9.3.6): only matches of their own kind take them.
    """

    EXACT = "Exact"
    PREFIX = "PathPrefix"
    REGEX = "RegularExpression"
    CONNECT = "CONNECT"


class ValueMatch(NamedTuple):
    """A header or query parameter that a request must carry: its value exactly, or as a regular expression.

    Attributes:
        absent: it is a header that the request must not carry instead.
    """

    name: str
    value: str
    regex: bool = False
    absent: bool = False


class ModelKind(Enum):
    """What a match asks of the model of a request, which its body names.

    The model is known once the filters of a route have read it (`translator.envoy.ai.model_filters`); then routes are
    chosen anew.
    """

    PENDING = "pending"
    """It has not been read yet."""
    READ = "read"
    """It has been read, whether there is one or not."""
    EXACT = "exact"
    PREFIX = "prefix"
    REGEX = "regex"
    OTHER = "other"
    """Whatever no other match of the same path takes."""


class ModelMatch(NamedTuple):
    """The model that a request must ask for.

    Attributes:
        kind: how it is compared.
        value: what it is compared with; "" where only counts whether it has been read.
        as_header: whether it is written as a header that is matched, and counts as one.
    """

    kind: ModelKind
    value: str = ""
    as_header: bool = False


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


EXPRESSION: Final = 1
"""The kind in `Rank` of matches by regular expressions."""
MILLION: Final = 1_000_000


class Share(NamedTuple):
    """A share of requests: those whose number, of a million, is in a range. Each request has one number, at random.

    Attributes:
        start: the first number.
        end: the number after the last.
    """

    start: int = 0
    end: int = MILLION

    def fraction(self, millionths: int) -> int:
        """Return the number up to which requests are so many millionths of the share."""
        return self.start + (self.end - self.start) * millionths // MILLION


EVERY_REQUEST: Final = Share()


@dataclass(frozen=True, slots=True)
class RouteMatch:
    """A match of requests; every part given must hold.

    Attributes:
        method: the method of HTTP; "" for any.
        grpc: only requests of gRPC match, by their content type; what Headgate answers to them are errors of gRPC.
        rank: its rank among the matches of its domain; None for the one that its path and method have in HTTP.
        share: the share of the requests that match; None for all.
        within: the path, without a slash at its end, that a regular expression matches only at and below; "" for any.
        model: what the model of the request must be; None for any, and for requests whose model nobody reads.
    """

    path_kind: PathKind = PathKind.PREFIX
    path: str = "/"
    headers: tuple[ValueMatch, ...] = ()
    query: tuple[ValueMatch, ...] = ()
    method: str = ""
    grpc: bool = False
    rank: Rank | None = None
    share: Share | None = None
    within: str = ""
    model: ModelMatch | None = None

    @property
    def numbers(self) -> Share:
        """The share of the requests that match."""
        return self.share or EVERY_REQUEST

    @property
    def catches_all(self) -> bool:
        """Whether every request matches."""
        partial = self.headers or self.query or self.method or self.grpc or self.model or self.numbers.end < MILLION
        return self.path_kind is PathKind.PREFIX and self.path == "/" and not partial

    @property
    def requests(self) -> tuple[object, ...]:
        """What stands for the requests that match: equal for matches of the same requests, however they are written."""
        path = self.path.rstrip("/") if self.path_kind is PathKind.PREFIX else self.path
        headers = tuple(sorted(each._replace(name=each.name.lower()) for each in self.headers))
        query, model = tuple(sorted(self.query)), self.model and (self.model.kind.value, self.model.value)
        return self.path_kind.value, path, headers, query, self.method, self.grpc, self.within, model


class RuleSetting:
    """What a rule, or one of its backends, asks for beside forwarding: a frozen dataclass, compared by value.

    Its members say what it means for requests; the hooks that it implements write it into Envoy's messages
    (`translator.envoy.hooks`).

    Attributes:
        terminal: it answers by itself: requests are not forwarded.
        forwarding: it concerns requests on their way to a backend: where a rule answers by itself it is left out.
        backends: what it sends requests to, so that their clusters exist.
        own_route: as a setting of one of several backends, it needs a route of its own in Envoy.
        sends_on: it may send requests on to other routes, with all that they have got at this one.
        before_errors: it holds for the requests of a rule that is answered with an error, too.
        alpha: it needs filters that Envoy calls alpha.
    """

    __slots__ = ()
    terminal: ClassVar[bool] = False
    forwarding: ClassVar[bool] = False
    own_route: ClassVar[bool] = False
    sends_on: ClassVar[bool] = False
    before_errors: ClassVar[bool] = False
    alpha: ClassVar[bool] = False

    @property
    def adds_secret(self) -> bool:
        """Whether it gives requests a secret that clients do not know."""
        return False

    @property
    def proxyless_fault(self) -> str:
        """What gRPC's own xDS clients cannot do of it, which makes its rule an error to them; "" if they can do all."""
        return f": {type(self).__name__} is not supported"

    @property
    def is_final(self) -> bool:
        """Whether it is written after all others, over what they write or where they write nothing."""
        return False

    @property
    def backends(self) -> tuple[Backend, ...]:
        """The backends that this setting itself sends requests to."""
        return ()

    @property
    def buffered_bytes(self) -> int:
        """How many bytes of a body it has the proxy hold; 0 if it holds none."""
        return 0

    @property
    def for_first_route(self) -> tuple[RuleSetting, ...]:
        """What the first route of requests needs, where that reads their model and has their route picked again.

        Envoy chooses filters by the first route; what they are to do they find in the one that is picked.
        """
        return ()

    @property
    def by_place(self) -> bool:
        """Whether it is another setting at each route or rule: `at` says which."""
        return False

    def at(self, route: str, rule: str) -> RuleSetting:
        """Return the setting as it is at a rule, for one that differs from place to place.

        Args:
            route: the kind, namespace and name of the route, with slashes between them.
            rule: the name of the rule; "" if it has none.
        """
        return self

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

    def beside(self, settings: tuple[RuleSetting, ...]) -> RuleSetting:
        """Return the setting as it is in a rule with `settings`, itself among them: some depend on others."""
        return self

    def over(self, wide: RuleSetting) -> RuleSetting | None:
        """Return this setting of a backend with what it leaves to the rule's of the same type; None if both apply."""
        return None

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

    @property
    def works(self) -> bool:
        """Whether its share of the requests is answered as asked."""
        return self.backend is not None or any(each.terminal for each in self.settings)

    def with_backends(self, change: Callable[[Backend], Backend]) -> WeightedBackend:
        """Return it with its backend changed, and those of its settings."""
        backend = change(self.backend) if self.backend is not None else None
        return replace(self, backend=backend, settings=tuple(each.with_backends(change) for each in self.settings))


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule of a route: requests that meet any of `matches` get `settings` and go to `backends`.

    Attributes:
        name: the rule's name, or its place, for people.
        error: why every matching request is answered with an error; "" where the rule works.
        delegates: whether requests go on to the rules of other routes, which have matches of their own.
        implied: whether it is in no spec, but follows from it.
    """

    name: str
    matches: tuple[RouteMatch, ...]
    settings: tuple[RuleSetting, ...] = ()
    backends: tuple[WeightedBackend, ...] = ()
    error: str = ""
    delegates: bool = False
    implied: bool = False

    def __post_init__(self) -> None:
        if self.settings:
            object.__setattr__(self, "settings", tuple(each.beside(self.settings) for each in self.settings))

    def with_backends(self, change: Callable[[Backend], Backend]) -> Rule:
        """Return the rule with each of its backends changed, those of its settings too."""
        weighted = tuple(each.with_backends(change) for each in self.backends)
        return replace(self, backends=weighted, settings=tuple(each.with_backends(change) for each in self.settings))

    @property
    def effective(self) -> tuple[RuleSetting, ...]:
        """The settings that requests meet: of a rule that is an error only those before it."""
        return tuple(each for each in self.settings if each.before_errors) if self.error else self.settings

    @property
    def answers(self) -> bool:
        """Whether the rule answers by itself."""
        return any(each.terminal for each in self.settings)

    @property
    def shares(self) -> tuple[Rule, ...]:
        """The rule as rules of one backend each, if the settings of one need a route of their own; otherwise itself.

        Their matches are those of the rule, each for the share of the requests that the backend gets.
        """
        weighted = [each for each in self.backends if each.weight]
        if self.error or self.answers or not any(setting.own_route for each in weighted for setting in each.settings):
            return (self,)
        total, end, found = sum(each.weight for each in weighted), 0, []
        for each in weighted:
            start, end = end, end + each.weight
            matches = self.matches
            if len(weighted) > 1:
                first, last = start * MILLION // total, end * MILLION // total
                shares = (Share(match.numbers.fraction(first), match.numbers.fraction(last)) for match in matches)
                matches = tuple(replace(match, share=each) for match, each in zip(matches, shares, strict=True))
            found.append(self._of(each, matches))
        return tuple(found)

    def _of(self, found: WeightedBackend, matches: tuple[RouteMatch, ...]) -> Rule:
        """Return the rule for the share of one backend, whose settings of the route become the rule's."""
        settings = list(self.settings)
        for each in found.settings:
            if each.own_route:
                merged = [(place, each.over(wide)) for place, wide in enumerate(settings) if type(wide) is type(each)]
                place, both = next(iter(merged), (0, None))
                settings = [*settings, each] if both is None else [*settings[:place], both, *settings[place + 1 :]]
        if any(each.terminal for each in settings):
            return replace(self, matches=matches, settings=tuple(each for each in settings if not each.forwarding))
        own = replace(found, weight=1, settings=tuple(each for each in found.settings if not each.own_route))
        return replace(self, matches=matches, settings=tuple(settings), backends=(own,))

    @property
    def needs_alpha(self) -> bool:
        """Whether it needs filters that Envoy calls alpha."""
        settings = (*self.settings, *(setting for each in self.backends for setting in each.settings))
        return any(each.alpha for each in settings)

    @property
    def for_first_route(self) -> tuple[RuleSetting, ...]:
        """What the first route of requests needs, where it is not one of this rule, once of each kind."""
        settings = (*self.settings, *(setting for each in self.backends for setting in each.settings))
        found = {type(each): each for setting in settings for each in setting.for_first_route}
        return tuple(found.values())

    @property
    def all_backends(self) -> tuple[Backend, ...]:
        """Every backend that the rule sends requests to, mirrors included: those, and only those, that Envoy needs."""
        shares = self.shares
        if len(shares) > 1:
            return tuple(dict.fromkeys(backend for each in shares for backend in each.all_backends))
        return shares[0]._backends

    @property
    def _backends(self) -> tuple[Backend, ...]:
        if self.error or not self.matches or self.answers:
            return ()
        weighted = tuple(each.backend for each in self.backends if each.backend is not None and each.weight)
        parts = [part for match in self.matches for part in self.parts(match)] if self.settings else self.matches[:1]
        shaped = dict.fromkeys(self.shaped(each, part) for part in parts for each in weighted)
        return (*shaped, *(backend for setting in self.settings for backend in setting.backends))

    def parts(self, match: RouteMatch) -> tuple[RouteMatch, ...]:
        """Return the parts of a match of this rule that have a route each, in their order."""
        parts: tuple[RouteMatch, ...] = (match,)
        for setting in self.effective:
            parts = tuple(part for each in parts for part in setting.parts(each, self.answers))
        return parts

    def shaped(self, backend: Backend, part: RouteMatch) -> Backend:
        """Return the backend that requests of a part go to: one of the rule's, as its settings shape it."""
        for setting in self.settings:
            backend = setting.shape(backend, part)
        return backend
