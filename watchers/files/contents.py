"""The contents of one file: its objects and diagnostics. A pure function of the file's bytes."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import NamedTuple

from translator.objects.schema.base import KubernetesObject
from translator.refs import Ref
from translator.registry import KINDS
from watchers.diagnostics import Diagnostic, Place, Severity
from watchers.files.documents import Document, ManifestError, count_lines, read_part, split
from watchers.files.yaml_decoder import Budget

MOST_DIAGNOSTICS = 1_000
"""The most that are told about one file."""


class Definition(NamedTuple):
    """An object and where it is written."""

    object: KubernetesObject
    place: Place


@dataclass(frozen=True, slots=True)
class Part:
    """What a part of a file says by itself, when it starts at `line` and goes on for `lines` of them."""

    line: int
    lines: int
    definitions: tuple[Definition, ...]
    broken: frozenset[Ref | None]
    complete: bool
    diagnostics: tuple[Diagnostic, ...]
    nodes: int
    expansion: int

    def at(self, line: int) -> "Part":
        """Give what it says when it starts at another line."""
        by = line - self.line
        if not by:
            return self
        claims = tuple(Definition(each.object, _moved(each.place, by)) for each in self.definitions)
        diagnostics = tuple(replace(each, place=_moved(each.place, by)) for each in self.diagnostics)
        return replace(self, line=line, definitions=claims, diagnostics=diagnostics)

    def charge(self, budget: Budget) -> bool:
        """Charge a budget with what it cost to read; not if that is more than is left."""
        if self.nodes > budget.nodes or self.expansion > budget.expansion:
            return False
        budget.nodes -= self.nodes
        budget.expansion -= self.expansion
        return True


def _moved(place: Place, by: int) -> Place:
    return Place(place.file, place.line + by)


@dataclass(frozen=True, slots=True)
class FileContents:
    """The contents of a file.

    Attributes:
        definitions: the valid objects; where a file has one twice, the first.
        broken: the names of objects that are not valid, as far as they are written.
        complete: whether these are all objects of the file. If not, nothing can be said of what is not here.
        diagnostics: what is wrong.
        parts: what its parts say, by their text, so that they need not be read again; if a file cannot be read, what
            they said before.
        breaks_off: whether the text ends within a line, as where it is still being written.
    """

    definitions: Mapping[Ref, Definition]
    broken: frozenset[Ref] = frozenset()
    complete: bool = True
    diagnostics: tuple[Diagnostic, ...] = ()
    parts: Mapping[str, Part] = field(default_factory=dict, compare=False, repr=False)
    breaks_off: bool = field(default=False, compare=False)

    @property
    def errors(self) -> frozenset[tuple[Ref | None, str]]:
        """What is wrong in the file, wherever in it that is."""
        return frozenset((each.ref, each.message) for each in self.diagnostics if each.severity == "error")


ABSENT = FileContents({})
"""The contents of a missing file."""


def unreadable(file: str, message: str) -> FileContents:
    """Return a file or a folder of which nothing can be known at the moment, and why."""
    return FileContents({}, complete=False, diagnostics=(Diagnostic(Place(file), message),))


def read(
    data: bytes, file: str, known: Mapping[str, Part] = MappingProxyType({}), budget: Budget | None = None
) -> FileContents:
    """Read a file's content; whatever is wrong with it becomes a diagnostic.

    Args:
        data: the content.
        file: the name of the file.
        known: the parts of another reading of this file.
        budget: what the file may cost to read; what `budget.interrupt` raises is not caught.
    """
    parts: dict[str, Part] = {}
    try:
        found = list(_parts(split(data, file), file, known, parts, budget or Budget()))
    except ManifestError as error:
        return FileContents({}, complete=False, diagnostics=(error.fault,), parts=known)
    claims: dict[Ref, Definition] = {}
    diagnostics: list[Diagnostic] = []
    for part in found:
        diagnostics += part.diagnostics
        for claim in part.definitions:
            ref = claim.object.ref
            if (first := claims.setdefault(ref, claim)) is not claim:
                diagnostics.append(duplicate(ref, claim.place, first.place))
    broken = frozenset(ref for part in found for ref in part.broken if ref is not None)
    return FileContents(
        claims, broken, all(part.complete for part in found), _bounded(diagnostics, file), parts, _breaks_off(data)
    )


def _breaks_off(data: bytes) -> bool:
    # JSON that breaks off does not parse.
    return bool(data) and data[-1:] not in b"\r\n" and data.lstrip()[:1] not in (b"{", b"[")


def _bounded(diagnostics: list[Diagnostic], file: str) -> tuple[Diagnostic, ...]:
    """Keep as many as somebody may read."""
    rest = diagnostics[MOST_DIAGNOSTICS:]
    if not rest:
        return tuple(diagnostics)
    severity: Severity = "error" if any(each.severity == "error" for each in rest) else "warning"
    more = Diagnostic(Place(file), f"{len(rest)} more things are wrong; mend the first ones, then look again", severity)
    return (*diagnostics[:MOST_DIAGNOSTICS], more)


def _parts(
    texts: list[str], file: str, known: Mapping[str, Part], parts: dict[str, Part], budget: Budget
) -> Iterator[Part]:
    """Give what each part of a file says, and note it in `parts` if there are several."""
    line = 1
    for text in texts:
        part = known.get(text)
        part = part.at(line) if part and part.charge(budget) else _part(text, file, line, budget)
        if len(texts) > 1:
            parts[text] = part
        yield part
        line += part.lines


def _part(text: str, file: str, line: int, budget: Budget) -> Part:
    nodes, expansion = budget.nodes, budget.expansion
    manifest = read_part(text, file, line, budget)
    claims: list[Definition] = []
    broken: set[Ref | None] = set()
    diagnostics = list(manifest.faults)
    for document in manifest.documents:
        budget.interrupt()
        parsed = KINDS.parse(document.raw)
        ref = parsed.object.ref if parsed.object else _identity(document)
        for problem in parsed.problems:
            place = Place(file, document.line_of(problem.path))
            diagnostics.append(Diagnostic(place, str(problem), problem.severity, ref))
        if parsed.object is None:
            broken.add(ref)
        else:
            claims.append(Definition(parsed.object, document.place))
    complete = not manifest.faults and None not in broken
    return Part(
        line,
        count_lines(text),
        tuple(claims),
        frozenset(broken),
        complete,
        tuple(diagnostics),
        nodes - budget.nodes,
        expansion - budget.expansion,
    )


def duplicate(ref: Ref, place: Place, first: Place) -> Diagnostic:
    """Return the diagnostic of an object that is defined at two places; only the first is served."""
    return Diagnostic(
        place, f"is already at {first}, which is the one in use; remove or rename one of them", "error", ref
    )


def _identity(document: Document) -> Ref | None:
    """Return the name of an object that is not valid, as far as it is written."""
    metadata = document.raw.get("metadata")
    kind, meta = document.raw.get("kind"), metadata if isinstance(metadata, dict) else {}
    namespace, name = meta.get("namespace") or "", meta.get("name")
    if not (isinstance(kind, str) and isinstance(namespace, str) and isinstance(name, str)):
        return None
    model = KINDS.get(kind)
    return Ref(kind, namespace or ("default" if model and model.namespaced else ""), name)
