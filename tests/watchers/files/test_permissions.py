"""Files and folders that the system refuses to read: by real permissions, and without descriptors."""

# asyncio imports this with its first thread, when NOBODY may not be able to read Python's own files.
import concurrent.futures.thread  # noqa: F401
import errno
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from tests.watchers.files.following import QUICK, following
from tests.watchers.files.written import config_map, write
from watchers.files import inotify
from watchers.files.source import SourceError, read_files

NOBODY = 65534


@pytest.fixture
def folder() -> Iterator[Path]:
    """Return a folder of a user to whom permissions apply, even if tests run as root."""
    root = os.geteuid() == 0
    path = Path(tempfile.mkdtemp())
    # NOBODY may not be able to read modules that Python imports later: read a file before to import them all.
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
    """Make a file or folder unreadable for a while."""
    mode = path.stat().st_mode
    path.chmod(0)
    try:
        yield
    finally:
        path.chmod(mode)


async def test_an_unreadable_file_keeps_its_objects(folder: Path) -> None:
    """Its objects stay, it has one diagnostic, and it is read once it is readable again."""
    file = write(folder / "a.yaml", config_map("a"))
    async with following(folder) as followed:
        with closed(file):
            await followed.until(lambda: bool(followed.diagnostics))
            assert followed.diagnostics == [
                "a.yaml: error: cannot be read: Permission denied; anything it gave before stays"
            ]
            write(folder / "b.yaml", config_map("b"))
            await followed.serves(a="1", b="1")
        await followed.until(lambda: not followed.diagnostics)
        write(file, config_map("a", "2"))
        await followed.serves(a="2", b="1")
        assert followed.removed == set()


@pytest.mark.parametrize("where", ["", "sub", "sub/sub"])
async def test_an_unreadable_folder_keeps_its_objects(folder: Path, where: str) -> None:
    """The objects of all files below it stay; once it is readable again, changes are noticed."""
    file = write(folder / "root" / "sub" / "sub" / "a.yaml", config_map("a"))
    async with following(folder / "root") as followed:
        with closed(folder / "root" / where):
            await followed.until(lambda: bool(followed.diagnostics))
            assert len(followed.diagnostics) == 1
            assert "cannot be read: Permission denied" in followed.diagnostics[0]
        await followed.until(lambda: not followed.diagnostics)
        write(file, config_map("a", "2"))
        await followed.serves(a="2")
        write(file.parent / "new" / "b.yaml", config_map("b"))
        await followed.serves(a="2", b="1")
        assert followed.removed == set()


async def test_a_folder_unreadable_at_first_is_followed_later(folder: Path) -> None:
    """An unreadable subfolder has a diagnostic and is left out; once it is readable, it is read and watched."""
    file = write(folder / "sub" / "a.yaml", config_map("a"))
    (folder / "sub").chmod(0)
    async with following(folder) as followed:
        assert followed.served == {}
        assert len(followed.diagnostics) == 1
        (folder / "sub").chmod(0o755)
        await followed.serves(a="1")
        write(file, config_map("a", "2"))
        await followed.serves(a="2")


def test_an_unreadable_root_is_an_error_at_the_start(folder: Path) -> None:
    """A given path must be readable."""
    with closed(folder), pytest.raises(SourceError, match="cannot be read: Permission denied"):
        read_files([folder])


async def test_without_inotify_changes_are_noticed_late(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without inotify instances there is a warning, and folders are polled, until there are some again."""
    write(tmp_path / "a.yaml", config_map("a"))
    call = inotify.call
    refused = {"inotify_init1": errno.EMFILE, "inotify_add_watch": errno.ENOSPC}

    def limited(name: str, *arguments: int | bytes) -> int:
        if name in refused:
            raise OSError(refused[name], name)
        return call(name, *arguments)

    monkeypatch.setattr(inotify, "call", limited)
    async with following(tmp_path, timing=replace(QUICK, unwatched=0.01)) as followed:
        assert followed.served == {"a": "1"}
        (warning,) = followed.source.diagnostics
        assert warning.severity == "warning"
        assert "changes are noticed late, because the system cannot tell of them: Too many open" in warning.message
        write(tmp_path / "sub" / "b.yaml", config_map("b"))
        await followed.serves(a="1", b="1")
        del refused["inotify_init1"]
        await followed.until(lambda: any("there are too many watches" in each for each in followed.diagnostics))
        refused.clear()
        await followed.until(lambda: not followed.diagnostics)
        write(tmp_path / "sub" / "b.yaml", config_map("b", "2"))
        await followed.serves(a="1", b="2")
