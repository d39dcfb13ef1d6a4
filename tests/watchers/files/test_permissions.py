"""Files and folders that the system refuses: by permissions, for real, and for want of descriptors."""

# asyncio loads this when it first needs a thread; as NOBODY, Python's own files may be out of reach by then.
import concurrent.futures.thread  # noqa: F401
import os
import resource
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from tests.watchers.files.following import QUICK, following
from tests.watchers.files.written import config_map, write
from watchers.files.source import SourceError, read_files

NOBODY = 65534


@pytest.fixture
def folder() -> Iterator[Path]:
    """Yield a folder of a user to whom permissions apply, even where tests run as root."""
    root = os.geteuid() == 0
    path = Path(tempfile.mkdtemp())
    # What Python loads when it first needs it may be out of NOBODY's reach: a reading before loads it all.
    first = write(path / "first.yaml", config_map("first"))
    read_files([path])
    first.unlink()
    if root:
        os.chown(path, NOBODY, -1)
        os.seteuid(NOBODY)
    try:
        yield path
    finally:
        if root:
            os.seteuid(0)
        shutil.rmtree(path)


@contextmanager
def closed(path: Path) -> Iterator[None]:
    """Nobody may read a file or folder for a while."""
    mode = path.stat().st_mode
    path.chmod(0)
    try:
        yield
    finally:
        path.chmod(mode)


async def test_a_file_that_may_not_be_read_takes_nothing_away(folder: Path) -> None:
    """Its objects stay, it says so once, and once it may be read again it is."""
    file = write(folder / "a.yaml", config_map("a"))
    async with following(folder) as followed:
        with closed(file):
            await followed.until(lambda: bool(followed.wrong))
            assert followed.wrong == ["a.yaml: error: cannot be read: Permission denied; anything it gave before stays"]
            write(folder / "b.yaml", config_map("b"))
            await followed.serves(a="1", b="1")
        await followed.until(lambda: not followed.wrong)
        write(file, config_map("a", "2"))
        await followed.serves(a="2", b="1")
        assert followed.gone == set()


@pytest.mark.parametrize("where", ["", "sub", "sub/sub"])
async def test_a_folder_that_may_not_be_read_takes_nothing_away(folder: Path, where: str) -> None:
    """The objects of all files below it stay; once it may be read again, changes are seen."""
    file = write(folder / "root" / "sub" / "sub" / "a.yaml", config_map("a"))
    async with following(folder / "root") as followed:
        with closed(folder / "root" / where):
            await followed.until(lambda: bool(followed.wrong))
            assert len(followed.wrong) == 1
            assert "cannot be read: Permission denied" in followed.wrong[0]
        await followed.until(lambda: not followed.wrong)
        write(file, config_map("a", "2"))
        await followed.serves(a="2")
        write(file.parent / "new" / "b.yaml", config_map("b"))
        await followed.serves(a="2", b="1")
        assert followed.gone == set()


async def test_a_folder_that_could_not_be_read_at_first_is_followed_later(folder: Path) -> None:
    """A folder inside that may not be read is told and left out; when it may be, it is read and followed."""
    file = write(folder / "sub" / "a.yaml", config_map("a"))
    (folder / "sub").chmod(0)
    async with following(folder) as followed:
        assert followed.served == {}
        assert len(followed.wrong) == 1
        (folder / "sub").chmod(0o755)
        await followed.serves(a="1")
        write(file, config_map("a", "2"))
        await followed.serves(a="2")


def test_a_root_that_may_not_be_read_is_an_error_at_the_start(folder: Path) -> None:
    """What was asked for by name must be readable."""
    with closed(folder), pytest.raises(SourceError, match="cannot be read: Permission denied"):
        read_files([folder])


async def test_without_notifications_changes_are_seen_late(tmp_path: Path) -> None:
    """Where the system has no more inotify instances, that is a warning, and folders are looked at now and then."""
    write(tmp_path / "a.yaml", config_map("a"))
    limits = resource.getrlimit(resource.RLIMIT_NOFILE)
    free = os.dup(0)
    # One descriptor is left, which is enough to read files one after the other, but too few for notifications.
    resource.setrlimit(resource.RLIMIT_NOFILE, (free + 1, limits[1]))
    os.close(free)
    try:
        async with following(tmp_path, timing=replace(QUICK, unwatched=0.01)) as followed:
            assert followed.served == {"a": "1"}
            (warning,) = followed.source.diagnostics
            assert warning.severity == "warning"
            assert "changes are noticed late" in warning.message
            write(tmp_path / "sub" / "b.yaml", config_map("b"))
            await followed.serves(a="1", b="1")
            resource.setrlimit(resource.RLIMIT_NOFILE, limits)
            await followed.until(lambda: not followed.wrong)
            write(tmp_path / "sub" / "b.yaml", config_map("b", "2"))
            await followed.serves(a="1", b="2")
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, limits)
