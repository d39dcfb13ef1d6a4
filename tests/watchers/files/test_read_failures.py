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
from watchers.files import reader as reader_module
from watchers.files.background import in_thread
from watchers.files.contents import FileContents, read
from watchers.files.inotify import DirectoryWatch
from watchers.files.tree import Signature

NAMES = "abc"
Opened = tuple[bytes, Signature]


class Faults:
    """What happens when a file is opened or parsed, by the file's name."""

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
        """Do not come to an end before the test does."""
        self.gate.wait()


@pytest.fixture
def faults(monkeypatch: pytest.MonkeyPatch) -> Iterator[Faults]:
    """Faults to inject; what hangs ends with the test."""
    found = Faults(monkeypatch)
    yield found
    found.gate.set()


def io_error() -> None:
    """Raise what a broken disk says."""
    raise OSError(errno.EIO, os.strerror(errno.EIO))


def bug() -> None:
    """Raise what a bug of ours says."""
    raise RecursionError("too deep")


@pytest.mark.parametrize("bad", NAMES)
@pytest.mark.parametrize("start", [True, False])
@pytest.mark.parametrize("fault", ["io", "bug", "hang", "half"])
async def test_one_file_holds_up_no_other(tmp_path: Path, faults: Faults, bad: str, start: bool, fault: str) -> None:
    """Whichever file cannot be read, at the start or later: the others are served, it keeps what it had and is told."""
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
        await followed.until(lambda: followed.wrong == [])


async def test_a_file_that_was_slow_and_is_the_same_is_well_again(tmp_path: Path, faults: Faults) -> None:
    """A file that took long and turns out to say what it said before is not told to be slow any more."""
    file = write(tmp_path / "a.yaml", config_map("a"))
    async with following(tmp_path, timing=replace(QUICK, slow=0.1)) as followed:
        faults.opening["a.yaml"] = faults.hang
        write(file, config_map("a"))
        await followed.until(lambda: bool(followed.wrong))
        assert "a.yaml: error: has been read for 0.1 s" in followed.wrong[0]
        faults.gate.set()
        await followed.until(lambda: not followed.wrong)
        assert followed.served == {"a": "1"}


async def test_following_ends_while_a_file_hangs(tmp_path: Path, faults: Faults) -> None:
    """Whoever stops following waits for no file, not even at the start."""
    write(tmp_path / "a.yaml", config_map("a"))
    begun = threading.Event()

    def hang() -> None:
        begun.set()
        faults.gate.wait()

    faults.opening["a.yaml"] = hang
    async with following(tmp_path, timing=replace(QUICK, slow=0.0)):
        assert await in_thread(lambda: begun.wait(10.0))


async def test_a_large_merge_holds_up_nothing(tmp_path: Path) -> None:
    """A file of merge keys is told, and what another file says meanwhile is served."""
    write(tmp_path / "a.yaml", config_map("a"))
    async with following(tmp_path) as followed:
        write(tmp_path / "b.yaml", "<<: [" + ", ".join(f"{{k{n}: a}}" for n in range(20_000)) + "]\n")
        write(tmp_path / "a.yaml", config_map("a", "2"))
        await followed.serves(a="2")
        await followed.until(lambda: any(each.startswith("b.yaml") for each in followed.wrong))


async def test_a_change_does_not_wait_for_a_new_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What a known file says is served before a new folder, which may be large, is watched."""
    file = write(tmp_path / "a.yaml", config_map("a"))
    async with following(tmp_path, timing=replace(QUICK, together=PATIENCE)) as followed:
        served = asyncio.Event()
        follow = DirectoryWatch.follow

        async def late(watch: DirectoryWatch, directories: frozenset[str]) -> None:
            await served.wait()
            await follow(watch, directories)

        monkeypatch.setattr(DirectoryWatch, "follow", late)
        write(file, config_map("a", "2"))
        (tmp_path / "d").mkdir()
        await followed.serves(a="2")
        served.set()
        write(tmp_path / "d" / "b.yaml", config_map("b"))
        await followed.serves(a="2", b="1")


async def test_a_folder_that_is_moved_away_and_back_loses_nothing(tmp_path: Path) -> None:
    """While a folder is elsewhere that is told and its objects stay; back again, its changes are seen."""
    root = tmp_path / "root"
    write(root / "a.yaml", config_map("a"))
    async with following(root) as followed:
        root.rename(tmp_path / "elsewhere")
        await followed.until(lambda: bool(followed.wrong))
        assert followed.wrong == ["root: error: cannot be read: it is gone; anything it gave before stays"]
        write(tmp_path / "elsewhere" / "a.yaml", config_map("a", "2"))
        (tmp_path / "elsewhere").rename(root)
        await followed.serves(a="2")
        await followed.until(lambda: not followed.wrong)
        assert followed.gone == set()


async def test_a_folder_that_is_moved_away_right_after_an_edit_loses_nothing(tmp_path: Path) -> None:
    """A file that was edited just before its folder went is not taken for deleted."""
    root = tmp_path / "root"
    file = write(root / "a.yaml", config_map("a"))
    async with following(root) as followed:
        write(file, config_map("a", "2"))
        root.rename(tmp_path / "elsewhere")
        await followed.until(lambda: bool(followed.wrong))
        (tmp_path / "elsewhere").rename(root)
        await followed.serves(a="2")
        assert followed.gone == set()


@pytest.mark.parametrize("sub", ["", "sub"])
async def test_a_folder_that_is_not_mounted_loses_nothing(tmp_path: Path, sub: str) -> None:
    """An empty folder in the place of one with files, as where a mount is gone, is told and takes nothing away."""
    root = tmp_path / "root"
    mount = root / sub
    write(mount / "a.yaml", config_map("a"))
    write(tmp_path / "under" / ".keep", "")
    async with following(root) as followed:
        mount.rename(tmp_path / "volume")
        (tmp_path / "under").rename(mount)
        await followed.until(lambda: any("something is not mounted" in each for each in followed.wrong))
        assert followed.served == {"a": "1"}
        mount.rename(tmp_path / "under")
        (tmp_path / "volume").rename(mount)
        write(mount / "a.yaml", config_map("a", "2"))
        await followed.serves(a="2")
        await followed.until(lambda: not followed.wrong)
        assert followed.gone == set()


async def test_a_file_by_itself_that_is_gone_stays_served(tmp_path: Path) -> None:
    """A file that was named itself is not given up when it is gone, and is read again when it is back."""
    file = write(tmp_path / "a.conf", config_map("a"))
    async with following(file) as followed:
        file.unlink()
        await followed.until(lambda: bool(followed.wrong))
        assert "a.conf: error: cannot be read: it is gone" in followed.wrong[0]
        write(file, config_map("a", "2"))
        await followed.serves(a="2")
        assert followed.gone == set()


async def test_deleting_all_files_of_a_folder_is_believed(tmp_path: Path) -> None:
    """A folder that is there, and the same, and has no files any more has no objects any more."""
    write(tmp_path / "a.yaml", documents(config_map("a"), config_map("b")))
    async with following(tmp_path) as followed:
        (tmp_path / "a.yaml").unlink()
        await followed.serves()
        assert followed.wrong == []


async def test_a_name_that_is_no_text_can_be_shown(tmp_path: Path) -> None:
    """A file whose name is not UTF-8, or breaks a line, is served, and told of in text that can be encoded."""
    for name in (b"\xe9.yaml", b"a\nb.yaml"):
        write(tmp_path / os.fsdecode(name), documents(config_map(f"n{len(name)}"), "a: 1\n"))
    async with following(tmp_path) as followed:
        assert followed.served == {"n6": "1", "n8": "1"}
        told = [str(each) for each in followed.source.diagnostics]
        assert {each.rpartition("/")[2].partition(".yaml")[0] for each in told} == {"\\xe9", "a\\nb"}
        assert all(each.encode() and each.isprintable() for each in told)
