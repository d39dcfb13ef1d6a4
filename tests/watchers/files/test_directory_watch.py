"""Watches of directories, with the real events of a file system."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from watchers.files import inotify
from watchers.files.directory_watch import DirectoryWatch, new_directory_watch
from watchers.files.inotify import LATEST, QUIET, ChangedEntries, InotifyWatch
from watchers.files.portable_watch import PortableWatch

PATIENCE = 10.0
"""Timeout of waits, in seconds."""

WATCHES = pytest.mark.parametrize("new", [InotifyWatch, PortableWatch])


async def changed(watch: DirectoryWatch, *expected: Path) -> None:
    """Wait for these entries, and no others."""
    found = set[str]()
    while not found >= set(map(str, expected)):
        entries = await watch.changes(PATIENCE)
        assert entries is not None, f"no more than {found}"
        found |= entries
    assert found == set(map(str, expected))


@WATCHES
async def test_all_changes_of_entries_are_seen(tmp_path: Path, new: Callable[[], DirectoryWatch]) -> None:
    """Files that are written, linked, renamed and removed are, and so are folders; what is in these is not."""
    watch, folder, file = new(), tmp_path / "d", tmp_path / "f"
    await watch.follow(frozenset({str(tmp_path)}))
    file.write_text("1")
    await changed(watch, file)
    file.write_text("2")
    await changed(watch, file)
    (tmp_path / "link").symlink_to("f")
    await changed(watch, tmp_path / "link")
    os.link(file, tmp_path / "hard")
    await changed(watch, tmp_path / "hard")
    file.rename(tmp_path / "g")
    await changed(watch, file, tmp_path / "g")
    (tmp_path / "g").unlink()
    await changed(watch, tmp_path / "g")
    folder.mkdir()
    (folder / "f").touch()
    await changed(watch, folder)
    await watch.stop()


@WATCHES
async def test_the_directories_can_be_replaced(tmp_path: Path, new: Callable[[], DirectoryWatch]) -> None:
    """After that, only the new directories are watched; those that do not exist are left out."""
    watch = new()
    for name in "ab":
        (tmp_path / name).mkdir()
    await watch.follow(frozenset({str(tmp_path / "a")}))
    await watch.follow(frozenset({str(tmp_path / "b"), str(tmp_path / "missing")}))
    assert (watch.failure, len(watch.followed)) == (None, 2)
    for name in "ab":
        (tmp_path / name / "f").touch()
    await changed(watch, tmp_path / "b" / "f")
    await watch.stop()


@WATCHES
async def test_a_replaced_directory_is_to_be_followed_again(tmp_path: Path, new: Callable[[], DirectoryWatch]) -> None:
    """A directory with the name of one that is watched is another one, which is watched only from the next time on."""
    watch, folder = new(), tmp_path / "d"
    folder.mkdir()
    await watch.follow(frozenset({str(tmp_path), str(folder)}))
    folder.rename(tmp_path / "e")
    folder.mkdir()
    while watch.followed:
        assert await watch.changes(PATIENCE)
    await watch.follow(frozenset({str(folder)}))
    (folder / "f").touch()
    (tmp_path / "e" / "f").touch()
    await changed(watch, folder / "f")
    await watch.stop()


async def test_names_may_have_any_bytes(tmp_path: Path) -> None:
    """A name that is not UTF-8 has the form that Python gives it elsewhere."""
    watch, file = new_directory_watch(), tmp_path / os.fsdecode(b"\xff.yaml")
    await watch.follow(frozenset({str(tmp_path)}))
    file.touch()
    await changed(watch, file)
    await watch.stop()


async def test_lost_events_have_everything_looked_at(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """When the kernel's queue is full, the directories are to be followed again."""
    watch = InotifyWatch()
    await watch.follow(frozenset({str(tmp_path)}))
    lost = inotify.Event(-1, 0x4000, "")
    monkeypatch.setattr(inotify, "read_events", lambda _: [lost])
    (tmp_path / "f").touch()
    assert (await watch.changes(PATIENCE), watch.followed) == (frozenset(), frozenset())
    await watch.stop()


async def test_nothing_changes_for_a_while(tmp_path: Path) -> None:
    """A wait without a change ends, and so does one of a watch that failed."""
    watch = InotifyWatch()
    await watch.follow(frozenset({str(tmp_path)}))
    assert await watch.changes(0.001) is None
    await watch.stop()


def test_files_saved_together_are_returned_together() -> None:
    """Complete changes wait for a moment without further ones, but no longer than for the limit."""
    changes = ChangedEntries()
    changes.add("a", 1.0, complete=True)
    assert changes.due == 1.0 + QUIET
    changes.add("b", 1.0 + QUIET / 2, complete=True)
    assert changes.take(1.0 + QUIET) == frozenset()
    assert changes.take(changes.due) == {"a", "b"}
    for number in range(20):
        changes.add("a", 2.0 + number * LATEST / 10, complete=True)
    assert changes.due == 2.0 + LATEST


def test_a_file_that_is_written_is_returned_once_it_is_closed() -> None:
    """Others do not wait for it; if it is not closed, it is returned at the limit, and again at the next one."""
    changes = ChangedEntries()
    changes.add("a", 1.0, complete=False)
    changes.add("b", 1.0, complete=True)
    assert changes.take(1.0 + QUIET) == {"b"}
    changes.add("a", 1.0 + QUIET, complete=True)
    assert changes.take(1.0 + 2 * QUIET) == {"a"}
    changes.add("a", 2.0, complete=False)
    changes.add("a", 2.0 + QUIET, complete=False)
    assert changes.due == 2.0 + LATEST
    assert changes.take(2.0 + LATEST) == {"a"}
    assert changes.take(3.0) == frozenset()
