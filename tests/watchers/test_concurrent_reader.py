"""Files that are read without blocking: what was read is never left lying."""

import asyncio
import math
from pathlib import Path

from tests.watchers.written import config_map, write
from watchers.concurrent_reader import ConcurrentReader
from watchers.reader import Reader


async def test_what_was_read_while_nobody_waited_is_collected(tmp_path: Path) -> None:
    """A file that is read between two waits ends the next one at once, and until then the reader is not idle."""
    files = ConcurrentReader(Reader([str(tmp_path)]), together=0.0, slow=math.inf)
    file = write(tmp_path / "a.yaml", config_map("a"))
    assert await files.look([str(tmp_path)]) == {}
    await files._pool.settle([str(file)], 30.0)
    assert not files.is_idle
    async with asyncio.timeout(10):
        await files.progress(math.inf)
    assert list(files.collect()) == [str(file)]
    assert files.is_idle
