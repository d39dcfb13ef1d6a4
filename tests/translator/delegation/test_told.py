"""What the routes of random trees are told in their statuses is what the reference of route delegation says."""

from __future__ import annotations

from collections.abc import Iterator

from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from tests.translator.delegation.emitted import translated
from tests.translator.delegation.reference import Key, World
from tests.translator.delegation.trees import Trees
from translator.refs import Ref
from translator.translator import Translator

OF_PARENTS = ("ChildNotFound", "RefNotPermitted")


def told(translator: Translator, route: Key) -> Iterator[tuple[Key | None, str, str, str]]:
    """Yield the conditions of a route: the parent, None of a Gateway; type, status and reason."""
    for about in translator.statuses.get(Ref("HTTPRoute", *route), {"parents": []})["parents"]:
        parent = about["parentRef"]
        key = (parent.get("namespace", route[0]), parent["name"]) if parent["kind"] == "HTTPRoute" else None
        for each in about["conditions"]:
            yield key, each["type"], each["status"], each["reason"]


def compare(seed: int) -> None:
    """Compare what children are told of each parent that is served, and what parents are told of their references."""
    objects = Trees(seed).world()
    translator, reference = translated(objects), World(objects)
    for (parent, child), fits in reference.fitting.items():
        found = {(type_, status, reason) for key, type_, status, reason in told(translator, child) if key == parent}
        refused = {reason for type_, status, reason in found if (type_, status) == ("Accepted", "False")}
        if "DelegationCycle" in refused:  # which is told by references alone, also where no match leads around
            continue
        assert ("NoMatchingParentMatcher" in refused) is (not any(fits)), (seed, parent, child, found)
        if any(fits) and not all(fits):
            assert refused or any(type_ == "PartiallyInvalid" for type_, *_ in found), (seed, parent, child, found)
    for route, reason, of in reference.reasons:
        if reason == "NotAllowedByParent" and reference.is_of_routes(route):
            refused = {each for key, type_, _, each in told(translator, route) if (key, type_) == (of, "Accepted")}
            assert refused & {reason, "DelegationCycle"}, (seed, route, of)
        if reason in OF_PARENTS:
            conditions = {(type_, status) for _, type_, status, _ in told(translator, route)}
            assert conditions & {("ResolvedRefs", "False"), ("Accepted", "False")}, (seed, route, reason)


@settings(phases=(Phase.explicit, Phase.reuse, Phase.generate))
@given(seed=st.integers(0, 2**32))
def test_what_routes_are_told(seed: int) -> None:
    """A child is told which parents refuse it, and where it fits none of their matches; a parent what it lacks."""
    compare(seed)
