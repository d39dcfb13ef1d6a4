"""Ranges of statuses as regular expressions of an override's match."""

from __future__ import annotations

import re

from hypothesis import given
from hypothesis import strategies as st

from translator.extensions.response_override import expression


@given(st.integers(200, 599), st.integers(200, 599))
def test_a_range_matches_its_statuses(one: int, other: int) -> None:
    """The expression of a range matches all of its statuses, and no others."""
    start, end = sorted((one, other))
    found = re.compile(expression(start, end))
    assert [each for each in range(100, 1000) if found.fullmatch(str(each))] == list(range(start, end + 1))
    assert len(found.pattern) < 300
