"""Merging is what its description says: each leaf is looked up from the policy that has the last word downwards."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Annotated, Any

from hypothesis import given
from hypothesis import strategies as st
from pydantic.fields import FieldInfo

from translator.objects.headgate.types import Disableable
from translator.objects.schema.base import Fields
from translator.objects.schema.merging import ATOMIC, ByKey
from translator.policies.merging import Contribution, merge, merge_beside
from translator.refs import Ref

Raw = dict[str, Any]


class Item(Fields):
    """An item of a list with keys."""

    name: str
    value: int | None = None


class Part(Fields):
    """A struct in a struct."""

    size: int | None = None
    words: tuple[str, ...] | None = None


class Unit(Disableable):
    """A unit with a field of each kind of merging."""

    one_of = (("local", "remote"),)

    number: int | None = None
    part: Part | None = None
    whole: Annotated[Part | None, ATOMIC] = None
    items: Annotated[tuple[Item, ...] | None, ByKey("name")] = None
    labels: dict[str, str] | None = None
    local: Part | None = None
    remote: Part | None = None


class Spec(Fields):
    """The spec of a policy."""

    unit: Unit | None = None
    atomic: Annotated[Unit | None, ATOMIC] = None


NUMBERS = st.integers(0, 3)
PARTS = st.fixed_dictionaries({}, optional={"size": NUMBERS, "words": st.lists(st.sampled_from("ab"), max_size=2)})
ITEM_LISTS = st.dictionaries(st.sampled_from("abc"), NUMBERS, max_size=3).map(
    lambda found: [{"name": name, "value": value} for name, value in found.items()]
)
ONE: st.SearchStrategy[Raw] = st.one_of(
    st.just({}), st.fixed_dictionaries({"local": PARTS}), st.fixed_dictionaries({"remote": PARTS})
)
SETTINGS = st.builds(
    lambda fields, one: {**fields, **one},
    st.fixed_dictionaries(
        {},
        optional={
            "number": NUMBERS,
            "part": PARTS,
            "whole": PARTS,
            "items": ITEM_LISTS,
            "labels": st.dictionaries(st.sampled_from("ab"), st.sampled_from("xy"), max_size=2),
        },
    ),
    ONE,
)
UNITS = st.one_of(SETTINGS, SETTINGS, SETTINGS, st.just({"disable": {}}), st.none())
POLICIES = st.lists(
    st.tuples(st.integers(0, 3), UNITS, st.sampled_from([False] * 4 + [True]), st.sampled_from([False, False, True])),
    max_size=6,
).map(lambda found: sorted(found, key=lambda each: each[0]))

SIBLINGS = {"local": "remote", "remote": "local"}
Path = tuple[str, ...]
Policies = Sequence[tuple[int, Raw | None, bool, bool]]


def last_words_first(policies: Policies) -> list[Raw]:
    """Return the values in the order in which they are asked for a leaf.

    First what is enforced, the least specific first; then all else, the most specific first, down to the level at
    which somebody replaces what is below. Of one level the last wins.
    """
    levels = sorted({level for level, *_ in policies})
    replacing = max((level for level, _, replaces, _ in policies if replaces), default=0)
    enforced = [
        value
        for level in levels
        for at, value, _, is_enforced in reversed(policies)
        if at == level and is_enforced and value is not None
    ]
    others = [
        value
        for level, value, _, is_enforced in reversed(policies)
        if level >= replacing and not is_enforced and value is not None
    ]
    return enforced + others


def decides(value: Raw, path: Path) -> tuple[bool, Any]:
    """Return whether a value has a word on a leaf, and which: None that there is none."""
    first, *rest = path
    if "disable" in value:
        return True, value["disable"] if path == ("disable",) else None
    if first == "disable":
        return bool(value), None
    if SIBLINGS.get(first) in value:
        return True, None
    if first == "whole":
        return first in value, value.get(first)
    if first == "items":
        found = {each["name"]: each for each in value.get(first, ())}
        return rest[0] in found, found.get(rest[0])
    inner: Any = value
    for name in path:
        if name not in inner:
            return False, None
        inner = inner[name]
    return True, inner


PATHS: tuple[Path, ...] = (
    ("disable",),
    ("number",),
    ("whole",),
    *((outer, inner) for outer in ("part", "local", "remote") for inner in ("size", "words")),
    *(("items", name) for name in "abc"),
    *(("labels", name) for name in "ab"),
)


def expected(policies: Policies) -> dict[Path, Any]:
    """Return the leaves that are effective."""
    values = last_words_first(policies)
    found = {
        path: next((word for each in values for said, word in [decides(each, path)] if said), None) for path in PATHS
    }
    return {path: word for path, word in found.items() if word is not None}


def leaves_of(value: Fields | None) -> dict[Path, Any]:
    """Return the leaves of a merged value."""
    raw: Raw = value.model_dump(mode="json", by_alias=True, exclude_none=True) if value is not None else {}
    return {path: word for path, word in _leaves(raw) if word is not None}


def _leaves(raw: Raw) -> Iterator[tuple[Path, Any]]:
    for path in PATHS:
        if path[0] == "items":
            items = {each["name"]: each for each in raw.get("items", ())}
            yield path, items.get(path[1])
        else:
            inner: Any = raw
            for name in path:
                inner = inner.get(name) if isinstance(inner, dict) else None
            yield path, inner


def contributions(policies: Policies) -> list[Contribution]:
    """Return policies with distinct names."""
    return [
        Contribution(
            level,
            Ref("TrafficPolicy", "shop", f"policy-{number}"),
            None if value is None else Unit.model_validate(value),
            replaces,
            enforced,
        )
        for number, (level, value, replaces, enforced) in enumerate(policies)
    ]


def info(name: str) -> FieldInfo:
    """Return a field of the spec."""
    return Spec.model_fields[name]


@given(POLICIES)
def test_merging_is_a_lookup_of_each_leaf(policies: Policies) -> None:
    """The merged value has the leaves that a lookup finds, and its origins name the policy with the last word."""
    made = merge(contributions(policies), info("unit"))
    assert leaves_of(made.value) == expected(policies)
    refs = {each.policy: (number, each) for number, each in enumerate(contributions(policies))}
    for leaf, origin in made.origins.items():
        _, said = refs[origin]
        assert said.value is not None
        assert said.enforced == (leaf in made.enforced)


@given(POLICIES)
def test_an_atomic_unit_is_that_of_one_policy(policies: Policies) -> None:
    """Of a unit that is atomic the policy with the last word gives all of it, an empty one too."""
    made = merge(contributions(policies), info("atomic"))
    first = next(iter(last_words_first(policies)), None)
    assert made.value == (None if first is None else Unit.model_validate(first))
    assert len(made.policies) == (first is not None)


def in_addition(policies: Policies) -> tuple[list[Raw], Raw | None]:
    """Return what is enforced in addition, and what counts beside it, of a unit that is atomic.

    Of each level the last that is enforced counts, down from the least specific, until one switches the unit off.
    """
    added: list[Raw] = []
    for level in sorted({level for level, *_ in policies}):
        enforced = [value for at, value, _, final in policies if at == level and final and value is not None]
        if enforced and "disable" in enforced[-1]:
            return added, enforced[-1]
        added += enforced[-1:]
    others = [(level, None if final else value, replaces, False) for level, value, replaces, final in policies]
    return added, next(iter(last_words_first(others)), None)


@given(POLICIES)
def test_what_is_enforced_in_addition_holds_whatever_is_more_specific(policies: Policies) -> None:
    """Each enforced value counts beside what is not enforced, and only an enforced one can switch that off."""
    made = merge_beside(contributions(policies), info("atomic"))
    added, other = in_addition(policies)
    assert [each.value for each in made.beside] == [Unit.model_validate(each) for each in added]
    assert made.value == (None if other is None else Unit.model_validate(other))
    refs = {each.policy: each for each in contributions(policies)}
    for each in made.beside:
        ((leaf, origin),) = each.origins.items()
        assert each.enforced == {leaf}
        assert refs[origin].enforced
        assert refs[origin].value == each.value
    assert set(made.policies) == {origin for each in made.parts for origin in each.origins.values()}


@given(POLICIES)
def test_items_keep_the_order_of_the_less_specific(policies: Policies) -> None:
    """An item that replaces another stands where that stood; new ones stand behind."""
    plain = [each for each in policies if not each[3]]
    made = merge(contributions(plain), info("unit")).value
    names = [each.name for each in made.items or ()] if isinstance(made, Unit) else []
    order: list[str] = []
    for _, value, _, _ in _effective_order(plain):
        if value is not None and "disable" in value:
            order = []
        order += [each["name"] for each in (value or {}).get("items", ()) if each["name"] not in order]
    assert names == order


def _effective_order(policies: Policies) -> Policies:
    replacing = max((level for level, _, replaces, _ in policies if replaces), default=0)
    return [each for each in policies if each[0] >= replacing]
