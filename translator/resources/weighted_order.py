"""The order of children by their route-weights, where the owner of a Gateway asks for it before all precedence."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import NamedTuple, TypeVar

from translator.delegation.paths import DEPTH, Path
from translator.envoy.route import EncodedRoute
from translator.gateway.attachment import RouteOnDomain
from translator.refs import Ref

E = TypeVar("E")


class RootRule(NamedTuple):
    """The rule of an attached route below which children are."""

    route: Ref
    rule: int


def by_weight(ordered: Sequence[E], found: Iterable[tuple[RouteOnDomain, tuple[EncodedRoute, ...]]]) -> list[E]:
    """Return entries of which those below one rule have their places in the order of the weights on their ways.

    What else is there keeps its place. Of equal weights the order stays.

    Args:
        ordered: the entries of a domain, and others, in the order of precedence.
        found: the routes that the entries are of.
    """
    weights: dict[int, tuple[RootRule, tuple[int, ...]]] = {}
    children = [(served, entries) for served, entries in found if served.path]
    lightest = _lightest(served for served, _ in children)
    for served, entries in children:
        own = _weights(served)
        rule = RootRule(*served.path[0])
        key = (*own, *lightest.get((served.path, served.route), _padded((), len(own))))
        weights |= {id(each): (rule, key) for each in entries if each.precedence.request}
    places: defaultdict[RootRule, list[int]] = defaultdict(list)
    for place, each in enumerate(ordered):
        if id(each) in weights:
            places[weights[id(each)][0]].append(place)
    made = list(ordered)
    for of_rule in places.values():
        heaviest = sorted(of_rule, key=lambda place: weights[id(ordered[place])][1])
        for place, source in zip(of_rule, heaviest, strict=True):
            made[place] = ordered[source]
    return made


def _weights(served: RouteOnDomain) -> tuple[int, ...]:
    """Return the weights on the way to a child, as they sort."""
    return tuple(each.weight for each in served.order)


def _padded(weights: tuple[int, ...], level: int) -> tuple[int, ...]:
    return (*weights, *(0,) * (DEPTH - level - len(weights)))


def _lightest(children: Iterable[RouteOnDomain]) -> dict[tuple[Path, Ref], tuple[int, ...]]:
    """Return, for the children that delegate, the weights below them that sort last, at least those of no weight.

    What such a child has itself sorts with these: an error in place of what is missing is behind all that is there.
    """
    found: dict[tuple[Path, Ref], tuple[int, ...]] = {}
    for served in children:
        own = _weights(served)
        for level in range(1, len(own)):
            key = (served.path[:level], served.path[level].parent)
            found[key] = max(found.get(key, _padded((), level)), _padded(own[level:], level))
    return found
