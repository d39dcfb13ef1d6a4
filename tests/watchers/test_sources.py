"""`SourceMux` merges sources into one stream of batches."""

import asyncio
from collections.abc import AsyncGenerator

import pytest

from tests.watchers.files.written import config_map, ref, value
from translator.inputs import Edit
from translator.refs import Ref
from watchers.files.contents import read
from watchers.sources import Batch, SourceMux


def edit(name: str, text: str | None) -> Edit:
    """Return an edit of a ConfigMap; None takes it away."""
    if text is None:
        return Edit(ref(name), None)
    return Edit(ref(name), read(config_map(name, text).encode(), "f.yaml").definitions[ref(name)].object)


class Scripted:
    """A source that tells what a test puts into it, until None."""

    def __init__(self) -> None:
        self.script: asyncio.Queue[Batch | Exception | None] = asyncio.Queue()
        self.closed = False
        self._asked = asyncio.Event()

    def tell(self, *edits: Edit, synced: bool = False) -> None:
        """Put in one batch."""
        self.script.put_nowait(Batch(edits, synced))
        self._asked.clear()

    async def taken(self) -> None:
        """Wait until the feed has taken in all that was put in, which it says by asking for more."""
        await self._asked.wait()

    async def batches(self) -> AsyncGenerator[Batch, None]:
        """As a source does."""
        try:
            while (batch := await self._next()) is not None:
                if isinstance(batch, Exception):
                    raise batch
                yield batch
        finally:
            self.closed = True

    async def _next(self) -> Batch | Exception | None:
        if self.script.empty():
            self._asked.set()
        return await self.script.get()


def said(batch: tuple[Edit, ...]) -> dict[str, str | None]:
    """Return what a batch says, by name."""
    return {each.ref.name: value(each.object) for each in batch}


async def test_nothing_is_handed_out_before_all_sources_are_synced() -> None:
    """The first batch is all that all sources know, in one."""
    one, two = Scripted(), Scripted()
    feed = SourceMux([one, two])
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(feed.run())
        first = tasks.create_task(anext(feed))
        one.tell(edit("a", "1"), synced=True)
        two.tell(edit("b", "1"))
        one.tell(edit("a", "2"))
        await one.taken()
        await two.taken()
        assert (first.done(), feed.synced) == (False, False)
        two.tell(edit("c", "1"), synced=True)
        assert said(await first) == {"a": "2", "b": "1", "c": "1"}
        assert feed.synced
        one.script.put_nowait(None)
        two.script.put_nowait(None)


async def test_a_source_that_says_twice_that_it_is_synced_counts_once() -> None:
    """The others are waited for all the same."""
    one, two = Scripted(), Scripted()
    feed = SourceMux([one, two])
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(feed.run())
        first = tasks.create_task(anext(feed))
        one.tell(edit("a", "1"), synced=True)
        one.tell(edit("a", "2"), synced=True)
        await one.taken()
        assert (first.done(), feed.synced) == (False, False)
        two.tell(edit("b", "1"), synced=True)
        assert said(await first) == {"a": "2", "b": "1"}
        one.script.put_nowait(None)
        two.script.put_nowait(None)


async def test_the_first_batch_may_be_empty() -> None:
    """Sources that know nothing are synced too, and the feed says so once."""
    one = Scripted()
    feed = SourceMux([one])
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(feed.run())
        one.tell(synced=True)
        assert await anext(feed) == ()
        one.tell()
        one.tell(edit("a", "1"))
        assert said(await anext(feed)) == {"a": "1"}
        one.script.put_nowait(None)


async def test_what_waits_is_coalesced() -> None:
    """While nobody asks, any number of edits of an object take the room of one, and the last one counts."""
    one = Scripted()
    feed = SourceMux([one])
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(feed.run())
        one.tell(synced=True)
        await anext(feed)
        for number in range(100):
            one.tell(edit("a", str(number)), edit("b", str(number)))
        one.tell(edit("b", None))
        await one.taken()
        assert said(await anext(feed)) == {"a": "99", "b": None}
        one.script.put_nowait(None)


async def test_a_feed_ends_with_its_sources() -> None:
    """What is left is handed out when all sources have ended, and then the iteration ends."""
    one = Scripted()
    one.tell(edit("a", "1"), synced=True)
    one.script.put_nowait(None)
    feed = SourceMux([one])
    await feed.run()
    assert [said(batch) async for batch in feed] == [{"a": "1"}]


async def test_without_sources_there_is_one_empty_batch() -> None:
    """Nothing is all that no sources know."""
    feed = SourceMux([])
    await feed.run()
    assert [batch async for batch in feed] == [()]


async def test_a_source_that_fails_fails_the_feed() -> None:
    """An error of one source ends all of them and comes out of `run`."""
    one, two = Scripted(), Scripted()
    feed = SourceMux([one, two])
    one.script.put_nowait(RuntimeError("gone"))
    with pytest.RaisesGroup(pytest.RaisesExc(RuntimeError, match="gone")):
        await feed.run()
    assert (one.closed, two.closed) == (True, True)


async def test_a_namespace_that_is_not_synced_waits() -> None:
    """Its edits are handed out together once it is synced; those of others are not held up."""
    one = Scripted()
    unsynced = {ref("a").namespace}
    feed = SourceMux([one], unsynced)
    elsewhere = Edit(Ref("ConfigMap", "elsewhere", "b"), None)
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(feed.run())
        one.tell(edit("a", "1"), elsewhere, synced=True)
        assert await anext(feed) == (elsewhere,)
        one.tell(edit("c", "1"))
        await one.taken()
        waiting = tasks.create_task(anext(feed))
        one.tell(edit("a", "2"))
        await one.taken()
        assert not waiting.done()
        unsynced.clear()
        one.tell()
        assert said(await waiting) == {"a": "2", "c": "1"}
        one.script.put_nowait(None)
