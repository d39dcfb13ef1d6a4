"""Backends that stand in for each other, by each request: the groups of a Backend, and Backends that are a fallback.

Which group a request goes to is decided for each attempt: a request that has failed at one group is sent to the next.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import ClassVar, Final

from headgate_proto.envoy.config.route.v3.route_components_pb2 import RetryPolicy, Route
from headgate_proto.envoy.extensions.router.cluster_specifiers.priority_group.v3.priority_group_pb2 import (
    PriorityGroupClusterSpecifier,
)
from translator.backends.reference import group_member
from translator.db import Db
from translator.envoy.hooks import RouteHook
from translator.envoy.names import cluster_name
from translator.extensions.backend_members import BackendMember
from translator.ir.backend import Backend, BackendSetting
from translator.ir.http import RouteMatch, RuleSetting
from translator.ir.listener import ListenerContext
from translator.objects.headgate.backend import HeadgateBackend
from translator.objects.headgate.prioritygroups import GroupMember, PriorityGroup
from translator.outcome import Outcome, Problem
from translator.refs import Ref

Member = tuple[Backend, int]
RETRY_ON: Final = "connect-failure,refused-stream,reset-before-request,gateway-error"
"""What has a request go to the next group, where neither the rule nor a policy says what is tried again."""


@dataclass(frozen=True, slots=True)
class Failover(RuleSetting, RouteHook):
    """Requests go to the first group, and those that fail there to the next.

    Attributes:
        groups: the members of each group, with their weights.
    """

    forwarding: ClassVar[bool] = True
    own_route: ClassVar[bool] = True
    groups: tuple[tuple[Member, ...], ...]

    @property
    def is_final(self) -> bool:
        """It is: what retries are there decides how groups follow each other."""
        return True

    @property
    def backends(self) -> tuple[Backend, ...]:
        """All members."""
        return tuple(dict.fromkeys(member for group in self.groups for member, _ in group))

    def with_backends(self, change: Callable[[Backend], Backend]) -> Failover:
        """Return it with its members changed."""
        return Failover(tuple(tuple((change(member), weight) for member, weight in group) for group in self.groups))

    def apply_to_route(self, route: Route, origin: ListenerContext, match: RouteMatch) -> None:
        """Write the ``PriorityGroupClusterSpecifier`` in place of clusters, and retries that choose anew."""
        made = PriorityGroupClusterSpecifier()
        for place, group in enumerate(self.groups):
            written = made.priority_groups.add(name=str(place))
            for member, weight in group:
                written.clusters.add(cluster_name=cluster_name(member)).weight.value = weight
        action = route.route
        plugin = action.inline_cluster_specifier_plugin.extension
        plugin.name = "envoy.router.cluster_specifier_plugin.priority_group"
        plugin.typed_config.Pack(made, deterministic=True)
        if not action.HasField("retry_policy"):
            action.retry_policy.CopyFrom(RetryPolicy(retry_on=RETRY_ON))
            action.retry_policy.num_retries.value = len(self.groups) - 1
        action.retry_policy.refresh_cluster_on_retry = True


@dataclass(frozen=True, slots=True)
class InGroups(BackendSetting):
    """A Backend of groups, in the place of their first member: its routes choose among all.

    Attributes:
        groups: the members of each group, with their weights.
    """

    for_clients_only: ClassVar[bool] = True
    groups: tuple[tuple[Member, ...], ...]

    def rule_settings(self, protocol: str) -> tuple[object, ...]:
        """Return the failover among the groups."""
        spoken = (
            tuple((replace(member, protocol=member.protocol or protocol), weight) for member, weight in group)
            for group in self.groups
        )
        return (Failover(tuple(spoken)),)


def read(db: Db, ref: Ref, found: tuple[PriorityGroup, ...]) -> Outcome[Backend | None]:
    """Return the backend that groups are, without the members that cannot be had; none if none is left."""
    groups: list[tuple[Member, ...]] = []
    problems: list[Problem] = []
    for place, group in enumerate(found):
        members = []
        for number, each in enumerate(group.backend_refs):
            field = f"[{place}].backendRefs[{number}]"
            resolved = _member(db, ref, each, field)
            problems += resolved.problems
            if resolved.value is not None and each.weight:
                members.append((resolved.value, each.weight))
        if members:
            groups.append(tuple(members))
    if not groups:
        text = "[0]: no group has a member that requests can be sent to, so they are refused; correct a reference."
        return Outcome(None, (*problems, Problem("ResolvedRefs", "BackendNotFound", text)))
    (first, _), *_ = groups[0]
    return Outcome(replace(first, settings=(*first.settings, InGroups(tuple(groups)))), tuple(problems))


def _member(db: Db, ref: Ref, found: GroupMember, field: str) -> Outcome[Backend | None]:
    """Resolve a member, which must not have groups itself: these could lead back here."""
    named = Ref(found.kind, found.namespace or ref.namespace, found.name)
    other = db.get(HeadgateBackend, named) if named.kind == HeadgateBackend.kind else None
    if other is not None and other.spec.priority_groups is not None:
        text = f"{field}: {named} has groups itself, and groups are not nested; refer to its members."
        return Outcome(None, (Problem("Accepted", "Invalid", text),))
    return group_member(db, ref, found, field)


MEMBER: Final = BackendMember("priority_groups", read)
