"""Backends that stand in for each other: the groups of a Backend.

Which group a request goes to is decided for each attempt: one that has failed at a group is sent to the next, and a
group without a usable endpoint is passed over at once. What an attempt goes to is therefore a cluster of its group's
members and of those of all groups behind it, in an order (`backend_order`).
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from itertools import accumulate
from math import lcm
from typing import ClassVar, Final

from headgate_proto.envoy.config.route.v3.route_components_pb2 import RetryPolicy, Route
from headgate_proto.envoy.extensions.retry.priority.previous_priorities.v3.previous_priorities_config_pb2 import (
    PreviousPrioritiesConfig,
)
from headgate_proto.envoy.extensions.router.cluster_specifiers.priority_group.v3.priority_group_pb2 import (
    PriorityGroupClusterSpecifier,
)
from translator.backends.reference import group_member
from translator.db import Db
from translator.envoy.hooks import RouteHook
from translator.envoy.names import cluster_name
from translator.envoy.retry import try_at_once
from translator.extensions.backend_members import BackendMember
from translator.extensions.backend_order import in_order, may_be_in_order, names_by_host
from translator.extensions.session_persistence import StickyCookie, StickyHeader
from translator.ir.backend import Backend, BackendKey, BackendSetting
from translator.ir.http import RouteMatch, RuleSetting
from translator.ir.listener import ListenerContext
from translator.objects.headgate.backend import HeadgateBackend
from translator.objects.headgate.prioritygroups import GroupMember, PriorityGroup
from translator.outcome import Outcome, Problem
from translator.refs import Ref

Member = tuple[Backend, int]
Group = tuple[Member, ...]
RETRY_ON: Final = "connect-failure,refused-stream,reset-before-request,gateway-error"
"""What has a request go to the next group, where neither the rule nor a policy says what is tried again."""
FINEST: Final = 1_000_000_000
"""The most parts that requests are divided into; Envoy adds them up in 32 bits."""


@dataclass(frozen=True, slots=True)
class Failover(RuleSetting, RouteHook):
    """Requests go to the first group that has a usable endpoint, and those that fail there to the next.

    Attributes:
        key: the Backend that the groups are of.
        groups: the members of each group, with their weights.
        passes_over: whether a member without a usable endpoint is passed over.
    """

    forwarding: ClassVar[bool] = True
    own_route: ClassVar[bool] = True
    key: BackendKey
    groups: tuple[Group, ...]
    passes_over: bool = True

    @property
    def is_final(self) -> bool:
        """It is: what retries are there decides how groups follow each other."""
        return True

    @property
    def backends(self) -> tuple[Backend, ...]:
        """All members, and what the attempts go to."""
        members = (member for group in self.groups for member, _ in group)
        chosen = (backend for attempt in self._attempts() for backend, _ in attempt)
        return tuple(dict.fromkeys((*members, *chosen)))

    def with_backends(self, change: Callable[[Backend], Backend]) -> Failover:
        """Return it with its members changed."""
        groups = tuple(tuple((change(member), weight) for member, weight in group) for group in self.groups)
        return replace(self, groups=groups)

    def beside(self, settings: tuple[RuleSetting, ...]) -> RuleSetting:
        """Return it as it is beside sessions: Envoy finds the endpoint of one among those of the route's cluster only.

        A cluster of others has none by itself.
        """
        return replace(self, passes_over=not any(isinstance(each, StickyCookie | StickyHeader) for each in settings))

    def apply_to_route(self, route: Route, origin: ListenerContext, match: RouteMatch) -> None:
        """Write the ``PriorityGroupClusterSpecifier`` in place of clusters, and retries that choose anew."""
        made = PriorityGroupClusterSpecifier()
        for place, attempt in enumerate(self._attempts()):
            written = made.priority_groups.add(name=str(place))
            for backend, weight in attempt:
                written.clusters.add(cluster_name=cluster_name(backend)).weight.value = weight
        action = route.route
        plugin = action.inline_cluster_specifier_plugin.extension
        plugin.name = "envoy.router.cluster_specifier_plugin.priority_group"
        plugin.typed_config.Pack(made, deterministic=True)
        policy = action.retry_policy
        if not action.HasField("retry_policy"):
            policy.CopyFrom(RetryPolicy(retry_on=RETRY_ON))
            policy.num_retries.value = len(self.groups) - 1
            try_at_once(policy)
        policy.refresh_cluster_on_retry = True
        if self.passes_over and not policy.HasField("retry_priority"):
            # Where a group was passed over, the next attempt's would be the one that has just failed.
            policy.retry_priority.name = "envoy.retry_priorities.previous_priorities"
            policy.retry_priority.typed_config.Pack(PreviousPrioritiesConfig(update_frequency=1), deterministic=True)

    def _attempts(self) -> Iterator[Group]:
        """Yield what each attempt goes to, with weights."""
        for place, group in enumerate(self.groups):
            if self.passes_over:
                shares = orders(self.groups[place:])
                yield tuple((in_order(self.key, members), weight) for members, weight in shares.items())
            else:
                yield group


def orders(groups: tuple[Group, ...]) -> dict[tuple[Backend, ...], int]:
    """Return orders of all members of groups, each with its share of the requests.

    A request goes to the first that can be used: one of its group has the weights of its members, and so has each one
    behind it, should all before have to be passed over. Where a member is, the rest of its group follows.
    """
    totals = [sum(weight for _, weight in group) for group in groups]
    parts = min(lcm(*totals), FINEST)
    ends = [
        [end * parts // total for end in accumulate(weight for _, weight in group)]
        for group, total in zip(groups, totals, strict=True)
    ]
    found: dict[tuple[Backend, ...], int] = {}
    begin = 0
    for end in sorted({each for several in ends for each in several}):
        order: dict[Backend, None] = {}
        for group, several in zip(groups, ends, strict=True):
            first = bisect_right(several, begin)
            order |= dict.fromkeys(member for member, _ in (*group[first:], *group[:first]))
        found[tuple(order)] = found.get(tuple(order), 0) + end - begin
        begin = end
    return found


@dataclass(frozen=True, slots=True)
class InGroups(BackendSetting):
    """A Backend of groups, in the place of their first member: its routes choose among all.

    Attributes:
        key: the Backend.
        groups: the members of each group, with their weights.
    """

    for_clients_only: ClassVar[bool] = True
    routes_only: ClassVar[str] = (
        "a Backend of groups is for the backendRefs of routes, where failed requests are tried again; refer to one of "
        "its members"
    )
    key: BackendKey
    groups: tuple[Group, ...]

    def rule_settings(self, protocol: str) -> tuple[object, ...]:
        """Return the failover among the groups."""
        spoken = (
            tuple((replace(member, protocol=member.protocol or protocol), weight) for member, weight in group)
            for group in self.groups
        )
        return (Failover(self.key, tuple(spoken)),)


def read(db: Db, ref: Ref, found: tuple[PriorityGroup, ...]) -> Outcome[Backend | None]:
    """Return the backend that groups are, without the members that cannot be had; none if none is left."""
    groups: list[Group] = []
    problems: list[Problem] = []
    encrypted: Backend | None = None
    for place, group in enumerate(found):
        members = []
        for number, each in enumerate(group.backend_refs):
            field = f"[{place}].backendRefs[{number}]"
            resolved = _member(db, ref, each, field)
            if resolved.value is not None and (fault := _mixed(resolved.value, encrypted, field)):
                resolved = Outcome(None, (*resolved.problems, fault))
            problems += resolved.problems
            if resolved.value is not None and each.weight:
                members.append((resolved.value, each.weight))
                if encrypted is None and names_by_host(resolved.value) is not None:
                    encrypted = resolved.value
        if members:
            groups.append(tuple(members))
    if not groups:
        text = "[0]: no group has a member that requests can be sent to, so they are refused; correct a reference."
        return Outcome(None, (*problems, Problem("ResolvedRefs", "BackendNotFound", text)))
    (first, _), *_ = groups[0]
    setting = InGroups(BackendKey(*ref), tuple(groups))
    return Outcome(replace(first, settings=(*first.settings, setting)), tuple(problems))


def _member(db: Db, ref: Ref, found: GroupMember, field: str) -> Outcome[Backend | None]:
    """Resolve a member, which must not have groups itself: these could lead back here."""
    named = Ref(found.kind, found.namespace or ref.namespace, found.name)
    other = db.get(HeadgateBackend, named) if named.kind == HeadgateBackend.kind else None
    if other is not None and other.spec.priority_groups is not None:
        text = f"{field}: {named} has groups itself, and groups are not nested; refer to its members."
        return Outcome(None, (Problem("Accepted", "Invalid", text),))
    resolved = group_member(db, ref, found, field)
    if resolved.value is None or may_be_in_order(resolved.value):
        return resolved
    text = (
        f"{field}: {named} cannot be in a group: what its requests need, filters of its own or hosts that they name, "
        f"members of groups do not have; refer to a Service, or to a Backend of hosts."
    )
    return Outcome(None, (*resolved.problems, Problem("Accepted", "Invalid", text)))


def _mixed(found: Backend, other: Backend | None, field: str) -> Problem | None:
    """Return the problem that a member's TLS follows the Host of requests, and that of one before does not, if so."""
    by_host = names_by_host(found)
    if other is None or by_host is None or by_host == names_by_host(other):
        return None
    text = (
        f"{field}: TLS to {Ref(*found.key)} and to {Ref(*other.key)} differs in whether it follows the Host of "
        f"requests (autoSni, verifySubjectAltNames), which is one for all members of a Backend; set the same at both."
    )
    return Problem("Accepted", "Invalid", text)


MEMBER: Final = BackendMember("priority_groups", read, own_policies=True)
