"""A kind has synced when all its parts have."""

from __future__ import annotations

from translator.sync_tracker import SyncTracker


def test_a_kind_that_no_source_lists_has_synced() -> None:
    """Nothing is waited for that nobody says is outstanding."""
    assert SyncTracker().has_synced("Gateway")


def test_all_parts_are_needed() -> None:
    """A kind that is listed by namespace has synced with the last of them, and has not once one is lost again."""
    tracker = SyncTracker()
    assert not tracker.set("Gateway", "a", synced=False)
    assert not tracker.set("Gateway", "b", synced=False)
    assert not tracker.set("Gateway", "a", synced=True)
    assert not tracker.has_synced("Gateway")
    assert tracker.set("Gateway", "b", synced=True)
    assert tracker.has_synced("Gateway")
    assert not tracker.set("Gateway", "b", synced=False)


def test_kinds_are_apart() -> None:
    """A kind that has not synced says nothing of another."""
    tracker = SyncTracker()
    tracker.set("Gateway", "", synced=False)
    assert tracker.has_synced("Service")


def test_a_part_may_be_told_twice() -> None:
    """A part that is reported again, with another reason, is outstanding once."""
    tracker = SyncTracker()
    tracker.set("Gateway", "", synced=False)
    tracker.set("Gateway", "", synced=False)
    assert tracker.set("Gateway", "", synced=True)
