"""Debouncing of file contents, with a clock that the test sets."""

from hypothesis import given
from hypothesis import strategies as st

from tests.watchers.files.written import config_map, documents
from watchers.files.confirmation import Confirmation, Pauses
from watchers.files.contents import ABSENT, FileContents, read
from watchers.files.store import FileStore

PAUSES = Pauses()
BOTH = documents(config_map("x"), config_map("w"))


class Scene:
    """A folder, its debounced files, and the time."""

    def __init__(self, **files: str) -> None:
        self.folder = FileStore()
        self.confirmation = Confirmation(PAUSES)
        self.now = 1000.0
        self.busy = False
        """Whether another file is being read."""
        self.write(**files)

    def write(self, **files: str | None) -> None:
        """Set the contents of files; None for deleted ones."""
        readings = {name: ABSENT if text is None else read(text.encode(), name) for name, text in files.items()}
        self._take(readings)

    def wait(self, seconds: float) -> None:
        """Let time pass, step by step as due."""
        end = self.now + seconds
        while self.confirmation.due <= end:
            self.now = max(self.now, self.confirmation.due)
            self._take({})
            if self.busy:
                break
        self.now = end

    def _take(self, readings: dict[str, FileContents]) -> None:
        self.folder.apply(self.confirmation.confirmed(self.folder, readings, self.now, self.busy))

    @property
    def served(self) -> set[str]:
        """The names of the current objects."""
        return {ref.name for ref in self.folder.objects}

    @property
    def diagnostics(self) -> list[str]:
        """The current diagnostics."""
        return [str(each) for each in self.folder.diagnostics]


def test_new_and_changed_objects_are_not_debounced() -> None:
    """A new file and a changed object count at once."""
    scene = Scene(a=config_map("x"))
    scene.write(b=config_map("w"))
    assert scene.served == {"x", "w"}
    assert scene.confirmation.due == float("inf")


def test_a_deleted_file_is_debounced() -> None:
    """A file that stays deleted loses its objects; one that is written again in time loses none."""
    scene = Scene(a=config_map("x"))
    scene.write(a=None)
    scene.wait(PAUSES.deleted * 0.9)
    assert scene.served == {"x"}
    scene.write(a=config_map("x"))
    scene.wait(PAUSES.deleted * 2)
    assert scene.served == {"x"}
    scene.write(a=None)
    scene.wait(PAUSES.deleted)
    assert (scene.served, scene.diagnostics) == (set(), [])


def test_deletions_wait_while_files_change() -> None:
    """While files are written one after another, as when a folder is copied, missing ones do not count as deleted."""
    scene = Scene(**{f"f{n}": config_map(f"o{n}") for n in range(6)})
    scene.write(**{f"f{n}": None for n in range(6)})
    for number in range(5):
        scene.wait(PAUSES.deleted * 0.8)
        scene.write(**{f"f{number}": config_map(f"o{number}")})
    assert scene.served == {f"o{n}" for n in range(6)}
    scene.wait(PAUSES.deleted)
    assert scene.served == {f"o{n}" for n in range(5)}


def test_the_extension_is_limited() -> None:
    """A folder that changes continuously does not keep a deleted file for ever."""
    scene = Scene(a=config_map("x"))
    scene.write(a=None)
    for number in range(2 * PAUSES.most_extension):
        scene.wait(PAUSES.deleted * 0.9)
        scene.write(b=config_map("w", str(number)))
    assert scene.served == {"w"}


def test_an_empty_file_is_reported_and_keeps_its_objects() -> None:
    """`helm template > f` empties f while it runs: nothing is removed, and a diagnostic appears after a second."""
    scene = Scene(a=BOTH)
    scene.write(a="")
    assert (scene.served, scene.diagnostics) == ({"x", "w"}, [])
    scene.wait(10.0)
    assert scene.served == {"x", "w"}
    assert scene.diagnostics == [
        "a: warning: has no objects any more; what it gave before stays until that has been so for 30 s: "
        "to remove it at once, delete the file"
    ]
    scene.write(a=documents(config_map("x", "2"), config_map("w")))
    assert (scene.served, scene.diagnostics) == ({"x", "w"}, [])
    assert scene.confirmation.due == float("inf")


def test_an_emptied_file_loses_its_objects() -> None:
    """A file that stays empty loses its objects in the end, whatever other files do meanwhile."""
    scene = Scene(a=BOTH)
    scene.write(a="# nothing\n")
    for number in range(6):
        scene.wait(PAUSES.emptied / 6)
        scene.write(b=config_map("z", str(number)))
    scene.wait(0.0)
    assert (scene.served, scene.diagnostics) == ({"z"}, [])


def test_a_missing_object_is_removed_once_the_file_is_unchanged() -> None:
    """A file that grows in pieces keeps its objects; those missing at the end are removed."""
    scene = Scene(a=documents(*(config_map(name) for name in "pqr")))
    for text in (config_map("p"), documents(config_map("p"), config_map("q"))):
        scene.write(a=text)
        scene.wait(PAUSES.shrunk * 0.9)
        assert scene.served == {"p", "q", "r"}
    assert "still being written" in scene.diagnostics[0]
    scene.wait(PAUSES.shrunk)
    assert (scene.served, scene.diagnostics) == ({"p", "q"}, [])


def test_a_text_that_ends_within_a_line_is_debounced() -> None:
    """A valid object that ends within a line may be incomplete: the last good one stays for a while."""
    scene = Scene(a=config_map("x", "whole"))
    scene.write(a=config_map("x", "half").rstrip("\n"))
    assert "whole" in str(scene.folder.objects)
    scene.wait(PAUSES.shrunk)
    assert "half" in str(scene.folder.objects)
    scene.write(a=config_map("x", "again").rstrip("\n"))
    assert "again" in str(scene.folder.objects)


def test_an_error_is_debounced() -> None:
    """A file that does not parse for a moment has no diagnostic."""
    scene = Scene(a=config_map("x"))
    scene.write(a="a: [")
    assert scene.diagnostics == []
    scene.wait(PAUSES.shrunk)
    assert (scene.served, len(scene.diagnostics)) == ({"x"}, 1)


def test_removals_wait_for_files_being_read() -> None:
    """An object that a file loses stays while another file, which may contain it, is being read."""
    scene = Scene(a=BOTH)
    scene.busy = True
    scene.write(a=config_map("x"))
    scene.wait(PAUSES.shrunk)
    assert scene.served == {"x", "w"}
    scene.busy = False
    scene.write(b=config_map("w"))
    assert scene.served == {"x", "w"}
    scene.wait(PAUSES.shrunk)
    assert (scene.served, scene.diagnostics) == ({"x", "w"}, [])


contents = st.dictionaries(st.sampled_from("pqrs"), st.sampled_from("12"), max_size=3).map(
    lambda said: documents(*(config_map(name, text) for name, text in said.items()))
)
steps = st.lists(
    st.tuples(
        st.dictionaries(st.sampled_from("ab"), st.none() | contents | st.just("a: ["), min_size=1), st.floats(0, 40)
    ),
    max_size=8,
)


@given(steps, st.dictionaries(st.sampled_from("ab"), st.none() | contents, min_size=2))
def test_unchanged_files_count_in_the_end(
    history: list[tuple[dict[str, str | None], float]], end: dict[str, str | None]
) -> None:
    """Whatever the earlier contents and times, unchanged files have the objects of a first read."""
    scene, fresh = Scene(), FileStore()
    for step, pause in history:
        scene.write(**_own(step))
        scene.wait(pause)
    scene.write(**_own(end))
    scene.wait(PAUSES.emptied * PAUSES.most_extension)
    fresh.apply({name: ABSENT if text is None else read(text.encode(), name) for name, text in _own(end).items()})
    assert (scene.folder.objects, scene.diagnostics) == (fresh.objects, [])


def _own(files: dict[str, str | None]) -> dict[str, str | None]:
    """Return the files with names of objects that are unique to each file."""
    return {name: text and text.replace("name: ", f"name: {name}-") for name, text in files.items()}
