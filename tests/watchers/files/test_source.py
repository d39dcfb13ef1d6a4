"""Folders that are followed, in a real file system with real notifications."""

import os
import shutil
from pathlib import Path

import pytest

from tests.watchers.files.following import following
from tests.watchers.files.written import config_map, documents, write
from watchers.files.confirmation import Pauses
from watchers.files.source import FileSource, SourceError, Timing, read_files

PATIENT = Timing(pauses=Pauses(60.0, 60.0, 60.0, 60.0, report_after=60.0))
"""For tests in which nothing that is taken away may be believed."""


async def test_the_first_batch_is_all_there_is(tmp_path: Path) -> None:
    """Folders are read recursively; hidden files, editors' droppings and other files are not read."""
    write(tmp_path / "a.yaml", config_map("a"))
    write(tmp_path / "deep" / "er" / "b.yml", config_map("b"))
    write(
        tmp_path / "c.json",
        '{"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "c"}, "data": {"value": "1"}}',
    )
    for ignored in (
        ".a.yaml.swp",
        ".hidden.yaml",
        "a.yaml~",
        "#a.yaml#",
        "4913",
        "notes.txt",
        ".git/x.yaml",
        "x.yaml.bak",
    ):
        write(tmp_path / ignored, config_map("ignored"))
    os.mkfifo(tmp_path / "pipe.yaml")
    async with following(tmp_path) as followed:
        assert followed.served == {"a": "1", "b": "1", "c": "1"}
        assert [batch.synced for batch in followed.batches] == [True]
        assert followed.wrong == []


async def test_an_empty_folder_is_synced_too(tmp_path: Path) -> None:
    """The first batch comes even if there is nothing."""
    async with following(tmp_path) as followed:
        assert followed.batches == [((), True)]


@pytest.mark.parametrize(
    ("typo", "says"),
    [
        ("exmaples", "/exmaples' does not exist; did you mean '"),
        ("examples/rout.yaml", "/examples/rout.yaml' does not exist; did you mean '"),
        ("some/where/else", "/some/where/else' does not exist: there is no folder '"),
        ("xyz", "/xyz' does not exist"),
        ("dangling", "/dangling' is a link to 'nowhere', which does not exist"),
        ("file/sub", "/file' is not a folder"),
    ],
)
async def test_a_folder_that_is_not_there_is_an_error_at_the_start(tmp_path: Path, typo: str, says: str) -> None:
    """A beginner's typo is told by name, with what may have been meant, even beside a folder that is there."""
    write(tmp_path / "examples" / "route.yaml", config_map("a"))
    (tmp_path / "dangling").symlink_to("nowhere")
    (tmp_path / "file").touch()
    with pytest.raises(SourceError) as raised:
        await anext(FileSource([tmp_path, tmp_path / typo]).batches())
    assert says in str(raised.value)
    with pytest.raises(SourceError):
        read_files([tmp_path / typo])


async def test_edits_are_followed(tmp_path: Path) -> None:
    """A file edited in place, a new one, and one deleted: each is told, and only what differs."""
    write(tmp_path / "a.yaml", config_map("a"))
    write(tmp_path / "b.yaml", config_map("b"))
    async with following(tmp_path) as followed:
        write(tmp_path / "a.yaml", config_map("a", "2"))
        await followed.serves(a="2", b="1")
        write(tmp_path / "c.yaml", config_map("c"))
        await followed.serves(a="2", b="1", c="1")
        (tmp_path / "b.yaml").unlink()
        await followed.serves(a="2", c="1")
        assert [edit.ref.name for edit in followed.edits] == ["a", "b", "a", "c", "b"]


async def test_a_file_by_itself_is_followed(tmp_path: Path) -> None:
    """A single file may be a source, whatever its name; its neighbours are not read."""
    file = write(tmp_path / "a.conf", config_map("a"))
    write(tmp_path / "b.yaml", config_map("b"))
    async with following(file) as followed:
        assert followed.served == {"a": "1"}
        write(tmp_path / "new", config_map("a", "2")).rename(file)
        await followed.serves(a="2")


async def test_saving_by_rename_is_an_edit(tmp_path: Path) -> None:
    """An editor that writes beside the file and renames over it has edited it."""
    file = write(tmp_path / "a.yaml", config_map("a"))
    async with following(tmp_path, timing=PATIENT) as followed:
        write(tmp_path / ".a.yaml.tmp", config_map("a", "2")).rename(file)
        await followed.serves(a="2")
        write(file, config_map("a", "3"))
        await followed.serves(a="3")
        assert followed.gone == set()


async def test_saving_with_a_backup_takes_nothing_away(tmp_path: Path) -> None:
    """An editor that renames the old file first leaves a moment without one, in which the object stays."""
    file = write(tmp_path / "a.yaml", config_map("a"))
    async with following(tmp_path, timing=PATIENT) as followed:
        file.rename(tmp_path / "a.yaml~")
        write(tmp_path / "b.yaml", config_map("b"))
        await followed.serves(a="1", b="1")
        write(file, config_map("a", "2"))
        await followed.serves(a="2", b="1")
        assert followed.gone == set()


@pytest.mark.parametrize("half", ["", config_map("a"), "apiVersion: v1\nkind: Conf", "a: ["])
async def test_a_file_half_written_takes_nothing_away(tmp_path: Path, half: str) -> None:
    """A file that is empty or cut off for a moment neither loses its objects nor causes alarm."""
    file = write(tmp_path / "a.yaml", documents(config_map("a"), config_map("b")))
    async with following(tmp_path, timing=PATIENT) as followed:
        write(file, half)
        write(tmp_path / "c.yaml", config_map("c"))
        await followed.serves(a="1", b="1", c="1")
        write(file, documents(config_map("a"), config_map("b", "2")))
        await followed.serves(a="1", b="2", c="1")
        assert followed.gone == set()
        assert not any(change.appeared for change in followed.changes)


async def test_a_file_that_stays_empty_is_believed(tmp_path: Path) -> None:
    """Emptying a file takes away what it made, a moment later."""
    file = write(tmp_path / "a.yaml", config_map("a"))
    async with following(tmp_path) as followed:
        write(file, "")
        await followed.serves()


async def test_renaming_a_file_edits_nothing(tmp_path: Path) -> None:
    """A file that is renamed keeps its objects without a gap, and is not a duplicate of itself."""
    file = write(tmp_path / "a.yaml", config_map("a"))
    async with following(tmp_path) as followed:
        file = file.rename(tmp_path / "b.yaml")
        write(file, config_map("a", "2"))
        await followed.serves(a="2")
        assert followed.gone == set()
        assert not any(change.appeared for change in followed.changes)


async def test_new_folders_are_followed(tmp_path: Path) -> None:
    """Files in folders made just now are seen, however deep, and so are their later edits; with the folder they go."""
    async with following(tmp_path) as followed:
        file = write(tmp_path / "x" / "y" / "z" / "a.yaml", config_map("a"))
        await followed.serves(a="1")
        write(file, config_map("a", "2"))
        await followed.serves(a="2")
        shutil.rmtree(tmp_path / "x")
        await followed.serves()
        write(file, config_map("a", "3"))
        await followed.serves(a="3")


async def test_folders_that_move_are_followed(tmp_path: Path) -> None:
    """A folder moved in brings its files, moved within keeps them, moved out takes them away."""
    root = tmp_path / "root"
    write(tmp_path / "outside" / "a.yaml", config_map("a"))
    root.mkdir()
    async with following(root) as followed:
        (tmp_path / "outside").rename(root / "x")
        await followed.serves(a="1")
        (root / "x").rename(root / "renamed")
        write(root / "renamed" / "a.yaml", config_map("a", "2"))
        await followed.serves(a="2")
        assert followed.gone == set()
        (root / "renamed").rename(tmp_path / "outside")
        await followed.serves()


async def test_a_folder_that_comes_back_is_followed(tmp_path: Path) -> None:
    """A folder that goes altogether takes nothing away, and is told; made again it is read and followed."""
    root = tmp_path / "above" / "root"
    write(root / "a.yaml", config_map("a"))
    async with following(root) as followed:
        shutil.rmtree(tmp_path / "above")
        await followed.until(lambda: bool(followed.wrong))
        assert followed.wrong == ["root: error: cannot be read: it is gone; anything it gave before stays"]
        write(root / "a.yaml", config_map("a", "2"))
        await followed.serves(a="2")
        await followed.until(lambda: not followed.wrong)
        assert followed.gone == set()
        write(root / "a.yaml", config_map("a", "3"))
        await followed.serves(a="3")


async def test_a_folder_that_is_replaced_is_followed(tmp_path: Path) -> None:
    """Another folder in the place of the first one is read, and its edits are seen."""
    root, other = tmp_path / "root", tmp_path / "other"
    write(root / "a.yaml", config_map("a"))
    write(other / "a.yaml", config_map("a", "2"))
    async with following(root) as followed:
        root.rename(tmp_path / "old")
        other.rename(root)
        await followed.serves(a="2")
        write(tmp_path / "old" / "a.yaml", config_map("a", "no"))
        write(root / "a.yaml", config_map("a", "3"))
        await followed.serves(a="3")
        assert followed.gone == set()


class Volume:
    """The volume of a ConfigMap as the kubelet lays it out and updates it."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._version = 0
        path.mkdir()

    def update(self, **files: str) -> None:
        """Write all files anew and swap them in as a whole."""
        self._version += 1
        new, data = self.path / f"..2026_{self._version}", self.path / "..data"
        old = data.resolve() if data.exists() else None
        for name, text in files.items():
            write(new / f"{name}.yaml", text)
        (self.path / "..data_tmp").symlink_to(new.name)
        (self.path / "..data_tmp").rename(data)
        for name in files:
            if not (link := self.path / f"{name}.yaml").is_symlink():
                link.symlink_to(f"..data/{name}.yaml")
        for link in self.path.glob("*.yaml"):
            if link.stem not in files:
                link.unlink()
        if old is not None:
            shutil.rmtree(old)


@pytest.mark.parametrize("linked", [False, True])
async def test_the_volume_of_a_config_map_is_followed(tmp_path: Path, linked: bool) -> None:
    """Its files are read once each, and a swap of `..data` is an edit, as a root or in a folder that is linked."""
    volume, root = Volume(tmp_path / "volume"), tmp_path / "root"
    if linked:
        root.mkdir()
        (root / "link").symlink_to("../volume")
    volume.update(a=config_map("a"), b=config_map("b"))
    async with following(root if linked else volume.path) as followed:
        assert (followed.served, followed.wrong) == ({"a": "1", "b": "1"}, [])
        volume.update(a=config_map("a", "2"), b=config_map("b"))
        await followed.serves(a="2", b="1")
        volume.update(a=config_map("a", "3"), c=config_map("c"))
        await followed.serves(a="3", c="1")
        assert followed.gone == {"b"}
        assert followed.wrong == []


async def test_links_to_files_elsewhere_are_followed(tmp_path: Path) -> None:
    """What a link leads to is followed: edited, replaced, reached by another link, taken away and brought back."""
    root, link = tmp_path / "root", tmp_path / "root" / "a.yaml"
    target = write(tmp_path / "elsewhere" / "target", config_map("a"))
    root.mkdir()
    link.symlink_to("../elsewhere/target")
    async with following(root) as followed:
        write(target, config_map("a", "2"))
        await followed.serves(a="2")
        write(tmp_path / "new", config_map("a", "3")).rename(target)
        await followed.serves(a="3")
        write(tmp_path / "other" / "target", config_map("a", "4"))
        (root / ".new").symlink_to(tmp_path / "other" / "target")
        (root / ".new").rename(link)
        await followed.serves(a="4")
        shutil.rmtree(tmp_path / "other")
        await followed.serves()
        write(tmp_path / "other" / "target", config_map("a", "5"))
        await followed.serves(a="5")


async def test_links_within_the_folder_are_no_duplicates(tmp_path: Path) -> None:
    """A file or folder reached by its own name and by links is read once, and links in a circle do not matter."""
    write(tmp_path / "x" / "a.yaml", config_map("a"))
    (tmp_path / "b.yaml").symlink_to("x/a.yaml")
    (tmp_path / "y").symlink_to("x")
    (tmp_path / "x" / "up").symlink_to("..")
    (tmp_path / "circle.yaml").symlink_to("circle.yaml")
    (diagnostic,) = read_files([tmp_path, tmp_path / "x"]).diagnostics
    assert str(diagnostic.place) == f"{tmp_path}/circle.yaml"
    assert "cannot be read: Too many levels of symbolic links" in diagnostic.message


async def test_what_is_wrong_is_told_once_with_its_place(tmp_path: Path) -> None:
    """A file that does not parse is told with file and line, what it gave stays, and mending it settles the matter."""
    file = write(tmp_path / "a.yaml", documents(config_map("a"), config_map("b")))
    async with following(tmp_path) as followed:
        write(file, config_map("a", "2") + "data: {}\n")
        await followed.until(lambda: bool(followed.wrong))
        assert followed.wrong == ["a.yaml:7: error: the key 'data' is there twice, first on line 5; remove one of them"]
        write(tmp_path / "c.yaml", config_map("c"))
        await followed.serves(a="1", b="1", c="1")
        write(file, documents(config_map("a", "2"), config_map("b")))
        await followed.serves(a="2", b="1", c="1")
        assert followed.wrong == []
        assert [(len(each.appeared), len(each.resolved)) for each in followed.changes if each[1:] != ((), ())] == [
            (1, 0),
            (0, 1),
        ]


async def test_duplicates_name_both_places(tmp_path: Path) -> None:
    """An object in two files is an error at the later one; when the first goes the second takes over without a gap."""
    write(tmp_path / "a.yaml", config_map("x", "a"))
    async with following(tmp_path) as followed:
        write(tmp_path / "b.yaml", config_map("x", "b"))
        await followed.until(lambda: bool(followed.wrong))
        assert str(followed.source.diagnostics[0]).startswith(f"{tmp_path}/b.yaml:1: error: ConfigMap default/x: ")
        assert f"{tmp_path}/a.yaml:1" in str(followed.source.diagnostics[0])
        (tmp_path / "a.yaml").unlink()
        await followed.serves(x="b")
        assert (followed.gone, followed.wrong) == (set(), [])


async def test_deleting_the_files_removes_what_they_made(tmp_path: Path) -> None:
    """Without its files a folder makes nothing."""
    for name in "abc":
        write(tmp_path / f"{name}.yaml", config_map(name))
    async with following(tmp_path) as followed:
        for name in "abc":
            (tmp_path / f"{name}.yaml").unlink()
        await followed.serves()


async def test_a_name_that_is_not_text_stops_nothing(tmp_path: Path) -> None:
    """A file whose name is not UTF-8, which the library trips over, does not end the following."""
    async with following(tmp_path) as followed:
        os.close(os.open(os.fsencode(tmp_path) + b"/\xe9.txt", os.O_CREAT))
        write(tmp_path / "a.yaml", config_map("a"))
        await followed.serves(a="1")
        write(tmp_path / "a.yaml", config_map("a", "2"))
        await followed.serves(a="2")


async def test_too_many_files_take_nothing_away(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Past the bound the rest is not read, which is told, and what was known stays."""
    monkeypatch.setattr("watchers.files.tree.MAX_PATHS", 3)
    write(tmp_path / "a.yaml", config_map("a"))
    async with following(tmp_path) as followed:
        for name in "bcdef":
            write(tmp_path / f"{name}.yaml", config_map(name))
        await followed.until(lambda: any("there are more than" in each for each in followed.wrong))
        assert "a" in followed.served
        assert followed.gone == set()
