"""Merges of a wanted status into the observed one."""

import copy
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from watchers.status.merge import MOST_BYTES, StatusAuthor, generation, has_entries, merge, patch

OURS, OTHER = "gateway.headgate.dev/controller", "example.com/other"
BEFORE, NOW = "2026-01-01T00:00:00Z", "2026-02-02T00:00:00Z"
WRITER = StatusAuthor(OURS, NOW)


def condition(type_: str = "Accepted", status: str = "True", time: str | None = None, **fields: Any) -> dict[str, Any]:
    """Return a condition: with a time an observed one, without a wanted one."""
    found = {"type": type_, "status": status, "reason": "R", "message": "m", "observedGeneration": 1, **fields}
    return found if time is None else {**found, "lastTransitionTime": time}


def parent(name: str, *conditions: dict[str, Any], controller: str = OURS) -> dict[str, Any]:
    """Return an entry of a route's parents."""
    reference = {"group": "gateway.networking.k8s.io", "kind": "Gateway", "name": name}
    return {"parentRef": reference, "controllerName": controller, "conditions": list(conditions)}


def test_entries_of_others_keep_their_order() -> None:
    """Only our entries of a route's parents change: others keep content and order, new ones are last."""
    odd = {**parent("a", condition(time="2026-01-01T01:00:00+01:00"), controller=OTHER), "unknown": {"z": 1, "a": [2]}}
    observed = {"parents": [odd, parent("b", condition(time=BEFORE)), parent("gone"), parent("b", controller=OTHER)]}
    wanted = {"parents": [parent("c", condition()), parent("b", condition(status="False"))]}
    assert merge(observed, wanted, WRITER) == {
        "parents": [
            odd,
            parent("b", condition(status="False", time=NOW)),
            parent("b", controller=OTHER),
            parent("c", condition(time=NOW)),
        ]
    }


def test_our_entries_are_removed_without_a_wanted_status() -> None:
    """Without a wanted status, a route has only the entries of others."""
    observed = {"parents": [parent("a"), parent("a", controller=OTHER)]}
    assert merge(observed, None, WRITER) == {"parents": [parent("a", controller=OTHER)]}
    assert has_entries(observed, OURS)
    assert not has_entries(merge(observed, None, WRITER), OURS)


def test_policies_have_ancestors() -> None:
    """The ancestors of a policy are merged like the parents of a route, sixteen of them at most."""
    reference = {"kind": "Gateway", "name": "a"}
    others = [{"ancestorRef": {"name": str(n)}, "controllerName": OTHER, "conditions": []} for n in range(15)]
    ours = [{"ancestorRef": {**reference, "name": n}, "controllerName": OURS, "conditions": []} for n in ("a", "b")]
    assert merge({"ancestors": others}, {"ancestors": ours}, WRITER) == {"ancestors": [*others, ours[0]]}


@pytest.mark.parametrize(
    ("change", "time"),
    [
        ({}, BEFORE),
        ({"reason": "Other"}, BEFORE),
        ({"message": "other", "observedGeneration": 2}, BEFORE),
        ({"status": "False"}, NOW),
    ],
)
def test_the_transition_time_changes_with_the_status(change: dict[str, Any], time: str) -> None:
    """`lastTransitionTime` changes only with the condition's status."""
    observed = {"conditions": [condition(time=BEFORE)]}
    wanted = {"conditions": [condition(**change)]}
    assert merge(observed, wanted, WRITER) == {"conditions": [condition(time=time, **change)]}


def test_conditions_of_others_stay() -> None:
    """Conditions of others' types keep their order; ours that are not wanted are removed."""
    foreign = {**condition("example.com/Audited", time="2026-01-01T00:00:00.5Z"), "extra": True}
    observed = {
        "conditions": [
            condition("Ready", time=BEFORE),
            foreign,
            condition("Accepted", time=BEFORE),
            condition("gateway.headgate.dev/Old", time=BEFORE),
        ]
    }
    wanted = {"conditions": [condition("Accepted"), condition("Programmed")]}
    assert merge(observed, wanted, WRITER)["conditions"] == [
        foreign,
        condition("Accepted", time=BEFORE),
        condition("Programmed", time=NOW),
    ]


@pytest.mark.parametrize(("field", "reference"), [("parents", "parentRef"), ("ancestors", "ancestorRef")])
def test_conditions_of_others_stay_in_our_entries(field: str, reference: str) -> None:
    """In an entry of ours, others' conditions keep order and content; ours that are not wanted are removed."""
    foreign = {**condition("special.io/SomeField", time="2026-01-01T00:00:00.5Z"), "extra": True}

    def entries(*conditions: dict[str, Any]) -> dict[str, Any]:
        return {field: [{reference: {"name": "a"}, "controllerName": OURS, "conditions": list(conditions)}]}

    observed = entries(condition("PartiallyInvalid", time=BEFORE), foreign, condition("Accepted", time=BEFORE))
    wanted = entries(condition("Accepted"), condition("ResolvedRefs"))
    assert merge(observed, wanted, WRITER) == entries(
        foreign, condition("Accepted", time=BEFORE), condition("ResolvedRefs", time=NOW)
    )
    assert merge(entries(foreign), entries(condition()), WRITER) == entries(foreign, condition(time=NOW))


def test_listeners_are_merged_by_name() -> None:
    """A listener keeps its times and others' conditions when it moves; a deleted one is removed."""
    foreign = condition("example.com/Audited", time=BEFORE)

    def listener(name: str, *conditions: dict[str, Any], routes: int = 0) -> dict[str, Any]:
        return {"name": name, "supportedKinds": [], "attachedRoutes": routes, "conditions": list(conditions)}

    observed = {"listeners": [listener("a", foreign, condition(time=BEFORE)), listener("b"), listener("c")]}
    wanted = {"listeners": [listener("c", condition()), listener("a", condition(), routes=3)]}
    assert merge(observed, wanted, WRITER)["listeners"] == [
        listener("c", condition(time=NOW)),
        listener("a", foreign, condition(time=BEFORE), routes=3),
    ]


def test_the_status_of_an_unmanaged_gateway_is_unchanged() -> None:
    """The conditions of a Gateway without a wanted status are unchanged: they may be those of the next controller."""
    observed = {"conditions": [condition(time=BEFORE)], "addresses": [{"value": "10.0.0.1"}]}
    assert merge(observed, None, WRITER) == observed


def test_our_condition_of_policies_goes_with_them() -> None:
    """The condition that names an object's policies is removed once it is not wanted; others' entries stay."""
    affected, accepted = condition("gateway.headgate.dev/PolicyAffected", time=BEFORE), condition(time=BEFORE)
    plain = [condition()]
    observed = {"conditions": [accepted, affected], "listeners": [{"name": "a", "conditions": [affected, accepted]}]}
    wanted = {"conditions": plain, "listeners": [{"name": "a", "conditions": plain}]}
    assert merge(observed, wanted, WRITER) == {
        "conditions": [accepted],
        "listeners": [{"name": "a", "conditions": [accepted]}],
    }
    theirs = parent("a", accepted, affected, controller=OTHER)
    routes = {"parents": [theirs, parent("a", accepted, affected)]}
    assert merge(routes, {"parents": [parent("a", *plain)]}, WRITER) == {"parents": [theirs, parent("a", accepted)]}


def test_an_unwanted_field_is_removed() -> None:
    """A field that only the controller writes is removed when it is not wanted, such as an address."""
    observed = {"conditions": [condition(time=BEFORE)], "addresses": [{"type": "IPAddress", "value": "10.0.0.1"}]}
    new = merge(observed, {"conditions": [condition()]}, WRITER)
    assert new == {"conditions": [condition(time=BEFORE)]}
    assert patch(observed, new) == {"addresses": None}


def test_limits_leave_room_for_others() -> None:
    """Entries and conditions stay within the API server's limits, and none of others is removed for ours."""
    others = [parent(f"o{n}", controller=OTHER) for n in range(31)]
    new = merge({"parents": others}, {"parents": [parent("a"), parent("b")]}, WRITER)
    assert new == {"parents": [*others, parent("a")]}
    foreign = [condition(f"example.com/C{n}", time=BEFORE) for n in range(7)]
    new = merge({"conditions": foreign}, {"conditions": [condition(), condition("Programmed")]}, WRITER)
    assert new == {"conditions": [*foreign, condition(time=NOW)]}


def test_the_size_of_a_status_is_bounded() -> None:
    """Very long messages are cut until the status fits, deterministically; those of others are unchanged."""
    wanted = {
        "conditions": [condition(message="é" * 40_000)],
        "listeners": [
            {"name": str(n), "conditions": [condition(t, message="x" * 30_000) for t in "ABCD"]} for n in range(64)
        ],
    }
    foreign = condition("example.com/Long", time=BEFORE, message="y" * 32_768)
    new = merge({"conditions": [foreign]}, wanted, WRITER)
    assert len(json.dumps(new, ensure_ascii=False).encode()) < MOST_BYTES + 40_000 + 64 * 4 * 60
    assert new["conditions"][0] == foreign
    assert new["conditions"][1]["message"].endswith("…")
    assert merge(new, wanted, StatusAuthor(OURS, "2027-01-01T00:00:00Z")) == new


def test_the_generation_is_that_of_the_conditions() -> None:
    """The generation of a status is that of its conditions, in any list."""
    assert generation({"parents": [parent("a", condition(observedGeneration=7))]}) == 7
    assert generation({"listeners": [{"conditions": [condition(observedGeneration=3)]}]}) == 3
    assert generation({"conditions": []}) is None


CONTROLLERS = st.sampled_from([OURS, OTHER, "example.com/third"])


def conditions(*types: str) -> st.SearchStrategy[list[dict[str, Any]]]:
    """Return some conditions of these types."""
    status, message = st.sampled_from(["True", "False", "Unknown"]), st.text(max_size=3)
    found = st.builds(condition, st.sampled_from(types), status, st.just(BEFORE), message=message)
    return st.lists(found, unique_by=lambda each: each["type"], max_size=3)


HELD = st.lists(
    st.builds(
        lambda n, c, k: parent(n, *c, controller=k),
        st.sampled_from("abc"),
        conditions("Accepted", "ResolvedRefs", "example.com/X"),
        CONTROLLERS,
    ),
    max_size=6,
)
WANTED = st.lists(
    st.builds(
        lambda n, c: parent(n, *[{k: v for k, v in each.items() if k != "lastTransitionTime"} for each in c]),
        st.sampled_from("abc"),
        conditions("Accepted", "ResolvedRefs"),
    ),
    unique_by=lambda each: each["parentRef"]["name"],
    max_size=3,
)


@given(HELD, st.none() | WANTED)
def test_a_merge_is_idempotent_and_keeps_others(
    observed: list[dict[str, Any]], wanted: list[dict[str, Any]] | None
) -> None:
    """Others' entries and conditions keep their order, ours are the wanted ones, and a merge is idempotent."""
    before = {"parents": observed}
    unchanged = copy.deepcopy(before)
    status = None if wanted is None else {"parents": wanted}
    new = merge(before, status, WRITER)
    assert before == unchanged
    assert [each for each in new["parents"] if each["controllerName"] != OURS] == [
        each for each in observed if each["controllerName"] != OURS
    ]
    ours = [each["parentRef"]["name"] for each in new["parents"] if each["controllerName"] == OURS]
    assert sorted(ours) == sorted(each["parentRef"]["name"] for each in wanted or ())
    assert merge(new, status, StatusAuthor(OURS, "2030-01-01T00:00:00Z")) == new
    before_by_name = {each["parentRef"]["name"]: each for each in reversed(observed) if each["controllerName"] == OURS}
    for each in new["parents"]:
        if each["controllerName"] == OURS:
            was = before_by_name.get(each["parentRef"]["name"], {"conditions": []})
            assert foreign_conditions(was) <= foreign_conditions(each)


def foreign_conditions(entry: dict[str, Any]) -> set[str]:
    """Return the conditions of types that no controller of the object has, as JSON."""
    return {json.dumps(each) for each in entry["conditions"] if each["type"] == "example.com/X"}


VALUES = st.recursive(
    st.integers() | st.text(max_size=2) | st.lists(st.integers(), max_size=2),
    lambda inner: st.dictionaries(st.sampled_from("abc"), inner, max_size=3),
    max_leaves=6,
)
OBJECTS = st.dictionaries(st.sampled_from("abc"), VALUES, max_size=3)


def patched(target: Any, change: Any) -> Any:
    """Apply a JSON merge patch, as in the pseudocode of RFC 7386."""
    if not isinstance(change, dict):
        return change
    target = dict(target) if isinstance(target, dict) else {}
    for key, value in change.items():
        if value is None:
            target.pop(key, None)
        else:
            target[key] = patched(target.get(key), value)
    return target


@given(OBJECTS, OBJECTS)
def test_a_patch_changes_the_old_status_to_the_new(observed: dict[str, Any], new: dict[str, Any]) -> None:
    """A patch, applied as in RFC 7386, changes the first value to the second; between equal ones it is empty."""
    assert patched(observed, patch(observed, new)) == new
    assert patch(new, new) == {}
