"""Strategic merging of plain data."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from translator.strategic_merge import TooDeep, merge, without_nulls

NAMES = st.sampled_from("abc")
PLAIN = st.recursive(
    st.none() | st.booleans() | st.integers(0, 3) | NAMES,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES | st.just("name"), inner, max_size=3),
    max_leaves=12,
)


@given(PLAIN)
def test_over_itself(value: Any) -> None:
    """Anything laid over itself, or over nothing, is itself; nothing laid over an object changes it."""
    assert merge(value, value) == value
    assert merge(None, value) == value
    if isinstance(value, dict):
        assert merge(value, {}) == value


@given(PLAIN, PLAIN)
def test_again(base: Any, over: Any) -> None:
    """What is laid over twice is as what is laid over once."""
    once = merge(base, over)
    assert merge(once, over) == once


@given(PLAIN)
def test_no_nulls_are_left(value: Any) -> None:
    """Nulls drop fields at every level; items of lists stay."""

    def fields(found: Any) -> list[Any]:
        if isinstance(found, dict):
            return [*found.values(), *(each for value in found.values() for each in fields(value))]
        return [each for item in found for each in fields(item)] if isinstance(found, list) else []

    assert None not in fields(without_nulls(value))


def leaves(value: Any, path: tuple[str, ...] = ()) -> dict[tuple[str, ...], Any]:
    """Return what is neither an object nor within a list, by the fields that lead to it."""
    if not isinstance(value, dict):
        return {} if isinstance(value, list) else {path: value}
    return {place: leaf for name, each in value.items() for place, leaf in leaves(each, (*path, name)).items()}


@given(PLAIN, PLAIN)
def test_what_is_laid_over_wins_and_the_rest_stays(base: Any, over: Any) -> None:
    """Every leaf of what is laid over is in the result; every other leaf that is there comes from below."""
    merged, above, below = (leaves(each) for each in (merge(base, over), over, base))
    assert above.items() <= merged.items()
    assert all(below[path] == leaf for path, leaf in merged.items() if path not in above)


ITEMS = st.dictionaries(NAMES, st.dictionaries(NAMES, PLAIN, max_size=2), max_size=3).map(
    lambda items: [{"name": name, **fields} for name, fields in items.items()]
)


@given(ITEMS, ITEMS)
def test_lists_by_name_are_as_objects(base: list[Any], over: list[Any]) -> None:
    """Lists whose items have names are merged as objects by those names would be; the order is that of the first."""

    def by_name(items: list[Any]) -> dict[str, Any]:
        return {each["name"]: each for each in items}

    merged = merge(base, over)
    assert by_name(merged) == merge(by_name(base), by_name(over))
    assert [each["name"] for each in merged][: len(base)] == [each["name"] for each in base]


def test_lists_by_name() -> None:
    """Items with names are merged, new ones come at the end; lists of others are replaced."""
    base = {"items": [{"name": "a", "x": 1}, {"name": "b"}], "args": ["1"]}
    over = {"items": [{"name": "c"}, {"name": "a", "y": 2}], "args": ["2"]}
    assert merge(base, over) == {"items": [{"name": "a", "x": 1, "y": 2}, {"name": "b"}, {"name": "c"}], "args": ["2"]}


def test_mounts_of_one_volume() -> None:
    """They are told apart by where they are mounted, not by the volume's name."""
    base = [{"name": "v", "mountPath": "/a"}]
    assert merge(base, [{"name": "v", "mountPath": "/b"}]) == [*base, {"name": "v", "mountPath": "/b"}]


def test_items_of_the_same_name_are_not_merged() -> None:
    """Where names do not tell items apart, the list is replaced."""
    assert merge([{"name": "a"}, {"name": "a"}], [{"name": "a", "x": 1}]) == [{"name": "a", "x": 1}]


def test_depth_is_bounded() -> None:
    """What is too deep is refused before the stack ends."""
    deep: Any = {}
    for _ in range(500):
        deep = {"a": deep}
    with pytest.raises(TooDeep):
        merge(deep, deep)
    with pytest.raises(TooDeep):
        without_nulls(deep)
