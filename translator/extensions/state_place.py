"""Where the state of a policy is: in chains of filters whose names say of which policy and target they are."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final, NamedTuple, Self

from translator.extension import PolicyContext
from translator.ir.http import RuleSetting
from translator.kinds import Level

BELOW_ROUTES: Final = frozenset({Level.ROUTE, Level.RULE, Level.EXTENSION_REF, Level.BACKEND_REF})


class StatePlace(NamedTuple):
    """What has the state of a policy.

    Attributes:
        policy: the namespace and name of the policy.
        level: the level at which it is attached.
        by_route: whether each route there has state of its own.
        route: the route whose state it is; "" for that of a Gateway, ListenerSet or listener.
        rule: the rule of the route whose state it is; "" for that of all.
    """

    policy: str
    level: Level
    by_route: bool
    route: str = ""
    rule: str = ""

    @property
    def is_open(self) -> bool:
        """Whether it is not known yet of which route or rule it is."""
        return self.by_route and not self.route

    @property
    def name(self) -> str:
        """The name of the chain with the state."""
        return f"{self.policy}@{'/'.join(filter(None, (self.route or self.level.name.lower(), self.rule)))}"

    def at(self, route: str, rule: str) -> StatePlace:
        """Return the place as it is at a rule of a route."""
        return self._replace(route=route, rule=rule if self.level is Level.RULE else "")


@dataclass(frozen=True, slots=True)
class StatefulSetting(RuleSetting):
    """A setting of a filter with state, in a chain of filters that keeps it while routes change.

    Attributes:
        place: what has the state.
    """

    place: StatePlace

    @property
    def by_place(self) -> bool:
        """Whether each route or rule has state of its own."""
        return self.place.by_route

    def at(self, route: str, rule: str) -> Self:
        """Return the setting with the state of a rule."""
        return replace(self, place=self.place.at(route, rule))


def state_place(context: PolicyContext, leaf: str, by_route: bool) -> StatePlace:
    """Return what has the state of a leaf of an effective value.

    Args:
        context: the context in which it is read.
        leaf: the path of the leaf below the unit; "" for all of it.
        by_route: whether each route that it concerns has state of its own, wherever the policy is attached.
    """
    policy = context.origin(leaf)
    places = [each for each in context.stack if each.policy == policy]
    chosen = next(iter(places[:1] if leaf in context.effective.enforced else places[-1:]), None)
    level = chosen.level if chosen is not None else Level.ROUTE
    if chosen is not None and chosen.place and not by_route:
        return StatePlace(f"{policy.namespace}/{policy.name}", level, False, chosen.place)
    if by_route and level is Level.RULE:
        level = Level.ROUTE
    return StatePlace(f"{policy.namespace}/{policy.name}", level, by_route or level in BELOW_ROUTES)
