"""What one file says at one moment: its objects, and what is wrong with it. A pure function of the file's content."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple

from translator.objects.base import KubernetesObject
from translator.objects.parse import KINDS, parse
from translator.refs import Ref
from watchers.diagnostic import Diagnostic, Place
from watchers.manifests import Document, read_manifest


class Claim(NamedTuple):
    """An object and where it is written."""

    object: KubernetesObject
    place: Place


@dataclass(frozen=True, slots=True)
class Reading:
    """What a file says.

    Attributes:
        claims: the valid objects; where a file has one twice, the first.
        broken: the names of objects that are not valid, as far as they are written.
        complete: whether these are all objects of the file. If not, nothing can be said of what is not here.
        diagnostics: what is wrong.
    """

    claims: Mapping[Ref, Claim]
    broken: frozenset[Ref] = frozenset()
    complete: bool = True
    diagnostics: tuple[Diagnostic, ...] = ()

    @property
    def errors(self) -> frozenset[tuple[Ref | None, str]]:
        """What is wrong in the file, wherever in it that is."""
        return frozenset((each.ref, each.message) for each in self.diagnostics if each.severity == "error")


ABSENT = Reading({})
"""What a file says that is not there."""


def unreadable(file: str, message: str) -> Reading:
    """A file or a folder of which nothing can be known at the moment, and why."""
    return Reading({}, complete=False, diagnostics=(Diagnostic(Place(file), message),))


def read(data: bytes, file: str) -> Reading:
    """Read a file's content; whatever is wrong with it becomes a diagnostic."""
    manifest = read_manifest(data, file)
    claims: dict[Ref, Claim] = {}
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
            continue
        claim = Claim(parsed.object, document.place)
        if (first := claims.setdefault(claim.object.ref, claim)) is not claim:
            diagnostics.append(duplicate(claim.object.ref, claim.place, first.place))
    identities = frozenset(ref for ref in broken if ref is not None)
    return Reading(claims, identities, not manifest.faults and None not in broken, tuple(diagnostics))


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
