"""What one file says at one moment: its objects, and what is wrong with it. A pure function of the file's content."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import NamedTuple

from translator.objects.base import KubernetesObject
from translator.objects.parse import KINDS, parse
from translator.refs import Ref
from watchers.diagnostic import Diagnostic, Place
from watchers.manifests import Document, ManifestError, count_lines, read_part, split
from watchers.yaml_values import MAX_EXPANSION


class Claim(NamedTuple):
    """An object and where it is written."""

    object: KubernetesObject
    place: Place


@dataclass(frozen=True, slots=True)
class Part:
    """What a part of a file says by itself, when it starts at `line` and goes on for `lines` of them."""

    line: int
    lines: int
    claims: tuple[Claim, ...]
    broken: frozenset[Ref | None]
    complete: bool
    diagnostics: tuple[Diagnostic, ...]
    expansion: int

    def at(self, line: int) -> "Part":
        """Give what it says when it starts at another line."""
        by = line - self.line
        if not by:
            return self
        claims = tuple(Claim(each.object, _moved(each.place, by)) for each in self.claims)
        diagnostics = tuple(replace(each, place=_moved(each.place, by)) for each in self.diagnostics)
        return Part(line, self.lines, claims, self.broken, self.complete, diagnostics, self.expansion)


def _moved(place: Place, by: int) -> Place:
    return Place(place.file, place.line + by)


@dataclass(frozen=True, slots=True)
class Reading:
    """What a file says.

    Attributes:
        claims: the valid objects; where a file has one twice, the first.
        broken: the names of objects that are not valid, as far as they are written.
        complete: whether these are all objects of the file. If not, nothing can be said of what is not here.
        diagnostics: what is wrong.
        parts: what its parts say, by their text, so that they need not be read again; if a file cannot be read, what
            they said before.
    """

    claims: Mapping[Ref, Claim]
    broken: frozenset[Ref] = frozenset()
    complete: bool = True
    diagnostics: tuple[Diagnostic, ...] = ()
    parts: Mapping[str, Part] = field(default_factory=dict, compare=False, repr=False)

    @property
    def errors(self) -> frozenset[tuple[Ref | None, str]]:
        """What is wrong in the file, wherever in it that is."""
        return frozenset((each.ref, each.message) for each in self.diagnostics if each.severity == "error")


ABSENT = Reading({})
"""What a file says that is not there."""


def unreadable(file: str, message: str) -> Reading:
    """A file or a folder of which nothing can be known at the moment, and why."""
    return Reading({}, complete=False, diagnostics=(Diagnostic(Place(file), message),))


def read(data: bytes, file: str, known: Mapping[str, Part] = MappingProxyType({})) -> Reading:
    """Read a file's content; whatever is wrong with it becomes a diagnostic.

    Args:
        data: the content.
        file: the name of the file.
        known: the parts of another reading of this file.
    """
    parts: dict[str, Part] = {}
    try:
        found = list(_parts(split(data, file), file, known, parts))
    except ManifestError as error:
        return Reading({}, complete=False, diagnostics=(error.fault,), parts=known)
    claims: dict[Ref, Claim] = {}
    diagnostics: list[Diagnostic] = []
    for part in found:
        diagnostics += part.diagnostics
        for claim in part.claims:
            ref = claim.object.ref
            if (first := claims.setdefault(ref, claim)) is not claim:
                diagnostics.append(duplicate(ref, claim.place, first.place))
    broken = frozenset(ref for part in found for ref in part.broken if ref is not None)
    return Reading(claims, broken, all(part.complete for part in found), tuple(diagnostics), parts)


def _parts(texts: list[str], file: str, known: Mapping[str, Part], parts: dict[str, Part]) -> Iterator[Part]:
    """Give what each part of a file says, and note it in `parts` if there are several."""
    line, allowance = 1, MAX_EXPANSION
    for text in texts:
        part = known.get(text)
        part = part.at(line) if part and part.expansion <= allowance else _part(text, file, line, allowance)
        if len(texts) > 1:
            parts[text] = part
        yield part
        line += part.lines
        allowance -= part.expansion


def _part(text: str, file: str, line: int, allowance: int) -> Part:
    manifest = read_part(text, file, line, allowance)
    claims: list[Claim] = []
    broken: set[Ref | None] = set()
    diagnostics = list(manifest.faults)
    for document in manifest.documents:
        parsed = parse(document.raw)
        ref = parsed.object.ref if parsed.object else _identity(document)
        for problem in parsed.problems:
            place = Place(file, document.line_of(problem.path))
            diagnostics.append(Diagnostic(place, str(problem), problem.severity, ref))
        if parsed.object is None:
            broken.add(ref)
        else:
            claims.append(Claim(parsed.object, document.place))
    complete = not manifest.faults and None not in broken
    return Part(
        line, count_lines(text), tuple(claims), frozenset(broken), complete, tuple(diagnostics), manifest.expansion
    )


def duplicate(ref: Ref, place: Place, first: Place) -> Diagnostic:
    """Two places have the same object; only the first is served."""
    return Diagnostic(
        place, f"is already at {first}, which is the one in use; remove or rename one of them", "error", ref
    )


def _identity(document: Document) -> Ref | None:
    """The name of an object that is not valid, as far as it is written."""
    metadata = document.raw.get("metadata")
    kind, meta = document.raw.get("kind"), metadata if isinstance(metadata, dict) else {}
    namespace, name = meta.get("namespace") or "", meta.get("name")
    if not (isinstance(kind, str) and isinstance(namespace, str) and isinstance(name, str)):
        return None
    model = KINDS.get(kind)
    return Ref(kind, namespace or ("default" if model and model.namespaced else ""), name)
