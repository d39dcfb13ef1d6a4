"""The order of children by their route-weights, where the owner of a Gateway asks for it before all precedence."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import NamedTuple, TypeVar

from translator.delegation.paths import DEPTH
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
    for served, entries in found:
        if served.path:
            own = tuple(served.order[1::4])  # of each level the rule, the weight, the age and the name
            rule = RootRule(*served.path[0])
            padded = (*own, *(0,) * (DEPTH - len(own)))
            weights |= {id(each): (rule, padded) for each in entries if each.precedence.request}
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
