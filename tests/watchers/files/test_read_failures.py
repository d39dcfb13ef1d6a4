"""Failures to read a file: the other files are served in time, and a diagnostic names it."""

import asyncio
import errno
import os
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from tests.watchers.files.following import PATIENCE, QUICK, following
from tests.watchers.files.written import config_map, documents, write
from watchers.background import in_thread
from watchers.files import reader as reader_module
from watchers.files.contents import FileContents, read
from watchers.files.inotify import InotifyWatch
from watchers.files.tree import Signature

NAMES = "abc"
Opened = tuple[bytes, Signature]


class Faults:
    """Faults of the open or parse of a file, by its name."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.gate = threading.Event()
        self.opening: dict[str, Callable[[], None]] = {}
        self.parsing: dict[str, Callable[[], None]] = {}
        content = reader_module._content

        def opened(path: str) -> Opened:
            self.opening.get(os.path.basename(path), lambda: None)()
            return content(path)

        def parsed(data: bytes, file: str, *rest: object) -> FileContents:
            self.parsing.get(os.path.basename(file), lambda: None)()
            return read(data, file, *rest)  # type: ignore[arg-type]

        monkeypatch.setattr(reader_module, "_content", opened)
        monkeypatch.setattr(reader_module, "read", parsed)

    def hang(self) -> None:
        """Block until the end of the test."""
        self.gate.wait()


@pytest.fixture
def faults(monkeypatch: pytest.MonkeyPatch) -> Iterator[Faults]:
    """Return faults to inject; blocked reads end with the test."""
    found = Faults(monkeypatch)
    yield found
    found.gate.set()


def io_error() -> None:
    """Raise the error of a broken disk."""
    raise OSError(errno.EIO, os.strerror(errno.EIO))


def bug() -> None:
    """Raise the exception of a bug."""
    raise RecursionError("too deep")


@pytest.mark.parametrize("bad", NAMES)
@pytest.mark.parametrize("start", [True, False])
@pytest.mark.parametrize("fault", ["io", "bug", "hang", "half"])
async def test_a_file_that_fails_delays_no_other(
    tmp_path: Path, faults: Faults, bad: str, start: bool, fault: str
) -> None:
    """At the start or later, the others are served, and the file keeps its objects and has a diagnostic."""
    files = {name: write(tmp_path / f"{name}.yaml", config_map(name)) for name in NAMES}

    def inject() -> None:
        if fault == "io":
            faults.opening[f"{bad}.yaml"] = io_error
        elif fault == "bug":
            faults.parsing[f"{bad}.yaml"] = bug
        elif fault == "hang":
            faults.opening[f"{bad}.yaml"] = faults.hang
        else:
            write(files[bad], "a: [")

    if start:
        inject()
    async with following(tmp_path, timing=replace(QUICK, slow=0.1)) as followed:
        kept = {} if start else {bad: "1"}
        if not start:
            inject()
            write(files[bad], files[bad].read_text() + "# touched\n")
        for name in NAMES.replace(bad, ""):
            write(files[name], config_map(name, "2"))
        await followed.serves(**dict.fromkeys(NAMES.replace(bad, ""), "2"), **kept)
        await followed.until(
            lambda: any(each.place.file.endswith(f"{bad}.yaml") for each in followed.source.diagnostics)
        )
        faults.opening.clear()
        faults.parsing.clear()
        faults.gate.set()
        write(files[bad], config_map(bad, "3"))
        await followed.serves(**dict.fromkeys(NAMES.replace(bad, ""), "2"), **{bad: "3"})
        await followed.until(lambda: followed.diagnostics == [])


async def test_a_slow_unchanged_file_loses_its_diagnostic(tmp_path: Path, faults: Faults) -> None:
    """A slow file that turns out to be unchanged has no diagnostic any more."""
    file = write(tmp_path / "a.yaml", config_map("a"))
    async with following(tmp_path, timing=replace(QUICK, slow=0.1)) as followed:
        faults.opening["a.yaml"] = faults.hang
        write(file, config_map("a"))
        await followed.until(lambda: bool(followed.diagnostics))
        assert "a.yaml: error: has been read for 0.1 s" in followed.diagnostics[0]
        faults.gate.set()
        await followed.until(lambda: not followed.diagnostics)
        assert followed.served == {"a": "1"}


async def test_a_source_ends_while_a_read_hangs(tmp_path: Path, faults: Faults) -> None:
    """The end of a source waits for no file, not even at the start."""
    write(tmp_path / "a.yaml", config_map("a"))
    begun = threading.Event()

    def hang() -> None:
        begun.set()
        faults.gate.wait()

    faults.opening["a.yaml"] = hang
    async with following(tmp_path, timing=replace(QUICK, slow=0.0)):
        assert await in_thread(lambda: begun.wait(10.0))


async def test_a_large_merge_delays_no_other_file(tmp_path: Path) -> None:
    """A file of merge keys has a diagnostic, and another file is served meanwhile."""
    write(tmp_path / "a.yaml", config_map("a"))
    async with following(tmp_path) as followed:
        write(tmp_path / "b.yaml", "<<: [" + ", ".join(f"{{k{n}: a}}" for n in range(20_000)) + "]\n")
        write(tmp_path / "a.yaml", config_map("a", "2"))
        await followed.serves(a="2")
        await followed.until(lambda: any(each.startswith("b.yaml") for each in followed.diagnostics))


async def test_a_change_does_not_wait_for_a_new_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A change of a known file is served before a new folder, which may be large, is watched."""
    file = write(tmp_path / "a.yaml", config_map("a"))
    async with following(tmp_path, timing=replace(QUICK, together=PATIENCE)) as followed:
        served = asyncio.Event()
        follow = InotifyWatch.follow

        async def late(watch: InotifyWatch, directories: frozenset[str]) -> None:
            await served.wait()
            await follow(watch, directories)

        monkeypatch.setattr(InotifyWatch, "follow", late)
        write(file, config_map("a", "2"))
        (tmp_path / "d").mkdir()
        await followed.serves(a="2")
        served.set()
        write(tmp_path / "d" / "b.yaml", config_map("b"))
        await followed.serves(a="2", b="1")


async def test_a_folder_moved_away_and_back_keeps_its_objects(tmp_path: Path) -> None:
    """While a folder is away, it has a diagnostic and its objects stay; back again, its changes are noticed."""
    root = tmp_path / "root"
    write(root / "a.yaml", config_map("a"))
    async with following(root) as followed:
        root.rename(tmp_path / "elsewhere")
        await followed.until(lambda: bool(followed.diagnostics))
        assert followed.diagnostics == ["root: error: cannot be read: it is gone; anything it gave before stays"]
        write(tmp_path / "elsewhere" / "a.yaml", config_map("a", "2"))
        (tmp_path / "elsewhere").rename(root)
        await followed.serves(a="2")
        await followed.until(lambda: not followed.diagnostics)
        assert followed.removed == set()


async def test_a_folder_moved_away_after_an_edit_keeps_its_objects(tmp_path: Path) -> None:
    """A file edited just before its folder was moved does not count as deleted."""
    root = tmp_path / "root"
    file = write(root / "a.yaml", config_map("a"))
    async with following(root) as followed:
        write(file, config_map("a", "2"))
        root.rename(tmp_path / "elsewhere")
        await followed.until(lambda: bool(followed.diagnostics))
        (tmp_path / "elsewhere").rename(root)
        await followed.serves(a="2")
        assert followed.removed == set()


@pytest.mark.parametrize("sub", ["", "sub"])
async def test_an_unmounted_folder_keeps_its_objects(tmp_path: Path, sub: str) -> None:
    """An empty folder that replaces one with files, as after an unmount, has a diagnostic and removes nothing."""
    root = tmp_path / "root"
    mount = root / sub
    write(mount / "a.yaml", config_map("a"))
    write(tmp_path / "under" / ".keep", "")
    async with following(root) as followed:
        mount.rename(tmp_path / "volume")
        (tmp_path / "under").rename(mount)
        await followed.until(lambda: any("something is not mounted" in each for each in followed.diagnostics))
        assert followed.served == {"a": "1"}
        mount.rename(tmp_path / "under")
        (tmp_path / "volume").rename(mount)
        write(mount / "a.yaml", config_map("a", "2"))
        await followed.serves(a="2")
        await followed.until(lambda: not followed.diagnostics)
        assert followed.removed == set()


async def test_a_missing_root_file_stays_served(tmp_path: Path) -> None:
    """A file given as a root stays served when it is missing, and is read again when it is back."""
    file = write(tmp_path / "a.conf", config_map("a"))
    async with following(file) as followed:
        file.unlink()
        await followed.until(lambda: bool(followed.diagnostics))
        assert "a.conf: error: cannot be read: it is gone" in followed.diagnostics[0]
        write(file, config_map("a", "2"))
        await followed.serves(a="2")
        assert followed.removed == set()


async def test_deleting_all_files_of_a_folder_removes_its_objects(tmp_path: Path) -> None:
    """The same folder without files has no objects any more."""
    write(tmp_path / "a.yaml", documents(config_map("a"), config_map("b")))
    async with following(tmp_path) as followed:
        (tmp_path / "a.yaml").unlink()
        await followed.serves()
        assert followed.diagnostics == []


async def test_a_file_name_that_is_not_text_is_printable(tmp_path: Path) -> None:
    """A file whose name is not UTF-8, or contains a line break, is served, and printable in diagnostics."""
    for name in (b"\xe9.yaml", b"a\nb.yaml"):
        write(tmp_path / os.fsdecode(name), documents(config_map(f"n{len(name)}"), "a: 1\n"))
    async with following(tmp_path) as followed:
        assert followed.served == {"n6": "1", "n8": "1"}
        told = [str(each) for each in followed.source.diagnostics]
        assert {each.rpartition("/")[2].partition(".yaml")[0] for each in told} == {"\\xe9", "a\\nb"}
        assert all(each.encode() and each.isprintable() for each in told)
