"""Files in parts: known parts are not parsed again, without a difference in the result."""

from __future__ import annotations

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from tests.watchers.files.written import config_map, documents
from watchers.files import contents as reading
from watchers.files.contents import MOST_DIAGNOSTICS, FileContents, read
from watchers.files.documents import ObjectDocument, count_lines, read_part, split
from watchers.files.yaml_decoder import MAX_EXPANSION, Budget, ValueFault, YamlValues

FILE = "f.yaml"

PIECES = [
    *(
        "---",
        "--- ",
        "---\t",
        "--- |",
        "--- >-",
        "--- 'x",
        '--- "x',
        "--- # c",
        "--- [1",
        "--- {a: 1}",
        "---x",
        " ---",
        "# ---",
    ),
    *(
        "...",
        "... ",
        "a: 1",
        "b: |",
        "b: >+",
        "c:",
        "  x",
        "  ---",
        "- a",
        "- - b",
        "'",
        '"',
        "]",
        "}",
        "# c",
        "é",
        "text",
    ),
    *("%YAML 1.1", "%TAG ! !x", "a: %x", "? a", ": b", "a: &a x", "b: *a", "!t", "a: 'x", 'a: "x', "a: [", "a: {"),
]
BREAKS = ["\n", "\n", "\n", "\r\n", "\r", "\x85", "\u2028"]


@st.composite
def texts(draw: st.DrawFn) -> str:
    """Return texts of lines that start documents, or are similar to those."""
    pieces = st.tuples(st.sampled_from(PIECES), st.sampled_from(BREAKS))
    return "".join(piece + end for piece, end in draw(st.lists(pieces, max_size=9))) + draw(st.sampled_from(PIECES))


def whole(text: str) -> list[tuple[object, int]] | None:
    """Return the documents of a text parsed at once, each with its line; None if it is not YAML."""
    try:
        return [(value, line) for value, line, _ in YamlValues(text).documents()]
    except (yaml.YAMLError, ValueFault):
        return None


def in_parts(text: str) -> list[tuple[object, int]] | None:
    """Return the documents of a text parsed in parts."""
    found, line = [], 0
    for part in split(text.encode(), FILE):
        documents = whole(part)
        if documents is None:
            return None
        found += [(value, line + below) for value, below in documents]
        line += count_lines(part)
    return found


@given(texts())
def test_parts_equal_the_whole(text: str) -> None:
    """A file parsed in parts has the same documents on the same lines, or the same error, as parsed at once."""
    assert "".join(split(text.encode(), FILE)) == text
    assert in_parts(text) == whole(text)


lines = st.sampled_from(["", "# a line", "\n\n"])
objects = st.one_of(
    st.builds(config_map, st.sampled_from("abc"), st.sampled_from("12")),
    st.sampled_from(["kind: [", "kind: Nonsense\n", "- 1\n", config_map("b") + "more: true\n", "a: &a 1\nb: *a\n"]),
)
files = st.lists(st.tuples(objects, lines).map("".join), max_size=5).map(lambda each: documents(*each))


@given(st.lists(files, min_size=1, max_size=4), files)
def test_known_parts_do_not_change_the_result(before: list[str], text: str) -> None:
    """Whatever the earlier contents of a file, it is parsed as if for the first time, including lines."""
    found = FileContents({})
    for each in before:
        found = read(each.encode(), FILE, found.parts)
    assert read(text.encode(), FILE, found.parts) == read(text.encode(), FILE)


def test_only_changed_parts_are_parsed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of many documents in a file, only the new one is parsed; the others are the same objects."""
    texts = [config_map(f"map-{number}") for number in range(50)]
    before = read(documents(*texts).encode(), FILE)
    texts[7] = "# moves all below\n" + config_map("map-7", "2")
    parsed: list[str] = []

    def counting(text: str, file: str, line: int, budget: Budget) -> ObjectDocument:
        parsed.append(text)
        return read_part(text, file, line, budget)

    monkeypatch.setattr(reading, "read_part", counting)
    after = read(documents(*texts).encode(), FILE, before.parts)
    assert parsed == [f"---\n{texts[7]}"]
    same = [after.definitions[ref].object is before.definitions[ref].object for ref in after.definitions]
    assert same.count(False) == 1
    moved = [after.definitions[ref].place.line - before.definitions[ref].place.line for ref in after.definitions]
    assert moved == [0] * 7 + [1] * 43


def test_a_mistake_does_not_drop_known_parts() -> None:
    """A file that does not parse for a moment keeps its known parts."""
    good = documents(*(config_map(name) for name in "abc")).encode()
    before = read(good, FILE)
    broken = read(good + b"---\na: [\n", FILE, before.parts)
    assert not broken.complete
    assert broken.parts == before.parts


def test_aliases_of_all_parts_count_together() -> None:
    """The limit of aliases applies to all documents of a file together."""
    bomb = f"a: &a {'x' * 400_000}\nb: [*a, *a]\n"
    assert len(bomb) * 2 < 2 * MAX_EXPANSION
    (fault,) = read(documents(bomb, bomb).encode(), FILE).diagnostics
    assert fault.place.line == 5
    assert "aliases" in fault.message
    known = read(documents(bomb, "a: 1\n").encode(), FILE).parts
    assert read(documents(bomb, bomb).encode(), FILE, known).diagnostics == (fault,)


def test_diagnostics_of_a_file_are_bounded() -> None:
    """Of thousands of invalid objects, the first thousand have diagnostics, and another one has the rest's number."""
    wrong = documents(*("apiVersion: v1\nkind: ConfigMap\n" for _ in range(MOST_DIAGNOSTICS + 200)))
    found = read(wrong.encode(), FILE)
    assert len(found.diagnostics) == MOST_DIAGNOSTICS + 1
    assert (found.diagnostics[-1].severity, found.complete) == ("error", False)
    assert "200 more things are wrong" in found.diagnostics[-1].message
