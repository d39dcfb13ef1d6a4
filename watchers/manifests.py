"""The text of a file to documents with positions: YAML or JSON, as kubectl takes it."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

import yaml

from watchers.diagnostic import Diagnostic, Place
from watchers.yaml_values import Path, ValueFault, YamlValues

MAX_BYTES = 16 * 1024 * 1024
"""The largest file that is read; the API server's own limit for one object is 3 MB."""

_SURROGATES = re.compile(r"(?<!\\)((?:\\\\)*)\\u([dD][89abAB][0-9a-fA-F]{2})\\u([dD][c-fC-F][0-9a-fA-F]{2})")

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
    """The text of one document, from which lines are found again when somebody asks: few documents have problems."""

    def __init__(self, text: str, line: int) -> None:
        self._text = text
        self._line = line
        self._lines: dict[Path, int] | None = None

    def line_of(self, path: Path) -> int:
        if self._lines is None:
            self._lines = {}
            next(YamlValues(self._text, self._lines).documents())
        for end in range(len(path), 0, -1):
            if (line := self._lines.get(path[:end])) is not None:
                return self._line + line
        return self._line


@dataclass(frozen=True, slots=True)
class Document:
    """One object as it is written.

    Attributes:
        raw: the object's fields.
        file: the name of the file.
        line: where it starts, counted from 1.
    """

    raw: Mapping[str, object]
    file: str
    line: int
    _source: _Source = field(repr=False, compare=False)
    _prefix: Path = ()

    @property
    def place(self) -> Place:
        """Where it starts."""
        return Place(self.file, self.line)

    def line_of(self, path: Path) -> int:
        """The line of a field, or of the nearest field around it that is written there; counted from 1."""
        return self._source.line_of((*self._prefix, *path)) if path else self.line


@dataclass(frozen=True, slots=True)
class Manifest:
    """What one file says.

    Attributes:
        documents: its objects, in order.
        faults: what keeps us from knowing all of its objects; a text that does not parse has no documents at all.
    """

    documents: tuple[Document, ...] = ()
    faults: tuple[Diagnostic, ...] = ()


def read_manifest(data: bytes, file: str) -> Manifest:
    """Take a file's content apart.

    Args:
        data: the content, in UTF-8, of at most `MAX_BYTES`.
        file: its name, for the messages; one that ends in `.json` may write characters as pairs of surrogates.

    Returns:
        Its documents; a `List` stands for its items, and empty documents are left out. Nothing is raised for bad input.
    """
    text = ""
    try:
        text = _decode(data)
        if file.endswith(".json"):
            text = _SURROGATES.sub(_join_surrogates, text)
        found = list(_documents(text, file))
    except ValueFault as fault:
        return _refuse(file, fault.line, fault.message)
    except yaml.MarkedYAMLError as error:
        return _refuse(file, *_explain(error, text))
    except yaml.reader.ReaderError as error:
        line = text.count("\n", 0, error.position) if isinstance(error.position, int) else 0
        return _refuse(file, line, "there is a control character here, which YAML does not allow; remove it")
    documents = tuple(each for each in found if isinstance(each, Document))
    return Manifest(documents, tuple(each for each in found if isinstance(each, Diagnostic)))


def _refuse(file: str, line: int, message: str) -> Manifest:
    return Manifest(faults=(Diagnostic(Place(file, line + 1), message),))


def _decode(data: bytes) -> str:
    if len(data) > MAX_BYTES:
        raise ValueFault(f"the file is larger than {MAX_BYTES >> 20} MB; split it", 0)
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise ValueFault("the file is not UTF-8; save it in that encoding", data.count(b"\n", 0, error.start)) from None


def _join_surrogates(match: re.Match[str]) -> str:
    """JSON writes characters above U+FFFF as two escapes, YAML as one."""
    high, low = int(match[2], 16), int(match[3], 16)
    return f"{match[1]}\\U{0x10000 + ((high - 0xD800) << 10) + (low - 0xDC00):08x}"


def _explain(error: yaml.MarkedYAMLError, text: str) -> tuple[int, str]:
    """The line, from 0, and a message that says the way out where the mistake is a common one."""
    problem = error.problem or "it is not YAML"
    mark = error.problem_mark or error.context_mark
    if mark is not None and problem.startswith("found character that"):
        problem = f"found character {text[mark.index : mark.index + 1]!r} that {problem[21:]}"
    way_out = next((text for pattern, text in _WAYS_OUT if re.search(pattern, problem)), None)
    start = error.context_mark
    if start is not None and mark is not None and start.line != mark.line:
        problem += f" ({error.context}, which starts on line {start.line + 1})"
    return mark.line if mark else 0, f"{way_out} ({problem})" if way_out else f"this is not YAML: {problem}"


def _documents(text: str, file: str) -> Iterator[Document | Diagnostic]:
    for value, line, written in YamlValues(text).documents():
        if value is not None:
            yield from _expand(value, file, line + 1, _Source(written, line + 1), ())


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
