"""Followed folders, in a real file system with real inotify events."""

import os
import shutil
from pathlib import Path

import pytest

from tests.watchers.files.following import following
from tests.watchers.files.written import config_map, documents, write
from watchers.files.confirmation import Pauses
from watchers.files.source import FileSource, SourceError, Timing, read_files

PATIENT = Timing(pauses=Pauses(60.0, 60.0, 60.0, 60.0, report_after=60.0))
"""Debounce times that do not end during a test."""


async def test_the_first_batch_has_all_objects(tmp_path: Path) -> None:
    """Folders are read recursively; hidden files, editors' temporary files and other files are not read."""
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
        assert followed.diagnostics == []


async def test_an_empty_folder_is_synced(tmp_path: Path) -> None:
    """The first batch is yielded even if there are no objects."""
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
async def test_a_missing_folder_is_an_error_at_the_start(tmp_path: Path, typo: str, says: str) -> None:
    """A typing error in a path is reported with a suggestion, even beside an existing folder."""
    write(tmp_path / "examples" / "route.yaml", config_map("a"))
    (tmp_path / "dangling").symlink_to("nowhere")
    (tmp_path / "file").touch()
    with pytest.raises(SourceError) as raised:
        await anext(FileSource([tmp_path, tmp_path / typo]).batches())
    assert says in str(raised.value)
    with pytest.raises(SourceError):
        read_files([tmp_path / typo])


async def test_edits_are_followed(tmp_path: Path) -> None:
    """A file edited in place, a new one, and a deleted one are noticed, and only differences are yielded."""
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


async def test_a_file_may_be_a_root(tmp_path: Path) -> None:
    """A file with any name may be a source; its neighbours are not read."""
    file = write(tmp_path / "a.conf", config_map("a"))
    write(tmp_path / "b.yaml", config_map("b"))
    async with following(file) as followed:
        assert followed.served == {"a": "1"}
        write(tmp_path / "new", config_map("a", "2")).rename(file)
        await followed.serves(a="2")


async def test_saving_by_rename_is_an_edit(tmp_path: Path) -> None:
    """An editor that writes another file and renames it has edited the file."""
    file = write(tmp_path / "a.yaml", config_map("a"))
    async with following(tmp_path, timing=PATIENT) as followed:
        write(tmp_path / ".a.yaml.tmp", config_map("a", "2")).rename(file)
        await followed.serves(a="2")
        write(file, config_map("a", "3"))
        await followed.serves(a="3")
        assert followed.removed == set()


async def test_saving_with_a_backup_removes_nothing(tmp_path: Path) -> None:
    """An editor that renames the old file first leaves a moment without one, in which the object stays."""
    file = write(tmp_path / "a.yaml", config_map("a"))
    async with following(tmp_path, timing=PATIENT) as followed:
        file.rename(tmp_path / "a.yaml~")
        write(tmp_path / "b.yaml", config_map("b"))
        await followed.serves(a="1", b="1")
        write(file, config_map("a", "2"))
        await followed.serves(a="2", b="1")
        assert followed.removed == set()


@pytest.mark.parametrize("half", ["", config_map("a"), "apiVersion: v1\nkind: Conf", "a: ["])
async def test_an_incomplete_file_removes_nothing(tmp_path: Path, half: str) -> None:
    """A file that is empty or incomplete for a moment loses no objects and has no diagnostic."""
    file = write(tmp_path / "a.yaml", documents(config_map("a"), config_map("b")))
    async with following(tmp_path, timing=PATIENT) as followed:
        write(file, half)
        write(tmp_path / "c.yaml", config_map("c"))
        await followed.serves(a="1", b="1", c="1")
        write(file, documents(config_map("a"), config_map("b", "2")))
        await followed.serves(a="1", b="2", c="1")
        assert followed.removed == set()
        assert not any(change.appeared for change in followed.changes)


async def test_an_emptied_file_loses_its_objects(tmp_path: Path) -> None:
    """Emptying a file removes its objects, a moment later."""
    file = write(tmp_path / "a.yaml", config_map("a"))
    async with following(tmp_path) as followed:
        write(file, "")
        await followed.serves()


async def test_renaming_a_file_edits_nothing(tmp_path: Path) -> None:
    """A renamed file keeps its objects without a gap, and is not a duplicate of itself."""
    file = write(tmp_path / "a.yaml", config_map("a"))
    async with following(tmp_path) as followed:
        file = file.rename(tmp_path / "b.yaml")
        write(file, config_map("a", "2"))
        await followed.serves(a="2")
        assert followed.removed == set()
        assert not any(change.appeared for change in followed.changes)


async def test_new_folders_are_followed(tmp_path: Path) -> None:
    """Files in new folders at any depth are noticed, and so are their later edits; with the folder they are removed."""
    async with following(tmp_path) as followed:
        file = write(tmp_path / "x" / "y" / "z" / "a.yaml", config_map("a"))
        await followed.serves(a="1")
        write(file, config_map("a", "2"))
        await followed.serves(a="2")
        shutil.rmtree(tmp_path / "x")
        await followed.serves()
        write(file, config_map("a", "3"))
        await followed.serves(a="3")


async def test_moved_folders_are_followed(tmp_path: Path) -> None:
    """A folder moved in adds its files, moved within keeps them, moved out removes them."""
    root = tmp_path / "root"
    write(tmp_path / "outside" / "a.yaml", config_map("a"))
    root.mkdir()
    async with following(root) as followed:
        (tmp_path / "outside").rename(root / "x")
        await followed.serves(a="1")
        (root / "x").rename(root / "renamed")
        write(root / "renamed" / "a.yaml", config_map("a", "2"))
        await followed.serves(a="2")
        assert followed.removed == set()
        (root / "renamed").rename(tmp_path / "outside")
        await followed.serves()


async def test_a_restored_folder_is_followed(tmp_path: Path) -> None:
    """A deleted root removes nothing and has a diagnostic; created again, it is read and watched."""
    root = tmp_path / "above" / "root"
    write(root / "a.yaml", config_map("a"))
    async with following(root) as followed:
        shutil.rmtree(tmp_path / "above")
        await followed.until(lambda: bool(followed.diagnostics))
        assert followed.diagnostics == ["root: error: cannot be read: it is gone; anything it gave before stays"]
        write(root / "a.yaml", config_map("a", "2"))
        await followed.serves(a="2")
        await followed.until(lambda: not followed.diagnostics)
        assert followed.removed == set()
        write(root / "a.yaml", config_map("a", "3"))
        await followed.serves(a="3")


async def test_a_replaced_folder_is_followed(tmp_path: Path) -> None:
    """A folder that replaces the first one is read, and its edits are noticed."""
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
        assert followed.removed == set()


class Volume:
    """The volume of a ConfigMap in the layout, and with the updates, of the kubelet."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._version = 0
        path.mkdir()

    def update(self, **files: str) -> None:
        """Write all files again, and replace the old ones as a whole."""
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
    """Its files are read once each, and a swap of `..data` is an edit, as a root or in a linked folder."""
    volume, root = Volume(tmp_path / "volume"), tmp_path / "root"
    if linked:
        root.mkdir()
        (root / "link").symlink_to("../volume")
    volume.update(a=config_map("a"), b=config_map("b"))
    async with following(root if linked else volume.path) as followed:
        assert (followed.served, followed.diagnostics) == ({"a": "1", "b": "1"}, [])
        volume.update(a=config_map("a", "2"), b=config_map("b"))
        await followed.serves(a="2", b="1")
        volume.update(a=config_map("a", "3"), c=config_map("c"))
        await followed.serves(a="3", c="1")
        assert followed.removed == {"b"}
        assert followed.diagnostics == []


async def test_links_to_files_elsewhere_are_followed(tmp_path: Path) -> None:
    """The target of a link is followed: edited, replaced, behind another link, deleted and created again."""
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
    """A file or folder with its own name and links is read once, and cycles of links are ignored."""
    write(tmp_path / "x" / "a.yaml", config_map("a"))
    (tmp_path / "b.yaml").symlink_to("x/a.yaml")
    (tmp_path / "y").symlink_to("x")
    (tmp_path / "x" / "up").symlink_to("..")
    (tmp_path / "circle.yaml").symlink_to("circle.yaml")
    (diagnostic,) = read_files([tmp_path, tmp_path / "x"]).diagnostics
    assert str(diagnostic.place) == f"{tmp_path}/circle.yaml"
    assert "cannot be read: Too many levels of symbolic links" in diagnostic.message


async def test_an_error_is_reported_once_with_its_place(tmp_path: Path) -> None:
    """A file that does not parse has a diagnostic with its place, its objects stay, and a correction resolves it."""
    file = write(tmp_path / "a.yaml", documents(config_map("a"), config_map("b")))
    async with following(tmp_path) as followed:
        write(file, config_map("a", "2") + "data: {}\n")
        await followed.until(lambda: bool(followed.diagnostics))
        assert followed.diagnostics == [
            "a.yaml:7: error: the key 'data' is there twice, first on line 5; remove one of them"
        ]
        write(tmp_path / "c.yaml", config_map("c"))
        await followed.serves(a="1", b="1", c="1")
        write(file, documents(config_map("a", "2"), config_map("b")))
        await followed.serves(a="2", b="1", c="1")
        assert followed.diagnostics == []
        assert [(len(each.appeared), len(each.resolved)) for each in followed.changes if each[1:] != ((), ())] == [
            (1, 0),
            (0, 1),
        ]


async def test_duplicates_name_both_places(tmp_path: Path) -> None:
    """An object in two files is an error at the later one, which replaces a deleted first one without a gap."""
    write(tmp_path / "a.yaml", config_map("x", "a"))
    async with following(tmp_path) as followed:
        write(tmp_path / "b.yaml", config_map("x", "b"))
        await followed.until(lambda: bool(followed.diagnostics))
        assert str(followed.source.diagnostics[0]).startswith(f"{tmp_path}/b.yaml:1: error: ConfigMap default/x: ")
        assert f"{tmp_path}/a.yaml:1" in str(followed.source.diagnostics[0])
        (tmp_path / "a.yaml").unlink()
        await followed.serves(x="b")
        assert (followed.removed, followed.diagnostics) == (set(), [])


async def test_deleting_the_files_removes_their_objects(tmp_path: Path) -> None:
    """A folder without files has no objects."""
    for name in "abc":
        write(tmp_path / f"{name}.yaml", config_map(name))
    async with following(tmp_path) as followed:
        for name in "abc":
            (tmp_path / f"{name}.yaml").unlink()
        await followed.serves()


async def test_a_file_name_that_is_not_text_ends_nothing(tmp_path: Path) -> None:
    """A file whose name is not UTF-8, which fails the library, does not end the source."""
    async with following(tmp_path) as followed:
        os.close(os.open(os.fsencode(tmp_path) + b"/\xe9.txt", os.O_CREAT))
        write(tmp_path / "a.yaml", config_map("a"))
        await followed.serves(a="1")
        write(tmp_path / "a.yaml", config_map("a", "2"))
        await followed.serves(a="2")


async def test_too_many_files_remove_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Above the limit, further files are not read, which is reported, and known objects stay."""
    monkeypatch.setattr("watchers.files.tree.MAX_PATHS", 3)
    write(tmp_path / "a.yaml", config_map("a"))
    async with following(tmp_path) as followed:
        for name in "bcdef":
            write(tmp_path / f"{name}.yaml", config_map(name))
        await followed.until(lambda: any("there are more than" in each for each in followed.diagnostics))
        assert "a" in followed.served
        assert followed.removed == set()
