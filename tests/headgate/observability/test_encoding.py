"""Encoding of any value as JSON and as text."""

from __future__ import annotations

import contextlib
import json
from dataclasses import dataclass
from typing import Any, NamedTuple

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from headgate.observability.encoding import MAX_DEPTH, to_json, to_text

anything: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters(exclude_categories=())),
    lambda inner: (
        st.lists(inner) | st.dictionaries(st.text(st.characters(exclude_categories=())) | st.integers(), inner)
    ),
    max_leaves=20,
)


class Pair(NamedTuple):
    """A named tuple."""

    left: object
    right: object


@dataclass(frozen=True, slots=True)
class Box:
    """A dataclass."""

    value: object


def repr_of(value: object) -> str:
    """Return a name for a test; Python does not write some integers in decimal."""
    return type(value).__name__


@given(anything)
def test_any_value_can_be_encoded(value: Any) -> None:
    """The encoding of any value is JSON in UTF-8, and JSON values are unchanged."""
    raw = to_json(value)
    read = json.loads(raw.decode("utf-8"))
    with contextlib.suppress(TypeError):
        assert read == json.loads(orjson.dumps(value))


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("\udcff", r"\udcff"),
        (2**64, hex(2**64)),
        (10**5000, hex(10**5000)),
        (Pair(1, "\udcff"), {"left": 1, "right": r"\udcff"}),
        (Pair(1, 2), {"left": 1, "right": 2}),
        (Box(Box(2**70)), {"value": {"value": hex(2**70)}}),
        ({1: "\ud800"}, {"1": r"\ud800"}),
        (frozenset({2**70}), [hex(2**70)]),
    ],
    ids=repr_of,
)
def test_values_without_a_json_form(value: Any, expected: Any) -> None:
    """Surrogates, integers of any size, keys that are not text, and named tuples are encoded."""
    assert json.loads(to_json(value)) == expected


def test_depth_is_bounded() -> None:
    """Nested values are encoded to a depth, and deeper ones are left out."""
    deep: Any = "\udcff"
    for _ in range(10 * MAX_DEPTH):
        deep = [deep]
    assert to_json(deep).decode().count("[") == MAX_DEPTH


def test_text_is_always_utf_8() -> None:
    """File names that are not UTF-8 are escaped."""
    assert to_text("a\udcffb é") == "a\\udcffb é".encode()
