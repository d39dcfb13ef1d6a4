"""Parser from the text of a file to documents with positions: YAML or JSON, as kubectl accepts it.

A file is read in parts, each a document with its `---`, so that an unchanged part need not be parsed again.
"""

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import islice, pairwise

import yaml

from watchers.diagnostics import Diagnostic, Place
from watchers.files.yaml_decoder import Budget, Lines, Path, ValueFault, YamlValues

MAX_BYTES = 16 * 1024 * 1024
"""The largest file that is read; the API server's own limit for one object is 3 MB."""

MAX_DOCUMENTS = 100_000
"""Most documents in a file, including empty ones."""

_SURROGATES = re.compile(r"\\u([dD][89abAB][0-9a-fA-F]{2})\\u([dD][c-fC-F][0-9a-fA-F]{2})")

_BREAKS = ("\n", "\r", "\x85", "\u2028", "\u2029")
"""The line breaks of YAML 1.1, besides the first two together."""
_MARKER, _MARKER_ENDS = "\n---", ("", " ", "\t", "\r", "\n")
"""The start of a document, and what may follow it: no YAML value, not even a scalar, can contain such a line."""

_PIECE = 256 * 1024
"""Characters searched at once: during a search, no other thread of the process runs."""

_WAYS_OUT = (
    (r"found a tab character|'\\t'", "a tab is used for indentation here; YAML wants spaces"),
    (r"cannot start any token", "a text that begins with this character must be put in quotes"),
    (r"mapping values are not allowed", "there is a ': ' where no key can be; check the indentation or quote the text"),
    (r"could not find expected ':'", "a key without its ':'; check this line and the one above it"),
    (r"did not find expected key|expected <block end>", "the indentation does not match the lines above it"),
    (r"did not find expected '-' indicator", "the indentation does not match the list above it"),
    (r"did not find expected ',' or '[\]}]'", "a bracket that is not closed, or a comma that is missing"),
    (r"did not find expected <document start>", "there is text after the end of the document; check the indentation"),
    (r"found unexpected end of stream", "a quote that is not closed"),
    (r"found unknown escape character", "use single quotes to have backslashes taken as they are"),
    (r"did not find expected alphabetic or numeric", "a text that begins with '*' or '&' must be put in quotes"),
)


class _Source:
    """The text of one document, parsed again for the lines of fields when needed: few documents have problems."""

    def __init__(self, text: str, line: int, interrupt: Callable[[], None]) -> None:
        self._text = text
        self._line = line
        self._interrupt = interrupt
        self._lines: Lines | None = None

    def line_of(self, path: Path) -> int:
        if self._lines is None:
            self._lines = Lines()
            next(YamlValues(self._text, self._lines, Budget(interrupt=self._interrupt)).documents())
        return self._line + self._lines.of(path)


@dataclass(frozen=True, slots=True)
class Document:
    """One object in a file.

    Attributes:
        raw: the object's fields.
        file: the name of the file.
        line: its first line, from 1.
    """

    raw: Mapping[str, object]
    file: str
    line: int
    _source: _Source = field(repr=False, compare=False)
    _prefix: Path = ()

    @property
    def place(self) -> Place:
        """The place of its first line."""
        return Place(self.file, self.line)

    def line_of(self, path: Path) -> int:
        """Return the line of a field or, if it is missing, of the nearest existing parent; from 1."""
        return self._source.line_of((*self._prefix, *path)) if path else self.line


@dataclass(frozen=True, slots=True)
class ObjectDocument:
    """The documents of a file, or of a part of it.

    Attributes:
        documents: its objects, in order.
        faults: the errors that hide some of its objects.
    """

    documents: tuple[Document, ...] = ()
    faults: tuple[Diagnostic, ...] = ()


class ManifestError(Exception):
    """A text cannot be parsed, so that its file is unreadable; it has the place and the reason."""

    def __init__(self, fault: Diagnostic) -> None:
        super().__init__(str(fault))
        self.fault = fault


def split(data: bytes, file: str) -> list[str]:
    """Split a file's content at the starts of documents; joined, the parts are the whole text.

    Args:
        data: the content, in UTF-8, of at most `MAX_BYTES`.
        file: its name, for the messages; a `.json` file may contain characters as pairs of escaped surrogates.

    Raises:
        ManifestError: the content is not text, or too long.
    """
    try:
        text = _decode(data)
    except ValueFault as fault:
        raise _error(file, fault.line + 1, fault.message) from None
    if file.endswith(".json"):
        text = _SURROGATES.sub(_join_surrogates, text)
    if text.startswith("%") or any(True for end in _BREAKS for _ in _find(text, f"{end}%")):
        return [text]  # a directive precedes the `---` of its document
    markers = list(islice(_markers(text), MAX_DOCUMENTS))
    if len(markers) == MAX_DOCUMENTS:
        raise _error(file, 0, f"the file holds more than {MAX_DOCUMENTS:,} documents; split it")
    return [text[start:end] for start, end in pairwise([0, *markers, len(text)])]


def count_lines(text: str) -> int:
    """Return the number of YAML line breaks in a text."""
    return sum(_count(text, end) for end in _BREAKS) - _count(text, "\r\n")


def _markers(text: str) -> Iterator[int]:
    """Yield the positions at which documents start, except the first."""
    for at in _find(text, _MARKER):
        end = at + len(_MARKER)
        if text[end : end + 1] in _MARKER_ENDS:
            yield at + 1


def _find(text: str, wanted: str) -> Iterator[int]:
    """Yield the positions of a substring that does not overlap with itself."""
    for start, end in _pieces(text, wanted):
        at = text.find(wanted, start, end)
        while at >= 0:
            yield at
            at = text.find(wanted, at + len(wanted), end)


def _count(text: str, wanted: str) -> int:
    """Return the number of occurrences of a substring that does not overlap with itself."""
    return sum(text.count(wanted, start, end) for start, end in _pieces(text, wanted))


def _pieces(text: str, wanted: str) -> Iterator[tuple[int, int]]:
    """Yield start and end of pieces of a text, so that each occurrence of a substring is within one."""
    return ((start, start + _PIECE + len(wanted) - 1) for start in range(0, len(text), _PIECE))


def read_part(text: str, file: str, line: int, budget: Budget) -> ObjectDocument:
    """Parse one part of a file.

    Args:
        text: the text of the part, from `split`.
        file: the name of the file.
        line: the first line of the part, from 1.
        budget: the budget of the file, which is charged.

    Returns:
        Its documents; a `List` is replaced by its items, and empty documents are left out.

    Raises:
        ManifestError: it is not YAML, or contains values that JSON does not have.
    """
    values = YamlValues(text, budget=budget)
    try:
        found = list(_documents(values, file, line, budget.interrupt))
    except ValueFault as fault:
        raise _error(file, line + fault.line, fault.message) from None
    except yaml.MarkedYAMLError as error:
        below, message = _explain(error, text, line)
        raise _error(file, line + below, message) from None
    except yaml.reader.ReaderError as error:
        below = count_lines(text[: error.position]) if isinstance(error.position, int) else 0
        message = "there is a control character here, which YAML does not allow; remove it"
        raise _error(file, line + below, message) from None
    documents = tuple(each for each in found if isinstance(each, Document))
    return ObjectDocument(documents, tuple(each for each in found if isinstance(each, Diagnostic)))


def _error(file: str, line: int, message: str) -> ManifestError:
    return ManifestError(Diagnostic(Place(file, line), message))


def _decode(data: bytes) -> str:
    if len(data) > MAX_BYTES:
        raise ValueFault(f"the file is larger than {MAX_BYTES >> 20} MB; split it", 0)
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise ValueFault("the file is not UTF-8; save it in that encoding", data.count(b"\n", 0, error.start)) from None


def _join_surrogates(match: re.Match[str]) -> str:
    """Replace the two escapes of a character above U+FFFF in JSON by the one of YAML."""
    before = start = match.start()
    while before and match.string[before - 1] == "\\":
        before -= 1
    if (start - before) % 2:
        return match[0]  # the first backslash is itself escaped
    high, low = int(match[1], 16), int(match[2], 16)
    return f"\\U{0x10000 + ((high - 0xD800) << 10) + (low - 0xDC00):08x}"


def _explain(error: yaml.MarkedYAMLError, text: str, line: int) -> tuple[int, str]:
    """Return the line of an error, relative to the text's first line, and its message.

    For common mistakes, the message says how to correct them. `line` is the text's first line in the file.
    """
    problem = error.problem or "it is not YAML"
    mark = error.problem_mark or error.context_mark
    if mark is not None and problem.startswith("found character that"):
        problem = f"found character {text[mark.index : mark.index + 1]!r} that {problem[21:]}"
    way_out = next((text for pattern, text in _WAYS_OUT if re.search(pattern, problem)), None)
    start = error.context_mark
    if start is not None and mark is not None and start.line != mark.line:
        problem += f" ({error.context}, which starts on line {line + start.line})"
    return mark.line if mark else 0, f"{way_out} ({problem})" if way_out else f"this is not YAML: {problem}"


def _documents(
    values: YamlValues, file: str, line: int, interrupt: Callable[[], None]
) -> Iterator[Document | Diagnostic]:
    for value, below, written in values.documents():
        if value is not None:
            yield from _expand(value, file, line + below, _Source(written, line + below, interrupt), ())


def _expand(value: object, file: str, line: int, source: _Source, prefix: Path) -> Iterator[Document | Diagnostic]:
    if not isinstance(value, dict):
        message = "this is not an object of Kubernetes, which has the keys 'apiVersion', 'kind' and 'metadata'"
        yield Diagnostic(Place(file, line), message)
        return
    items = value.get("items")
    if prefix or not str(value.get("kind")).endswith("List") or not isinstance(items, list):
        yield Document(value, file, line, source, prefix)
        return
    for index, item in enumerate(items):
        path: Path = ("items", index)
        yield from _expand(item, file, source.line_of(path), source, path)
