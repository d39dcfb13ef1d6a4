"""A map tells what changed in it, once."""

from __future__ import annotations

import pytest

from translator.tracked import TrackedMap


@pytest.fixture
def tracked() -> TrackedMap[str, int]:
    """Make a map of one value, whose change was taken."""
    made: TrackedMap[str, int] = TrackedMap()
    made.set("a", 1)
    assert made.take_changes() == {"a": 1}
    return made


def test_what_is_equal_is_no_change(tracked: TrackedMap[str, int]) -> None:
    """A value set to what it was, and the removal of one that is not there, are no changes."""
    tracked.set("a", 1)
    tracked.set("b", None)
    assert tracked.take_changes() == {}


def test_each_change_is_given_once(tracked: TrackedMap[str, int]) -> None:
    """New, changed and removed values are given with the next call, and not again."""
    tracked.set("b", 2)
    tracked.set("a", None)
    assert tracked.take_changes() == {"a": None, "b": 2}
    assert tracked.take_changes() == {}


def test_a_change_that_was_undone_is_given(tracked: TrackedMap[str, int]) -> None:
    """A value that was changed and changed back is given as it is."""
    tracked.set("a", 2)
    tracked.set("a", 1)
    assert tracked.take_changes() == {"a": 1}


def test_the_view_follows(tracked: TrackedMap[str, int]) -> None:
    """A view taken before a change shows it."""
    view = tracked.view
    tracked.set("b", 2)
    tracked.set("a", None)
    assert view == {"b": 2}
