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
    """Return a name for a test; there are integers that Python does not write in decimal."""
    return type(value).__name__


@given(anything)
def test_any_value_can_be_encoded(value: Any) -> None:
    """Whatever is in a value, its encoding is JSON in UTF-8, and what JSON can say is said as it is."""
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
def test_what_has_no_form_gets_one(value: Any, expected: Any) -> None:
    """Surrogates, integers of any size, keys that are no text and named tuples have a form of their own."""
    assert json.loads(to_json(value)) == expected


def test_depth_is_bounded() -> None:
    """Values within values are shown to a depth, and what is below is left out."""
    deep: Any = "\udcff"
    for _ in range(10 * MAX_DEPTH):
        deep = [deep]
    assert to_json(deep).decode().count("[") == MAX_DEPTH


def test_text_is_always_utf_8() -> None:
    """Names of files that are not UTF-8 are told with an escape."""
    assert to_text("a\udcffb é") == "a\\udcffb é".encode()
