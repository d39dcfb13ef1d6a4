"""The reference of route delegation: every way from a Gateway to a rule is walked, and every request tried on it.

It knows only manifests, and shares nothing with the translator. It is slow, and is meant to be read beside
`docs/delegation.md`.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from fractions import Fraction
from typing import Any, NamedTuple

from tests.translator.delegation.manifests import DEFAULT, DELEGATION, GATEWAY_API, Manifest
from tests.translator.delegation.requests import PREFIX, Asked, Match, fitted, inherited, read

Key = tuple[str, str]
"""The namespace and name of a route or Service."""

ERROR = 500
NOT_FOUND = 404
DEEPEST = 16
MOST = 1024
"""The matches of a child over all ways to it, and those of its parents that lead there."""
LAST = float("inf")
"""Stands where a child's weight does, behind all of them."""
LABEL = f"{DELEGATION}/label"
WEIGHT = f"{DELEGATION}/route-weight"
INHERITS = f"{DELEGATION}/inherit-parent-matcher"


class Answer(NamedTuple):
    """Who answers a request: a Service, by its namespace and name, or a status.

    Attributes:
        service: the Service.
        status: the status, of requests that no Service answers.
        headers: the headers that the rules set; `:authority` is the host, `:timeout` the seconds they let it take.
    """

    service: str = ""
    status: int = 0
    headers: tuple[tuple[str, str], ...] = ()


Shares = dict[Answer, Fraction]
Pairs = list[tuple[Match, Match | None]]
"""Matches of a parent's rule, each with what one of a child is below it; None if that does not fit."""
BROKEN: Shares = {Answer(status=ERROR): Fraction(1)}


@dataclass(frozen=True)
class Leaf:
    """A rule at the end of one way.

    Attributes:
        match: what it takes.
        order: where it stands among equal ranks.
        shares: who answers how much of it.
    """

    match: Match
    order: tuple[Any, ...]
    shares: Shares = field(hash=False)


class Reason(NamedTuple):
    """What a route is told: as a child about one of its parents, or as a parent."""

    route: Key
    reason: str
    parent: Key | None = None


@dataclass(frozen=True)
class Way:
    """The routes from a Gateway down to a rule, and what the rule has from them.

    Attributes:
        routes: the routes, the rule's own is the last.
        headers: the headers that delegating rules set.
    """

    routes: tuple[Key, ...]
    headers: dict[str, str]


class World:
    """Objects, and what becomes of requests to their Gateway.

    Attributes:
        reasons: what is wrong with routes, filled while these are walked.
        fitting: by parent and child, whether each rule of the child has a match that fits, if it may be one.
    """

    def __init__(self, manifests: Iterable[Manifest], most: int = MOST) -> None:
        given = list(manifests)
        self.routes = {_key(each): each for each in given if each["kind"] == "HTTPRoute"}
        self._services = {_key(each) for each in given if each["kind"] == "Service"}
        self._grants = [each for each in given if each["kind"] == "ReferenceGrant"]
        self.reasons: set[Reason] = set()
        self._fits: defaultdict[tuple[Key, Key], dict[int, bool]] = defaultdict(dict)
        self._led: defaultdict[Key, int] = defaultdict(int)
        self._made: defaultdict[Key, int] = defaultdict(int)
        self._crowded: set[Key] = set()
        for key in self.routes:
            if self._own_hosts(key):
                list(self._roots_leaves(key))  # it counts, of each child, the matches by all ways
        self._crowded = {each for each in self._led if max(self._led[each], self._made[each]) > most}
        self.reasons.clear()
        self._fits.clear()
        self._hosts = [
            (host, leaf) for key in self.routes for host in self._own_hosts(key) for leaf in self._roots_leaves(key)
        ]
        self.fitting = {pair: [*fits.values()] for pair, fits in self._fits.items()}
        for (parent, child), fits in self._fits.items():
            if not all(fits.values()):
                reason = "PartiallyInvalid" if any(fits.values()) else "NoMatchingParentMatcher"
                self.reasons.add(Reason(child, reason, parent))

    def answer(self, asked: Asked) -> Shares:
        """Return who answers a request, and which share of such requests."""
        taken = [
            (*_specificity(host), leaf.match.rank, leaf.order, leaf)
            for host, leaf in self._hosts
            if _covers(host, asked.host) and leaf.match.takes(asked)
        ]
        if not taken:
            return {Answer(status=NOT_FOUND): Fraction(1)}
        return min(taken, key=lambda each: each[:-1])[-1].shares

    def _own_hosts(self, key: Key) -> list[str]:
        """Return the hostnames under which a route is attached to the Gateway."""
        spec = self.routes[key]["spec"]
        if not any(each.get("kind", "Gateway") == "Gateway" for each in spec.get("parentRefs", ())):
            return []
        return spec.get("hostnames") or [""]

    def _roots_leaves(self, key: Key) -> Iterator[Leaf]:
        for place, raw in enumerate(self.routes[key]["spec"]["rules"]):
            yield from self._leaves(Way((key,), {}), _matches(raw), raw, (*self._age(key), place))

    def _leaves(self, way: Way, matches: list[Match], raw: Manifest, order: tuple[Any, ...]) -> Iterator[Leaf]:
        """Yield the leaves of a rule with the matches that it has on a way."""
        references = raw.get("backendRefs", ())
        kinds = [_delegates(each) for each in references]
        below = replace(way, headers={**way.headers, **_headers(raw)})
        if not any(kinds):
            yield from (Leaf(each, order, self._served(below, references)) for each in matches)
            return
        good = [each for each in matches if each.kind == PREFIX] if all(kinds) and _may_delegate(raw) else []
        if len(good) < len(matches):
            self.reasons.add(Reason(way.routes[-1], "UnsupportedValue"))
        yield from (Leaf(each, (*order, LAST), BROKEN) for each in matches if each not in good)
        if good:
            yield from self._delegated(below, good, references, order)

    def _delegated(
        self, way: Way, matches: list[Match], references: list[Manifest], order: tuple[Any, ...]
    ) -> Iterator[Leaf]:
        """Yield the leaves of the children of a rule, and behind them the error of what is missing."""
        weights: dict[Key, int] = {}
        broken = False
        for reference in references:
            weight = reference.get("weight", 1)
            found, faulty = self._children(way, reference)
            broken |= faulty and weight > 0
            for each in found:
                weights.setdefault(each, weight)
        made: list[tuple[Key, int, Leaf]] = []
        served: set[Match] = set()
        for child, weight in weights.items():
            if not weight:
                continue
            fitting = self._fitting(way.routes[-1], matches, child)
            self._led[child] += len(matches)
            self._made[child] += sum(len(_distinct(pairs)) for pairs in fitting)
            served |= {match for pairs in fitting for match, pair in pairs if pair is not None}
            made += [(child, weight, leaf) for leaf in self._child_leaves(way, child, fitting, order)]
        if len({each.get("weight", 1) for each in references}) > 1:
            yield from _shared(made)
        else:
            yield from (leaf for _, _, leaf in made)
        yield from (Leaf(each, (*order, LAST), BROKEN) for each in matches if broken or each not in served)

    def _children(self, way: Way, reference: Manifest) -> tuple[list[Key], bool]:
        """Return the children that a reference is to, and whether it is at fault itself."""
        parent = way.routes[-1]
        namespace, name = reference.get("namespace", parent[0]), reference.get("name", "")
        if reference.get("kind") == "label":
            found = [
                key
                for key, each in self.routes.items()
                if each["metadata"].get("labels", {}).get(LABEL) == name
                and namespace in ("all", key[0])
                and key != parent
            ]
            named = False
        elif name in ("*", ""):
            found = [
                key for key in self.routes if key[0] == namespace and key != parent and self._is_child(key, parent)
            ]
            named = False
        else:
            found, named = [key for key in [(namespace, name)] if key in self.routes], True
        if not found:
            self.reasons.add(Reason(parent, "ChildNotFound"))
            return [], True
        permitted = [each for each in found if self._permitted(parent, each)]
        if len(permitted) < len(found):
            self.reasons.add(Reason(parent, "RefNotPermitted"))
        cycles = [each for each in permitted if each in way.routes]
        for each in cycles:
            start = way.routes.index(each)
            self.reasons |= {Reason(member, "DelegationCycle") for member in way.routes[start:]}
        rest = [each for each in permitted if each not in way.routes]
        if len(way.routes) > DEEPEST:
            self.reasons |= {Reason(parent, "DelegationTooDeep")} if rest else set()
            return [], bool(cycles or rest)
        good = [each for each in rest if self._is_child(each, parent)]
        self.reasons |= {Reason(each, "NotAllowedByParent", parent) for each in rest if each not in good}
        served = [each for each in good if each not in self._crowded]
        for each in good:
            if each in self._crowded:
                self.reasons |= {Reason(parent, "DelegationTooWide"), Reason(each, "DelegationTooWide", parent)}
        return served, bool(cycles) or len(served) < len(good) or (named and bool(rest) and not good)

    def _fitting(self, parent: Key, matches: list[Match], child: Key) -> list[Pairs]:
        """Return, for each rule of a child, what its matches are below each match of its parent's rule."""
        inherits = self.routes[child]["metadata"].get("annotations", {}).get(INHERITS) == "true"
        join = inherited if inherits else fitted
        found: list[Pairs] = []
        for place, raw in enumerate(self.routes[child]["spec"]["rules"]):
            if _takes_the_parents(raw):
                found.append([(each, each) for each in matches])
            else:
                found.append([(each, join(each, own)) for each in matches for own in _matches(raw)])
            fits = self._fits[parent, child]
            fits[place] = fits.get(place, False) or any(pair is not None for _, pair in found[-1])
        return found

    def _child_leaves(self, way: Way, child: Key, fitting: list[Pairs], order: tuple[Any, ...]) -> Iterator[Leaf]:
        """Yield the leaves of a child whose rules have these matches."""
        raw = self.routes[child]
        weight = int(raw["metadata"].get("annotations", {}).get(WEIGHT, "0"))
        for place, (rule, pairs) in enumerate(zip(raw["spec"]["rules"], fitting, strict=True)):
            matches = _distinct(pairs)
            below = replace(way, routes=(*way.routes, child))
            yield from self._leaves(below, matches, rule, (*order, -weight, *self._age(child), place))

    def is_of_routes(self, key: Key) -> bool:
        """Whether a route may be a child at all: one whose parentRefs are all to Gateways is not."""
        parents = self.routes[key]["spec"].get("parentRefs", ())
        return not parents or any(each.get("kind") == "HTTPRoute" for each in parents)

    def _is_child(self, key: Key, parent: Key) -> bool:
        """Whether a route may be a child of another: it has no hostnames, and names that parent if it names any."""
        spec = self.routes[key]["spec"]
        return not spec.get("hostnames") and (not spec.get("parentRefs") or self._names(key, parent))

    def _names(self, key: Key, parent: Key) -> bool:
        parents = self.routes[key]["spec"].get("parentRefs", ())
        return any(
            each.get("kind") == "HTTPRoute" and (each.get("namespace", key[0]), each["name"]) == parent
            for each in parents
        )

    def _permitted(self, parent: Key, child: Key) -> bool:
        """Whether a route of another namespace may be a child: by a ReferenceGrant, or since it names the parent."""
        if parent[0] == child[0] or self._names(child, parent):
            return True
        return any(
            grant["metadata"].get("namespace", DEFAULT) == child[0]
            and any(_is_of_routes(each) and each["namespace"] == parent[0] for each in grant["spec"]["from"])
            and any(_is_of_routes(each) and each.get("name", child[1]) == child[1] for each in grant["spec"]["to"])
            for grant in self._grants
        )

    def _age(self, key: Key) -> tuple[str, str]:
        return self.routes[key]["metadata"].get("creationTimestamp", ""), "/".join(key)

    def _served(self, way: Way, references: Iterable[Manifest]) -> Shares:
        """Return the shares of the Services of a rule."""
        owner, headers = way.routes[-1], way.headers
        weights = [(each, each.get("weight", 1)) for each in references]
        total = sum(weight for _, weight in weights)
        made: defaultdict[Answer, Fraction] = defaultdict(Fraction)
        for each, weight in weights:
            key = (each.get("namespace", owner[0]), each["name"])
            known = each.get("kind", "Service") == "Service" and key in self._services and key[0] == owner[0]
            answer = Answer("/".join(key), 0, tuple(sorted(headers.items()))) if known else Answer(status=ERROR)
            if weight:
                made[answer] += Fraction(weight, total)
        return dict(made) or BROKEN


def _shared(made: Iterable[tuple[Key, int, Leaf]]) -> Iterator[Leaf]:
    """Yield leaves, of which those of several children that are equal share by weight: of each child the first."""
    alike: defaultdict[Match, dict[Key, tuple[int, Leaf]]] = defaultdict(dict)
    for child, weight, leaf in sorted(made, key=lambda each: each[2].order):
        alike[leaf.match].setdefault(child, (weight, leaf))
    for by_child in alike.values():
        total = sum(weight for weight, _ in by_child.values())
        shares: defaultdict[Answer, Fraction] = defaultdict(Fraction)
        for weight, leaf in by_child.values():
            for answer, share in leaf.shares.items():
                shares[answer] += share * Fraction(weight, total)
        (_, first), *_ = by_child.values()
        yield replace(first, shares=dict(shares))


def _distinct(pairs: Pairs) -> list[Match]:
    return [*dict.fromkeys(pair for _, pair in pairs if pair is not None)]


def _key(manifest: Manifest) -> Key:
    return manifest["metadata"].get("namespace", DEFAULT), manifest["metadata"]["name"]


def _matches(raw: Manifest) -> list[Match]:
    """Return the matches of a rule; without any it takes everything."""
    return [*dict.fromkeys(map(read, raw.get("matches", ())))] or [Match()]


def _takes_the_parents(raw: Manifest) -> bool:
    """Whether a rule has no matches; the API server writes them as one of everything."""
    return _matches(raw) == [Match()]


def _delegates(reference: Manifest) -> bool:
    group, kind = reference.get("group", ""), reference.get("kind", "Service")
    return (group, kind) in ((GATEWAY_API, "HTTPRoute"), (DELEGATION, "label"))


def _is_of_routes(side: Manifest) -> bool:
    return (side["group"], side["kind"]) == (GATEWAY_API, "HTTPRoute")


def _may_delegate(raw: Manifest) -> bool:
    """Whether all filters of a rule are such as children inherit."""
    filters = raw.get("filters", ())
    kinds = {each["type"] for each in filters}
    rewritten = {field for each in filters for field in each.get("urlRewrite", ())}
    return (
        kinds <= {"RequestHeaderModifier", "ResponseHeaderModifier", "CORS", "URLRewrite"} and "path" not in rewritten
    )


def _headers(raw: Manifest) -> dict[str, str]:
    """Return what a rule sets: headers, the host, the timeout."""
    filters = raw.get("filters", ())
    changes = (each["requestHeaderModifier"] for each in filters if "requestHeaderModifier" in each)
    found = {each["name"]: each["value"] for change in changes for each in change["set"]}
    hosts = (each["urlRewrite"].get("hostname") for each in filters if "urlRewrite" in each)
    found |= {name: host for name, host in zip((":authority",), hosts, strict=False) if host}
    return found | ({":timeout": raw["timeouts"]["request"].rstrip("s")} if "timeouts" in raw else {})


def _covers(host: str, name: str) -> bool:
    return host in ("", name) or (host.startswith("*.") and name.endswith(host[1:]))


def _specificity(host: str) -> tuple[bool, int]:
    """Return a key by which the most specific hostname comes first."""
    return not host or host.startswith("*"), -len(host)
