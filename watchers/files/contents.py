"""The contents of one file: its objects and diagnostics, a pure function of its bytes."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import NamedTuple

from translator.inputs import Invalid
from translator.objects.headgate.gatewayextension import GatewayExtension
from translator.objects.partial import partial_object
from translator.objects.schema.base import KubernetesObject
from translator.refs import Ref
from translator.registry import KINDS, REGISTRY
from watchers.diagnostics import Diagnostic, Place, Severity
from watchers.files.documents import Document, ManifestError, count_lines, read_part, split
from watchers.files.yaml_decoder import Budget

MOST_DIAGNOSTICS = 1_000
"""Most diagnostics of one file."""


class Definition(NamedTuple):
    """An object and its place in a file."""

    object: KubernetesObject
    place: Place


@dataclass(frozen=True, slots=True)
class Part:
    """The contents of a part of a file, which starts at `line` and has `lines` lines."""

    line: int
    lines: int
    definitions: tuple[Definition, ...]
    broken: frozenset[Ref | None]
    closed: Mapping[Ref, Invalid]
    complete: bool
    diagnostics: tuple[Diagnostic, ...]
    nodes: int
    expansion: int

    def at(self, line: int) -> "Part":
        """Return the contents of the same part at another line."""
        by = line - self.line
        if not by:
            return self
        claims = tuple(Definition(each.object, _moved(each.place, by)) for each in self.definitions)
        diagnostics = tuple(replace(each, place=_moved(each.place, by)) for each in self.diagnostics)
        return replace(self, line=line, definitions=claims, diagnostics=diagnostics)

    def charge(self, budget: Budget) -> bool:
        """Charge a budget with the cost of the part; return False, and charge nothing, if it exceeds the budget."""
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
        definitions: the valid objects; if the file has one twice, the first.
        broken: the identities of objects that are not valid, as far as they are readable.
        closed: those among them that are policies of a kind that fails closed (`PolicyKind.closed`), or
            GatewayExtensions, without which such policies are closed.
        complete: whether these are all objects of the file. If not, the absence of an object means nothing.
        diagnostics: the errors and warnings.
        parts: the contents of its parts, by their text, so that they need not be parsed again; if the file cannot be
            read, those of the last time.
        breaks_off: whether the text ends within a line, as in a file that is still being written.
    """

    definitions: Mapping[Ref, Definition]
    broken: frozenset[Ref] = frozenset()
    closed: Mapping[Ref, Invalid] = field(default_factory=dict)
    complete: bool = True
    diagnostics: tuple[Diagnostic, ...] = ()
    parts: Mapping[str, Part] = field(default_factory=dict, compare=False, repr=False)
    breaks_off: bool = field(default=False, compare=False)

    @property
    def errors(self) -> frozenset[tuple[Ref | None, str]]:
        """The errors of the file, regardless of their lines."""
        return frozenset((each.ref, each.message) for each in self.diagnostics if each.severity == "error")


ABSENT = FileContents({})
"""The contents of a missing file."""


def unreadable(file: str, message: str) -> FileContents:
    """Return the contents of a file or folder that cannot be read, with the reason."""
    return FileContents({}, complete=False, diagnostics=(Diagnostic(Place(file), message),))


def read(
    data: bytes, file: str, known: Mapping[str, Part] = MappingProxyType({}), budget: Budget | None = None
) -> FileContents:
    """Parse the bytes of a file; errors become diagnostics.

    Args:
        data: the bytes.
        file: the name of the file.
        known: the parts of earlier contents of the file.
        budget: the budget of the file; exceptions of `budget.interrupt` are not caught.
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
    closed = {ref: invalid for part in found for ref, invalid in part.closed.items() if ref not in claims}
    complete = all(part.complete for part in found)
    return FileContents(claims, broken, closed, complete, _bounded(diagnostics, file), parts, _breaks_off(data))


def _breaks_off(data: bytes) -> bool:
    # Incomplete JSON is a syntax error anyway.
    return bool(data) and data[-1:] not in b"\r\n" and data.lstrip()[:1] not in (b"{", b"[")


def _bounded(diagnostics: list[Diagnostic], file: str) -> tuple[Diagnostic, ...]:
    """Return at most `MOST_DIAGNOSTICS`, and the number of all others."""
    rest = diagnostics[MOST_DIAGNOSTICS:]
    if not rest:
        return tuple(diagnostics)
    severity: Severity = "error" if any(each.severity == "error" for each in rest) else "warning"
    more = Diagnostic(Place(file), f"{len(rest)} more things are wrong; mend the first ones, then look again", severity)
    return (*diagnostics[:MOST_DIAGNOSTICS], more)


def _parts(
    texts: list[str], file: str, known: Mapping[str, Part], parts: dict[str, Part], budget: Budget
) -> Iterator[Part]:
    """Yield the contents of each part of a file, and store them in `parts` if there are several."""
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
    closed: dict[Ref, Invalid] = {}
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
            if ref is not None and _is_told(ref.kind):
                errors = "; ".join(str(each) for each in parsed.problems if each.severity == "error")
                closed[ref] = Invalid(errors, partial_object(document.raw))
        else:
            claims.append(Definition(parsed.object, document.place))
    complete = not manifest.faults and None not in broken
    return Part(
        line,
        count_lines(text),
        tuple(claims),
        frozenset(broken),
        closed,
        complete,
        tuple(diagnostics),
        nodes - budget.nodes,
        expansion - budget.expansion,
    )


def duplicate(ref: Ref, place: Place, first: Place) -> Diagnostic:
    """Return the diagnostic of an object that is defined at two places, of which only the first is used."""
    return Diagnostic(
        place, f"is already at {first}, which is the one in use; remove or rename one of them", "error", ref
    )


def _is_told(kind: str) -> bool:
    """Return whether the translator hears of invalid objects of a kind: what they protect is closed, and says why."""
    policy = REGISTRY.policy_of(kind)
    return kind == GatewayExtension.kind or (policy is not None and policy.closed)


def _identity(document: Document) -> Ref | None:
    """Return the identity of an object that is not valid; None if it cannot be read."""
    metadata = document.raw.get("metadata")
    kind, meta = document.raw.get("kind"), metadata if isinstance(metadata, dict) else {}
    namespace, name = meta.get("namespace") or "", meta.get("name")
    if not (isinstance(kind, str) and isinstance(namespace, str) and isinstance(name, str)):
        return None
    model = KINDS.get(kind)
    return Ref(kind, namespace or ("default" if model and model.namespaced else ""), name)
