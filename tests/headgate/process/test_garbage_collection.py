"""When cycles of garbage are collected."""

from __future__ import annotations

import asyncio
import gc

import pytest

from headgate.process import memory
from headgate.process.memory import reading


async def test_no_cycles_are_collected_while_objects_are_read() -> None:
    """Collections are off during the start, and frozen objects are looked at by none afterwards."""
    with reading():
        assert not gc.isenabled()
        read: list[list[int]] = [[] for _ in range(1_000)]
    assert gc.isenabled()
    assert gc.get_freeze_count() > len(read)


async def test_a_start_without_an_end_does_not_go_on_without_collections(monkeypatch: pytest.MonkeyPatch) -> None:
    """If nothing can be served for long, cycles are collected nevertheless."""
    monkeypatch.setattr(memory, "MOST_READING_SECONDS", 0)
    with reading():
        await asyncio.sleep(0.001)
        assert gc.isenabled()
