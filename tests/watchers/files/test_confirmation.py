"""Debouncing of file contents, with a clock that the test moves."""

from hypothesis import given
from hypothesis import strategies as st

from tests.watchers.files.written import config_map, documents
from watchers.files.confirmation import Confirmation, Pauses
from watchers.files.contents import ABSENT, FileContents, read
from watchers.files.store import FileStore

PAUSES = Pauses()
BOTH = documents(config_map("x"), config_map("w"))


class Scene:
    """A folder, its doubts, and what the time is."""

    def __init__(self, **files: str) -> None:
        self.folder = FileStore()
        self.confirmation = Confirmation(PAUSES)
        self.now = 1000.0
        self.busy = False
        """Whether another file is being read."""
        self.say(**files)

    def say(self, **files: str | None) -> None:
        """Have files say something now; None for those that are gone."""
        readings = {name: ABSENT if text is None else read(text.encode(), name) for name, text in files.items()}
        self._take(readings)

    def wait(self, seconds: float) -> None:
        """Let time pass, in the steps that are due."""
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
        """The names of the objects that are there."""
        return {ref.name for ref in self.folder.objects}

    @property
    def told(self) -> list[str]:
        """What is wrong."""
        return [str(each) for each in self.folder.diagnostics]


def test_what_is_written_is_believed_at_once() -> None:
    """A new file and a changed object wait for nothing."""
    scene = Scene(a=config_map("x"))
    scene.say(b=config_map("w"))
    assert scene.served == {"x", "w"}
    assert scene.confirmation.due == float("inf")


def test_a_deleted_file_is_believed_after_a_moment() -> None:
    """A file that stays away takes its objects along; one that is back before then takes nothing."""
    scene = Scene(a=config_map("x"))
    scene.say(a=None)
    scene.wait(PAUSES.deleted * 0.9)
    assert scene.served == {"x"}
    scene.say(a=config_map("x"))
    scene.wait(PAUSES.deleted * 2)
    assert scene.served == {"x"}
    scene.say(a=None)
    scene.wait(PAUSES.deleted)
    assert (scene.served, scene.told) == (set(), [])


def test_deletions_wait_for_the_folder_to_come_to_rest() -> None:
    """While files come one after the other, as when a folder is copied anew, those still missing are not gone."""
    scene = Scene(**{f"f{n}": config_map(f"o{n}") for n in range(6)})
    scene.say(**{f"f{n}": None for n in range(6)})
    for number in range(5):
        scene.wait(PAUSES.deleted * 0.8)
        scene.say(**{f"f{number}": config_map(f"o{number}")})
    assert scene.served == {f"o{n}" for n in range(6)}
    scene.wait(PAUSES.deleted)
    assert scene.served == {f"o{n}" for n in range(5)}


def test_unrest_has_an_end() -> None:
    """A folder that never comes to rest does not keep a deleted file for ever."""
    scene = Scene(a=config_map("x"))
    scene.say(a=None)
    for number in range(2 * PAUSES.most_extension):
        scene.wait(PAUSES.deleted * 0.9)
        scene.say(b=config_map("w", str(number)))
    assert scene.served == {"w"}


def test_an_empty_file_is_told_and_keeps_its_objects() -> None:
    """`helm template > f` empties f while it works: nothing goes, and after a second that is told."""
    scene = Scene(a=BOTH)
    scene.say(a="")
    assert (scene.served, scene.told) == ({"x", "w"}, [])
    scene.wait(10.0)
    assert scene.served == {"x", "w"}
    assert scene.told == [
        "a: warning: has no objects any more; what it gave before stays until that has been so for 30 s: "
        "to remove it at once, delete the file"
    ]
    scene.say(a=documents(config_map("x", "2"), config_map("w")))
    assert (scene.served, scene.told) == ({"x", "w"}, [])
    assert scene.confirmation.due == float("inf")


def test_a_file_that_stays_empty_is_believed() -> None:
    """A file that is emptied for good loses its objects in the end, whatever other files do meanwhile."""
    scene = Scene(a=BOTH)
    scene.say(a="# nothing\n")
    for number in range(6):
        scene.wait(PAUSES.emptied / 6)
        scene.say(b=config_map("z", str(number)))
    scene.wait(0.0)
    assert (scene.served, scene.told) == ({"z"}, [])


def test_an_object_that_is_missing_is_believed_once_the_file_rests() -> None:
    """A file that grows in pieces keeps its objects; what is not in it when it rests is gone."""
    scene = Scene(a=documents(*(config_map(name) for name in "pqr")))
    for text in (config_map("p"), documents(config_map("p"), config_map("q"))):
        scene.say(a=text)
        scene.wait(PAUSES.shrunk * 0.9)
        assert scene.served == {"p", "q", "r"}
    assert "still being written" in scene.told[0]
    scene.wait(PAUSES.shrunk)
    assert (scene.served, scene.told) == ({"p", "q"}, [])


def test_a_text_that_breaks_off_is_not_believed_at_once() -> None:
    """A valid object that ends within a line may be the first half of another: the last good one stays for a while."""
    scene = Scene(a=config_map("x", "whole"))
    scene.say(a=config_map("x", "half").rstrip("\n"))
    assert "whole" in str(scene.folder.objects)
    scene.wait(PAUSES.shrunk)
    assert "half" in str(scene.folder.objects)
    scene.say(a=config_map("x", "again").rstrip("\n"))
    assert "again" in str(scene.folder.objects)


def test_an_error_is_told_a_moment_later() -> None:
    """A file that does not parse for a moment causes no alarm."""
    scene = Scene(a=config_map("x"))
    scene.say(a="a: [")
    assert scene.told == []
    scene.wait(PAUSES.shrunk)
    assert (scene.served, len(scene.told)) == ({"x"}, 1)


def test_an_object_may_be_on_its_way_to_a_file_that_is_still_read() -> None:
    """What a file loses while another one is being read, which may have it, is waited for."""
    scene = Scene(a=BOTH)
    scene.busy = True
    scene.say(a=config_map("x"))
    scene.wait(PAUSES.shrunk)
    assert scene.served == {"x", "w"}
    scene.busy = False
    scene.say(b=config_map("w"))
    assert scene.served == {"x", "w"}
    scene.wait(PAUSES.shrunk)
    assert (scene.served, scene.told) == ({"x", "w"}, [])


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
def test_in_the_end_the_files_are_believed(
    history: list[tuple[dict[str, str | None], float]], end: dict[str, str | None]
) -> None:
    """Whatever files said before and whenever, once they rest they are served as when first read."""
    scene, fresh = Scene(), FileStore()
    for step, pause in history:
        scene.say(**_own(step))
        scene.wait(pause)
    scene.say(**_own(end))
    scene.wait(PAUSES.emptied * PAUSES.most_extension)
    fresh.apply({name: ABSENT if text is None else read(text.encode(), name) for name, text in _own(end).items()})
    assert (scene.folder.objects, scene.told) == (fresh.objects, [])


def _own(files: dict[str, str | None]) -> dict[str, str | None]:
    """Return the same with names that say which file they are of, so that no object is in two."""
    return {name: text and text.replace("name: ", f"name: {name}-") for name, text in files.items()}
