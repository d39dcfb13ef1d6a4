"""A look at the paths that an entry affects finds the same as a first look at everything."""

import os
import shutil
import tempfile
from collections.abc import Callable
from itertools import count
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.watchers.files.written import config_map, write
from watchers.files.contents import ABSENT
from watchers.files.reader import FileReader
from watchers.files.source import read_files
from watchers.files.store import FileStore
from watchers.files.symlinks import look_up

FOLDERS = ("root", "root/d", "root/d/e", "root/..data", "out", "out/d")
PLACES = (*FOLDERS[1:], *(f"{folder}/{name}" for folder in FOLDERS for name in ("a.yaml", "b.yaml")))

places = st.sampled_from(PLACES)
steps = st.one_of(
    st.tuples(st.just("write"), places, st.none()),
    st.tuples(st.just("remove"), places, st.none()),
    st.tuples(st.just("mkdir"), places, st.none()),
    st.tuples(st.just("rename"), places, places),
    st.tuples(st.just("link"), places, st.sampled_from((*FOLDERS, *PLACES))),
)


class Disk:
    """A small file system, with the inotify events of its changes."""

    def __init__(self, base: Path) -> None:
        self.base = base
        self._numbers = count()
        (base / "root").mkdir()
        (base / "out").mkdir()

    def do(self, verb: str, place: str, other: str | None) -> set[str]:
        """Do one action, if possible, and return the changed entries of real directories."""
        act: Callable[[Path, Path], None] = getattr(self, f"_{verb}")
        path, second = self.base / place, self.base / (other or place)
        ends = [path, second] if verb == "rename" else [path]
        parents = [os.path.realpath(end.parent) for end in ends]
        written = os.path.realpath(path)
        try:
            act(path, second)
        except OSError:
            return set()
        return {os.path.join(parent, end.name) for parent, end in zip(parents, ends, strict=True)} | {written}

    def _write(self, path: Path, _: Path) -> None:
        number = next(self._numbers)
        path.write_text(config_map(f"n{number}"))

    def _remove(self, path: Path, _: Path) -> None:
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        else:
            path.unlink()

    def _mkdir(self, path: Path, _: Path) -> None:
        path.mkdir()

    def _rename(self, path: Path, to: Path) -> None:
        path.rename(to)

    def _link(self, path: Path, to: Path) -> None:
        path.symlink_to(os.path.relpath(to, path.parent))


@given(st.lists(steps, max_size=12))
def test_following_entries_equals_a_first_look(history: list[tuple[str, str, str | None]]) -> None:
    """After any writes, links, renames and removals, looking at the affected paths is enough."""
    with tempfile.TemporaryDirectory() as base:
        disk = Disk(Path(os.path.realpath(base)))
        reader, folder = FileReader([f"{disk.base}/root"]), FileStore()
        folder.apply(reader.look_everywhere())
        for step in history:
            entries = disk.do(*step)
            watched = reader.tree.directories
            paths = {
                path for entry in entries if os.path.dirname(entry) in watched for path in reader.tree.affected(entry)
            }
            folder.apply(reader.look(paths))
            assert folder.objects == read_files([f"{disk.base}/root"]).objects


def test_a_lookup_returns_every_entry_it_reads(tmp_path: Path) -> None:
    """The entries are those of the path's parts and of the parts of each link on the way, without links in them."""
    base = os.path.realpath(tmp_path)
    (tmp_path / "data").mkdir()
    write(tmp_path / "data" / "file", "")
    (tmp_path / "link").symlink_to("./data")
    (tmp_path / "name").symlink_to(f"{base}/link/../link/file")
    lookup = look_up("name", base)
    assert lookup.real == f"{base}/data/file"
    assert {entry.removeprefix(base) for entry in lookup.entries if entry.startswith(base + "/")} == {
        "/name",
        "/link",
        "/data",
        "/data/file",
    }


@pytest.mark.parametrize("sub", ["", "sub"])
def test_a_file_removed_with_its_root_is_not_deleted(tmp_path: Path, sub: str) -> None:
    """In any order of events, a file is kept while its root is missing."""
    root = tmp_path / "root"
    file = write(root / sub / "a.yaml", config_map("a"))
    reader = FileReader([str(root)])
    reader.look_everywhere()
    root.rename(tmp_path / "elsewhere")
    assert list(reader.look([str(file)])) == [str(root)]
    assert reader.look([str(root), str(file)]) == {}
    (tmp_path / "elsewhere").rename(root)
    write(file, config_map("a", "2"))
    assert reader.look([str(file)])[str(file)].definitions
    file.unlink()
    assert reader.look([str(file)]) == {str(file): ABSENT}


def test_a_file_deleted_before_its_read_has_no_contents(tmp_path: Path) -> None:
    """Only the next look at the folder finds out whether a found file that is missing was deleted."""
    file = write(tmp_path / "root" / "a.yaml", config_map("a"))
    reader = FileReader([str(tmp_path / "root")])
    reader.look_everywhere()
    work = reader.work(str(file))
    (tmp_path / "root").rename(tmp_path / "elsewhere")
    assert reader.learn(str(file), work(lambda: None)) is None


def test_unchanged_files_are_not_parsed_again(tmp_path: Path) -> None:
    """A file that is touched, or written with the same content, has no new contents; a changed one does."""
    files = [write(tmp_path / f"{name}.yaml", config_map(name)) for name in "abc"]
    reader = FileReader([str(tmp_path)])
    assert len(reader.look_everywhere()) == 3
    files[0].touch()
    write(files[1], config_map("b"))
    assert reader.look([str(tmp_path)]) == {}
    write(files[2], config_map("c", "2"))
    assert reader.look([str(tmp_path)]).keys() == {str(files[2])}


def test_only_files_with_a_changed_signature_are_read(tmp_path: Path) -> None:
    """After an event of a folder, unchanged files are not read; after one of a file, it is always read."""
    files = [write(tmp_path / "d" / f"{name}.yaml", config_map(name)) for name in "abc"]
    for file in files:
        os.utime(file, (0, 0))
    reader = FileReader([str(tmp_path)])
    reader.look_everywhere()
    write(files[2], config_map("c", "2"))
    assert reader.find([str(tmp_path / "d")]).files.keys() == {str(files[2])}
    assert reader.find([str(files[0])]).files.keys() == {str(files[0])}
