"""Concurrent reads that do not block: every result is collected."""

import asyncio
import math
from pathlib import Path

from tests.watchers.files.written import config_map, write
from watchers.files.concurrent_reader import ConcurrentReader
from watchers.files.read_pool import MAX_THREADS
from watchers.files.reader import FileReader


async def test_a_result_between_two_waits_is_collected(tmp_path: Path) -> None:
    """A file read between two waits ends the next one at once; until then the reader is not idle."""
    files = ConcurrentReader(FileReader([str(tmp_path)]), together=0.0, slow=math.inf)
    file = write(tmp_path / "a.yaml", config_map("a"))
    assert await files.look([str(tmp_path)]) == {}
    await files._pool.wait([str(file)], 30.0)
    assert not files.is_idle
    async with asyncio.timeout(10):
        await files.progress(math.inf)
    assert list(files.collect()) == [str(file)]
    assert files.is_idle


async def test_results_of_many_files_are_collected_together(tmp_path: Path) -> None:
    """While many files are being read, single results are not collected."""
    files = ConcurrentReader(FileReader([str(tmp_path)]), together=0.0, slow=math.inf)
    paths = {str(write(tmp_path / f"{number}.yaml", config_map(f"n{number}"))) for number in range(50)}
    collected = await files.look([str(tmp_path)])
    files._together = 30.0
    await files.progress(30.0)
    assert (collected | files.collect()).keys() == paths
    assert files.is_idle


async def test_a_known_file_is_read_before_most_new_ones(tmp_path: Path) -> None:
    """A changed file that was read before is read before most files of a new folder."""
    reader = FileReader([str(tmp_path)])
    files = ConcurrentReader(reader, together=30.0, slow=math.inf)
    file = write(tmp_path / "z.yaml", config_map("z"))
    await files.look([str(tmp_path)])
    new = [write(tmp_path / "d" / f"{number}.yaml", config_map(f"n{number}")) for number in range(200)]
    write(file, config_map("z", "2"))
    readings = await files.look([str(file), str(tmp_path / "d")])
    assert len(readings) == len(new) + 1
    assert list(readings).index(str(file)) <= MAX_THREADS
