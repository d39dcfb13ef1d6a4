"""Parsing of text to documents with positions: what is accepted, what is rejected, and the messages."""

import json
import re
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from watchers.files import documents as manifests
from watchers.files.documents import MAX_BYTES, ManifestError, ObjectDocument, count_lines, read_part, split
from watchers.files.yaml_decoder import MAX_DEPTH, MAX_NODES, Budget, Path


def load(text: str | bytes, file: str = "f.yaml", budget: Budget | None = None) -> ObjectDocument:
    """Return the documents of a file with this text, parsed in parts."""
    found, line, budget = ObjectDocument(), 1, budget or Budget()
    try:
        for part in split(text.encode() if isinstance(text, str) else text, file):
            read = read_part(part, file, line, budget)
            found = ObjectDocument(found.documents + read.documents, found.faults + read.faults)
            line += count_lines(part)
    except ManifestError as error:
        return ObjectDocument(faults=(error.fault,))
    return found


def raws(text: str, file: str = "f.yaml") -> list[object]:
    """Return the documents of a valid text."""
    manifest = load(text, file)
    assert manifest.faults == ()
    return [document.raw for document in manifest.documents]


def test_documents_have_their_first_line() -> None:
    """Each of several documents has its line; empty ones and comments are left out."""
    text = "# a comment\n---\n---\na: 1\n--- # b\n\nb: 2\n...\n---\n~\n"
    assert [(each.raw, each.line) for each in load(text).documents] == [({"a": 1}, 4), ({"b": 2}, 7)]


@pytest.mark.parametrize("text", ["", "\n", "# only a comment\n", "---\n---\n", "null\n"])
def test_a_file_may_be_empty(text: str) -> None:
    """An empty file has no documents and no errors."""
    assert load(text) == ObjectDocument()


def test_a_list_is_replaced_by_its_items() -> None:
    """The items of a List, or of a list of one kind, are documents with their own lines."""
    text = "kind: List\nitems:\n- kind: A\n\n- kind: B\n  spec:\n    x: 1\n"
    documents = load(text).documents
    assert [(each.raw["kind"], each.line) for each in documents] == [("A", 3), ("B", 5)]
    assert documents[1].line_of(("spec", "x")) == 7
    assert [item["kind"] for item in json.loads(json.dumps(raws("kind: HTTPRouteList\nitems: [{kind: C}]")))] == ["C"]


@pytest.mark.parametrize(
    ("path", "line"),
    [
        ((), 3),
        (("spec",), 4),
        (("spec", "rules", 0), 6),
        (("spec", "rules", 0, "b", 0, "c"), 8),
        (("spec", "rules", 1, "e"), 10),
        (("spec", "rules", 7, "e"), 5),
        (("spec", "missing", "more"), 4),
        (("missing",), 3),
    ],
)
def test_a_missing_field_has_the_line_of_its_parent(path: Path, line: int) -> None:
    """The line of a missing field is that of the nearest existing parent."""
    text = "# c\n---\nkind: A\nspec:\n  rules:\n  - a: 1\n    b:\n    - c: 1\n  - {d: 1,\n     e: 2}\n"
    assert load(text).documents[0].line_of(path) == line


@pytest.mark.parametrize("ends", ["\n", "\r\n"])
def test_line_numbers_do_not_depend_on_line_ends(ends: str) -> None:
    """Lines are counted equally with the line ends of Windows, and after a byte order mark."""
    text = "\ufeffa: 1\n---\nb:\n  c: 1\n".replace("\n", ends)
    assert [each.line_of(("b", "c")) for each in load(text).documents] == [1, 4]


@pytest.mark.parametrize(
    ("written", "value"),
    [
        ("2020-01-01", "2020-01-01"),
        ("2020-01-01T10:00:00Z", "2020-01-01T10:00:00Z"),
        ("010", 8),
        ("0o17", 15),
        ("0x1F", 31),
        ("0b101", 5),
        ("1_000", 1000),
        ("-5", -5),
        ("1e3", 1000.0),
        (".5", 0.5),
        ("1.", 1.0),
        ("1.2.3", "1.2.3"),
        ("1:30", "1:30"),
        ("089", 89.0),
        ("9" * 40, float("9" * 40)),
        ("1e999", "1e999"),
        ("yes", True),
        ("Off", False),
        ("n", False),
        ("~", None),
        ("", None),
        (".inf", ".inf"),
        ("-", None),
        ("'yes'", "yes"),
        ('"1"', "1"),
        ("!!str 1", "1"),
        ("!!int 1", 1),
        ("|\n    x\n    y\n", "x\ny\n"),
    ],
)
def test_scalars_have_the_values_of_kubectl(written: str, value: object) -> None:
    """Timestamps stay strings; all others have the values of kubectl's YAML library."""
    if written == "-":
        assert raws("a:\n  -\n") == [{"a": [None]}]
    else:
        assert raws(f"a: {written}\n") == [{"a": value}]


def test_keys_are_strings() -> None:
    """Keys become strings, as on their way to the API server."""
    assert raws("80: a\n1.5: b\nyes: c\n'x y': d\n") == [{"80": "a", "1.5": "b", "true": "c", "x y": "d"}]


def test_aliases_and_merge_keys() -> None:
    """Anchors, aliases and merge keys work; explicit keys have precedence over merged ones, and earlier merges too."""
    text = "a: &a {x: 1, w: 1}\nb: &b {w: 2, z: 2}\nc:\n  <<: [*a, *b]\n  x: 3\nd: *a\n"
    assert raws(text) == [
        {"a": {"x": 1, "w": 1}, "b": {"w": 2, "z": 2}, "c": {"x": 3, "w": 1, "z": 2}, "d": {"x": 1, "w": 1}}
    ]


def test_anchors_end_with_their_document() -> None:
    """An alias of another document's anchor is rejected."""
    assert [each.place.line for each in load("a: &a 1\n---\nb: *a\n").faults] == [3]


def test_json_may_have_tabs_and_surrogates() -> None:
    """A .json file may be indented by tabs, and escape a character as two surrogates."""
    text = '{\n\t"kind": "A",\n\t"x": ["\\ud83d\\ude00", "\\/", "\\\\ud83d"]\n}\n'
    assert raws(text, "f.json") == [{"kind": "A", "x": ["😀", "/", "\\ud83d"]}]


values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**64)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(exclude_categories=["Cs", "Cc"]), max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text("abc-/. 😀", max_size=9), inner, max_size=4),
    max_leaves=20,
)


@given(st.dictionaries(st.sampled_from(["kind", "spec", "x"]), values, min_size=1), st.sampled_from([None, 2, "\t"]))
def test_any_json_is_read_unchanged(value: dict[str, object], indent: int | str | None) -> None:
    """Any object written as JSON, in any layout, is read as an equal one."""
    assert raws(json.dumps(value, indent=indent), "f.json") == [value]


@pytest.mark.parametrize(
    ("text", "line", "says"),
    [
        ("a:\n\tb: 1\n", 2, "tab"),
        ("a: |\n  x\n\ty\n", 3, "tab"),
        ("a: b: c\n", 1, "quote"),
        ("a: 1\n b: 2\n", 2, "indentation"),
        ("a:\n  - 1\n - 2\n", 3, "indentation"),
        ("a: 1\nb\nc: 2\n", 3, "without its ':'"),
        ("a: 'x\nb: 1\n", 3, "quote that is not closed (found unexpected end of stream (while scanning a quoted"),
        ("a: [1,\nb: 1\n", 3, "starts on line 1"),
        ("a: @x\n", 1, "quotes"),
        ("a: *.example.com\n", 1, "quotes"),
        ("a: *x\n", 1, "no anchor &x"),
        ("a: &x {b: *x}\n", 1, "no anchor &x"),
        ('a: "\\d"\n', 1, "single quotes"),
        ("a: 1\nb:\n  c: 1\n  c: 2\n", 4, "the key 'c' is there twice, first on line 3"),
        ("1: a\n'1': b\n", 2, "twice"),
        ("? [a]\n: b\n", 1, "a key must be a text"),
        ("a:\n  <<: 1\n", 2, "merges mappings"),
        ("a: !!python/object/apply:os.system [ls]\n", 1, "the tag !!python/object/apply:os.system"),
        ("a: !secret x\n", 1, "the tag !secret"),
        ("a: !!int x\n", 1, "the tag !!int"),
        ("a: 1\nb: \x01\n", 2, "control character"),
        ("- 1\n", 1, "not an object of Kubernetes"),
        ("a: 1\n---\njust text\n", 3, "not an object of Kubernetes"),
        ("kind: List\nitems:\n- 1\n", 3, "not an object of Kubernetes"),
        ("a: 1\n...\nb: 2\n", 3, "after the end of the document"),
    ],
)
def test_a_mistake_has_one_message_with_its_line(text: str, line: int, says: str) -> None:
    """A mistake is reported once, with the file, the line and the way to correct it."""
    (fault,) = load(text, "dir/f.yaml").faults
    assert (fault.place.file, fault.place.line, fault.severity) == ("dir/f.yaml", line, "error")
    assert says in fault.message


def test_a_file_that_does_not_parse_has_no_documents() -> None:
    """The documents before a syntax error are not used: half a file was not intended."""
    assert load("a: 1\n---\nb: [\n").documents == ()


def test_other_encodings_are_rejected() -> None:
    """A file that is not UTF-8 has an error with the line."""
    (fault,) = load("a: 1\nb: ü\n".encode("latin-1")).faults
    assert fault.place.line == 2
    assert "UTF-8" in fault.message


def test_large_files_are_rejected() -> None:
    """A file above the limit is not parsed."""
    (fault,) = load(b"#" * (MAX_BYTES + 1)).faults
    assert "larger than 16 MB" in fault.message


def test_more_values_than_the_budget_are_rejected() -> None:
    """The parts of a file share one budget of values, and the error has the line of the part that exceeds it."""
    (fault,) = load("a: [1, 2]\n---\nb: [1, 2]\n", budget=Budget(nodes=9)).faults
    assert fault.place.line == 3
    assert f"more than {MAX_NODES:,} values; split it" in fault.message
    assert load("a: [1, 2]\n---\nb: [1, 2]\n", budget=Budget(nodes=10)).faults == ()


@pytest.mark.parametrize("text", ["---\n" * 200_000, "%YAML 1.1\n" + "---\n" * 1_100_000])
def test_too_many_documents_are_rejected(text: str) -> None:
    """A file of document markers only is rejected, with and without a directive."""
    (fault,) = load(text).faults
    assert "split it" in fault.message


@given(st.text(alphabet="\n\r-# a", max_size=60), st.integers(1, 7))
def test_the_search_in_pieces_finds_all_documents(text: str, size: int) -> None:
    """Documents and lines are the same, wherever the pieces of the search end."""
    starts = [match.end() for match in re.finditer(r"\n(?=---(?:[ \t\r\n]|\Z))", text)]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(manifests, "_PIECE", size)
        assert split(text.encode(), "f.yaml") == [text[a:b] for a, b in pairwise([0, *starts, len(text)])]
        assert count_lines(text) == len(re.findall("\r\n|\r|\n", text))


class _Searched(str):
    """A text that records the spans in which it is searched."""

    def __new__(cls, text: str, spans: list[tuple[int, int]]) -> "_Searched":
        made = super().__new__(cls, text)
        made.spans = spans
        return made

    spans: list[tuple[int, int]]

    def find(self, wanted: str, *span: int) -> int:  # type: ignore[override]
        self.spans.append((span[0], min(span[1], len(self))))
        return super().find(wanted, *span)

    def count(self, wanted: str, *span: int) -> int:  # type: ignore[override]
        self.spans.append((span[0], min(span[1], len(self))))
        return super().count(wanted, *span)


def test_no_search_blocks_the_process(monkeypatch: pytest.MonkeyPatch) -> None:
    """A file of line ends only is searched in pieces, as no other thread runs during each."""
    monkeypatch.setattr(manifests, "_PIECE", 100)
    spans: list[tuple[int, int]] = []
    text = _Searched("\n" * 1_000, spans)
    monkeypatch.setattr(manifests, "_decode", lambda _: text)
    assert split(b"", "f.yaml") == [text]
    assert count_lines(text) == 1_000
    assert max(end - start for start, end in spans) < 110
    assert len(spans) >= 11 * 10


def test_the_cost_of_a_merge_is_linear() -> None:
    """Twice as many mappings under a merge key cost twice as much, and the first one with a key has precedence."""

    def spent(count: int) -> int:
        budget = Budget()
        text = "<<: [" + ", ".join(f"{{k{n}: {n}, same: {n}}}" for n in range(count)) + "]\nown: 1\n"
        (document,) = load(text, budget=budget).documents
        assert document.raw == {f"k{n}": n for n in range(count)} | {"same": 0, "own": 1}
        return MAX_NODES - budget.nodes

    assert spent(400) - spent(200) == spent(600) - spent(400) == 200 * 7


def test_large_merges_are_charged() -> None:
    """The values that merge keys copy are charged, so that a long list of aliases of one mapping is rejected."""
    text = "a: &a {" + ", ".join(f"k{n}: 1" for n in range(1000)) + "}\nb: {<<: [" + ", ".join(["*a"] * 5000) + "]}\n"
    (fault,) = load(text).faults
    assert "aliases" in fault.message or "values" in fault.message


def test_parsing_can_be_interrupted_anywhere() -> None:
    """Exceptions of `interrupt` end the parsing of a single long value as well as of many short ones."""

    class StopError(Exception):
        pass

    for text in ("a: " + "x" * 100_000, "- a\n" * 100_000):
        calls = 0

        def interrupt() -> None:
            nonlocal calls
            calls += 1
            if calls == 3:
                raise StopError

        with pytest.raises(StopError):
            load(text, budget=Budget(interrupt=interrupt))


def test_expansion_of_aliases_is_bounded() -> None:
    """A few lines of aliases of aliases are rejected before they become millions of values."""
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 9)]
    (fault,) = load("\n".join(lines)).faults
    assert "aliases" in fault.message


@pytest.mark.parametrize("text", ["[" * 300_000, "- " * 300_000, "{a: " * 100_000, "? " * 100_000])
def test_nesting_is_bounded(text: str) -> None:
    """A file of brackets only is rejected, which would crash the process if it were composed."""
    (fault,) = load(text).faults
    assert f"more than {MAX_DEPTH} deep" in fault.message or "key must be a text" in fault.message


@given(st.text(st.sampled_from("ab:-{}[]'\"&*!|>#%@ \n\t,?.0~"), max_size=60), st.sampled_from(["f.yaml", "f.json"]))
def test_no_text_raises(text: str, file: str) -> None:
    """Any text is either documents, or an error with a line of the file; lines can be looked up."""
    manifest = load(text, file)
    for fault in manifest.faults:
        assert 1 <= fault.place.line <= text.count("\n") + 2
    for document in manifest.documents:
        assert 1 <= document.line_of(("a", 0, "b")) <= text.count("\n") + 1
