"""A folder is removed or restored at any moment of a look at its files."""

import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path

import pytest

from tests.watchers.files.written import config_map, write
from watchers.files.contents import ABSENT, FileContents
from watchers.files.reader import FileReader
from watchers.files.tree import _ATTEMPTS

CALLS = ("lstat", "stat", "listdir", "scandir", "readlink", "open")
FILES = ("a.yaml", "sub/b.yaml")

Action = Callable[[Path], None]


class Moments:
    """The system calls of a look, before some of which something happens.

    Args:
        monkeypatch: replaces the functions of `os`.
        base: what an action is given.
        actions: what happens, by the number of the call before which it does.
    """

    def __init__(self, monkeypatch: pytest.MonkeyPatch, base: Path, actions: dict[int, Action]) -> None:
        self._monkeypatch = monkeypatch
        self._base = base
        self._actions = actions
        self._calls = 0
        self._acting = False

    @contextmanager
    def counted(self) -> Iterator[None]:
        """Count the calls made in the block, except those of the actions."""
        with self._monkeypatch.context() as patch:
            for name in CALLS:
                patch.setattr(os, name, self._counting(getattr(os, name)))
            yield

    def _counting(self, call: Callable[..., object]) -> Callable[..., object]:
        def counting(*args: object, **kwargs: object) -> object:
            self._calls += not self._acting
            if not self._acting and (action := self._actions.pop(self._calls, None)) is not None:
                self._acting = True
                action(self._base)
                self._acting = False
            return call(*args, **kwargs)

        return counting

    @property
    def have_come(self) -> bool:
        """Return whether all actions were executed."""
        return not self._actions


def fill(folder: Path, value: str = "1") -> None:
    """Write the files."""
    for name in FILES:
        write(folder / name, config_map(Path(name).stem, value))


def plain(base: Path) -> None:
    """Create a root that is a folder."""
    fill(base / "parent" / "root")


def linked(base: Path) -> None:
    """Create a root that is a link to a folder."""
    fill(base / "target")
    (base / "parent").mkdir()
    (base / "parent" / "root").symlink_to("../target")


def volume(base: Path) -> None:
    """Create a root that is the volume of a ConfigMap: links behind a link `..data`."""
    root = base / "parent" / "root"
    fill(root / "..1")
    (root / "..data").symlink_to("..1")
    for name in ("a.yaml", "sub"):
        (root / name).symlink_to(f"..data/{name}")


def rename_root(base: Path) -> None:
    """Move the root away."""
    (base / "parent" / "root").rename(base / "parent" / "elsewhere")


def rename_parent(base: Path) -> None:
    """Move the parent folder of the root away."""
    (base / "parent").rename(base / "elsewhere")


def rename_target(base: Path) -> None:
    """Move the folder away that the root links to."""
    (base / "target").rename(base / "elsewhere")


def swap_target(base: Path) -> None:
    """Link the root to another folder, and remove the one before."""
    fill(base / "target2", "2")
    (base / "new").symlink_to("../target2")
    (base / "new").rename(base / "parent" / "root")
    shutil.rmtree(base / "target")


def unmount_root(base: Path) -> None:
    """Replace the root by an empty folder, as after an unmount."""
    rename_root(base)
    (base / "parent" / "root").mkdir()


def unmount_sub(base: Path) -> None:
    """Replace a folder in the root by an empty one."""
    (base / "parent" / "root" / "sub").rename(base / "elsewhere")
    (base / "parent" / "root" / "sub").mkdir()


def swap_data(base: Path) -> None:
    """Write a volume again, in the kubelet's order."""
    root = base / "parent" / "root"
    fill(root / "..2", "2")
    (root / "..data_tmp").symlink_to("..2")
    (root / "..data_tmp").rename(root / "..data")
    shutil.rmtree(root / "..1")


def come_back(base: Path) -> None:
    """Move back the folder that was moved away."""
    root = base / "parent" / "root"
    for elsewhere, place in (
        (base / "parent" / "elsewhere", root),
        (base / "elsewhere", base / "parent"),
    ):
        if elsewhere.exists():
            elsewhere.rename(place)


CASES = [
    (plain, rename_root),
    (plain, rename_parent),
    (plain, unmount_root),
    (plain, unmount_sub),
    (linked, rename_root),
    (linked, rename_parent),
    (linked, rename_target),
    (linked, swap_target),
    (volume, rename_root),
    (volume, unmount_root),
    (volume, swap_data),
]

LOOKS = ("parent/root/a.yaml", "parent/root/sub/b.yaml", "parent/root/sub", "parent/root")


def deleted(readings: dict[str, FileContents]) -> set[str]:
    """Return the names of the files that are reported as deleted."""
    return {os.path.basename(path) for path, reading in readings.items() if reading is ABSENT and path.endswith("yaml")}


def moments(base: Path) -> Iterator[tuple[int, Path]]:
    """Yield the number of each moment, and an empty folder for it."""
    for moment in count(1):
        folder = base / str(moment)
        folder.mkdir()
        yield moment, folder


def known(base: Path) -> FileReader:
    """Return a reader that has read all files."""
    reader = FileReader([str(base / "parent" / "root")])
    assert len(reader.look_everywhere()) == len(FILES)
    return reader


@pytest.mark.parametrize("look", LOOKS)
@pytest.mark.parametrize(("make", "go"), CASES)
def test_a_folder_removed_during_a_look_deletes_no_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, make: Action, go: Action, look: str
) -> None:
    """A folder is removed before any system call of a look: neither this look nor later ones report a deletion."""
    for moment, base in moments(tmp_path):
        make(base)
        reader = known(base)
        timeline = Moments(monkeypatch, base, {moment: go})
        with timeline.counted():
            assert deleted(reader.look([str(base / look)])) == set(), moment
        if not timeline.have_come:
            assert moment > 3
            return
        assert deleted(reader.look([str(base / "parent" / "root" / "a.yaml")])) == set(), moment
        assert deleted(reader.look_everywhere()) == set(), moment


@pytest.mark.parametrize("look", LOOKS)
@pytest.mark.parametrize("go", [rename_root, rename_parent])
def test_a_folder_removed_and_restored_during_a_look_deletes_no_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, go: Action, look: str
) -> None:
    """A folder that is missing from any system call of a look to any later one loses nothing."""
    for first, folder in moments(tmp_path):
        for length, base in moments(folder):
            plain(base)
            reader = known(base)
            timeline = Moments(monkeypatch, base, {first: go, first + length: come_back})
            with timeline.counted():
                assert deleted(reader.look([str(base / look)])) == set(), (first, length)
            if not timeline.have_come:
                break
        if length == 1:
            return


@pytest.mark.parametrize("look", LOOKS)
@pytest.mark.parametrize("make", [plain, linked, volume])
def test_a_file_deleted_during_a_look_is_reported(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, make: Action, look: str
) -> None:
    """Before any system call of a look at which a file is deleted, this look or that at the file reports it, once."""
    for moment, base in moments(tmp_path):
        make(base)
        reader = known(base)
        file = base / "parent" / "root" / "a.yaml"
        timeline = Moments(monkeypatch, base, {moment: lambda base: (base / "parent" / "root" / "a.yaml").unlink()})
        with timeline.counted():
            first = deleted(reader.look([str(base / look)]))
        if not timeline.have_come:
            assert moment > 3
            return
        told = [*first, *deleted(reader.look([str(file)]))]
        assert told == ["a.yaml"], moment
        assert deleted(reader.look_everywhere()) == set()


def test_a_look_at_folders_that_change_continuously_changes_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A look during which one folder after another replaces the root ends, and the next one finds the current files."""
    plain(tmp_path)
    reader = known(tmp_path)
    root = tmp_path / "parent" / "root"
    names = count()
    listdir = os.listdir

    def replacing(path: str) -> list[str]:
        root.rename(tmp_path / str(next(names)))
        root.mkdir()
        return listdir(path)

    with monkeypatch.context() as patch:
        patch.setattr(os, "listdir", replacing)
        assert reader.look([str(root)]) == {}
    assert next(names) == _ATTEMPTS
    assert reader.tree.unreadable == {}
    root.rmdir()
    (tmp_path / "0").rename(root)
    (root / "a.yaml").unlink()
    assert deleted(reader.look_everywhere()) == {"a.yaml"}
