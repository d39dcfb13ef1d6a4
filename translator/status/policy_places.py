"""The places of a policy, as far as its status is concerned: of the targets that it names, and of those it selects."""

from __future__ import annotations

from collections.abc import Iterator

from translator.db import Db
from translator.gateway.gateways import managed_classes
from translator.kinds import Level
from translator.objects.gateway_api.gatewayclass import GatewayClass
from translator.objects.gateway_api.policy import Policy
from translator.objects.headgate.policy import TargetSelector
from translator.outcome import Problem
from translator.policies.selection import selected_objects
from translator.policies.targets import level, selectors_of, target
from translator.status.ancestors import AncestorRef
from translator.status.policy_targets import TargetPlace, ancestors, selected, wrong_kind

Place = tuple[str, TargetPlace, AncestorRef, Problem | None]
"""The path of a field, where a policy is because of it, the ancestor for that, and why it has no effect there."""

RELABEL = "correct the labels that it asks for, or those of what it is for"


def named(db: Db, policy: Policy) -> Iterator[Place]:
    """Yield the ancestors of the objects that a policy names."""
    for place, each in enumerate(policy.spec.target_refs):
        at = TargetPlace(target(policy.ref, each), each.section_name or "")
        path = f"spec.targetRefs[{place}]"
        for ancestor, problem in ancestors(db, policy.ref, each, path):
            yield path, at, ancestor, problem


def selected_places(db: Db, policy: Policy) -> Iterator[Place]:
    """Yield the ancestors of the objects that a policy selects."""
    selectors = selectors_of(policy)
    for each in selected_objects(db, policy.ref, (one.kind for one in selectors)):
        if each.place < len(selectors):
            selector, path = selectors[each.place], f"spec.targetSelectors[{each.place}]"
            at = TargetPlace(each.object, selector.section_name or "")
            for ancestor, problem in selected(db, policy.ref, at, selector.group, path):
                yield path, at, ancestor, problem


def without_targets(db: Db, policy: Policy, attached: bool) -> Iterator[tuple[AncestorRef, Problem]]:
    """Yield the selectors that select nothing, and that a policy is attached nowhere at all, at the GatewayClass."""
    for name in managed_classes(db)[:1]:
        ancestor = (("group", GatewayClass.group), ("kind", GatewayClass.kind), ("name", name))
        yield from ((ancestor, problem) for problem in _without_targets(db, policy, attached))


def _without_targets(db: Db, policy: Policy, attached: bool) -> Iterator[Problem]:
    selectors = selectors_of(policy)
    places = {each.place for each in selected_objects(db, policy.ref, (one.kind for one in selectors))}
    for place, each in enumerate(selectors):
        path = f"spec.targetSelectors[{place}]"
        if level(db, policy.kind, each) is None:
            yield Problem("Accepted", "Invalid", wrong_kind(db, policy.ref, each.group, each.kind, path))
        elif place not in places:
            text = f"{path} selects no {each.kind}{_where(policy, each)}: {RELABEL}."
            yield Problem("Attached", "NoMatchingTargets", text)
    if not attached and not selectors and not policy.spec.target_refs:
        named_by_filters = Level.EXTENSION_REF in db.registry.policy(policy.kind).levels
        filters = ", and no filter of an attached route names it (ExtensionRef)" if named_by_filters else ""
        yield Problem("Attached", "NoMatchingTargets", f"The policy has no targets{filters}: add targetRefs.")


def _where(policy: Policy, selector: TargetSelector) -> str:
    return f" in namespace {policy.ref.namespace}" if selector.reach.from_ == "Same" else ""
