"""The state of a folder of files: the contents of each, and the objects of all. Pure: no I/O, no clock.

Files are applied object by object. An object that became invalid keeps its last good version; one that the file no
longer contains is removed; a file with incomplete contents removes nothing. If several files define an object, the
definition that was known first is used; when it is removed, the next one replaces it. An invalid policy of a kind that
fails closed counts, as `Invalid`, while no valid definition is known.
"""

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import NamedTuple, TypeVar

from translator.inputs import Edit, Invalid
from translator.objects.schema.base import KubernetesObject
from translator.refs import Ref
from watchers.diagnostics import Diagnostic, Place
from watchers.files.contents import Definition, FileContents, duplicate
from watchers.files.last_good import NOTHING, File

T = TypeVar("T")
ByFile = Mapping[Ref, Mapping[str, T]]
"""By object what each file has of it, in the order in which that became known."""


class FileStoreChange(NamedTuple):
    """The result of new file contents.

    Attributes:
        edits: the edits of changed objects.
        appeared: the new diagnostics.
        resolved: the diagnostics that no longer apply.
    """

    edits: tuple[Edit, ...]
    appeared: tuple[Diagnostic, ...] = ()
    resolved: tuple[Diagnostic, ...] = ()


class Plan(NamedTuple):
    """The effect of new file contents, computed without a change of the store."""

    change: FileStoreChange
    files: Mapping[str, File]
    definitions: ByFile[Definition]
    closed: ByFile[Invalid]
    diagnostics: tuple[Diagnostic, ...]


class FileStore:
    """The files of a source, by path, and their objects."""

    def __init__(self) -> None:
        self._files: dict[str, File] = {}
        # The first definition of an object is used.
        self._definitions: dict[Ref, Mapping[str, Definition]] = {}
        self._closed: dict[Ref, Mapping[str, Invalid]] = {}
        self._diagnostics: tuple[Diagnostic, ...] = ()

    def apply(self, contents: Mapping[str, FileContents]) -> FileStoreChange:
        """Apply new contents of files; a missing file has `ABSENT`.

        Args:
            contents: by path; they are applied together, so that an object that moves to another file is not removed.

        Returns:
            The change; an unchanged object has no edit.
        """
        return self.commit(self.plan(contents))

    def plan(self, contents: Mapping[str, FileContents]) -> Plan:
        """Compute the effect of `apply` without a change: nearly all of its work, possible in any thread."""
        files = {path: self.file(path).after(contents[path]) for path in sorted(contents)}
        touched, broken = set[Ref](), set[Ref]()
        for each in (*map(self.file, files), *files.values()):
            touched.update(each.definitions)
            broken.update(each.closed)
        claims = _after(self._definitions, {path: new.definitions for path, new in files.items()}, touched)
        closed = _after(self._closed, {path: new.closed for path, new in files.items()}, broken)
        before = _wrong(map(self.file, files), ((ref, self._definitions.get(ref, {})) for ref in touched))
        after = _wrong(files.values(), claims.items())
        appeared, resolved = after - before, before - after
        diagnostics = self._diagnostics
        if appeared or resolved:
            diagnostics = _ordered([*(each for each in diagnostics if each not in resolved), *appeared])
        definitions = {ref: claims.get(ref, self._definitions.get(ref, {})) for ref in touched | broken}
        policies = {ref: closed.get(ref, self._closed.get(ref, {})) for ref in definitions}
        edits = ((ref, _state(ref, definitions, policies), self._state(ref)) for ref in sorted(definitions))
        change = FileStoreChange(
            tuple(Edit(ref, now) for ref, now, old in edits if now != old), _ordered(appeared), _ordered(resolved)
        )
        return Plan(change, files, claims, closed, diagnostics)

    def commit(self, plan: Plan) -> FileStoreChange:
        """Apply a plan; the store must not have changed since."""
        for path, new in plan.files.items():
            if new == NOTHING:
                self._files.pop(path, None)
            else:
                self._files[path] = new
        _update(self._definitions, plan.definitions)
        _update(self._closed, plan.closed)
        self._diagnostics = plan.diagnostics
        return plan.change

    def needs_debounce(self, readings: Mapping[str, FileContents]) -> frozenset[str]:
        """Return the files that would remove an object which no other of these contents adds, or that have new errors.

        Such a file may be incomplete because it is just being written, and so may one that newly ends within a line.
        """
        lost = {path: self.file(path).lost(reading) for path, reading in readings.items()}
        losers: dict[Ref, list[str]] = {}
        for path, refs in lost.items():
            for ref in refs:
                losers.setdefault(ref, []).append(path)
        brought = Counter(ref for reading in readings.values() for ref in reading.definitions if ref in losers)
        found = {path for path, reading in readings.items() if self._is_suspicious(path, reading)}
        found |= {path for path, refs in lost.items() if any(not brought[ref] for ref in refs)}
        pending = list(found)
        while pending:
            for ref in readings[pending.pop()].definitions:
                if ref not in losers:
                    continue
                brought[ref] -= 1
                if not brought[ref]:
                    more = [path for path in losers[ref] if path not in found]
                    found.update(more)
                    pending += more
        return frozenset(found)

    def _is_suspicious(self, path: str, reading: FileContents) -> bool:
        before = self.file(path)
        breaks_off = reading.breaks_off and bool(before.definitions) and not before.contents.breaks_off
        return breaks_off or not reading.errors <= before.contents.errors

    def file(self, path: str) -> File:
        """Return the state of a file."""
        return self._files.get(path, NOTHING)

    def get(self, ref: Ref) -> KubernetesObject | None:
        """Return the used definition of an object; None if there is none."""
        return _first(self._definitions.get(ref, {}))

    def place(self, ref: Ref) -> Place | None:
        """Return the place of the used definition of an object."""
        return next((claim.place for claim in self._definitions.get(ref, {}).values()), None)

    def is_broken(self, ref: Ref) -> bool:
        """Return whether a file has an invalid definition of an object."""
        return any(ref in each.contents.broken for each in self._files.values())

    def _state(self, ref: Ref) -> KubernetesObject | Invalid | None:
        return _state(ref, self._definitions, self._closed)

    @property
    def edits(self) -> tuple[Edit, ...]:
        """The edits that lead to the current state from nothing."""
        return tuple(Edit(ref, self._state(ref)) for ref in {**self._definitions, **self._closed})

    @property
    def objects(self) -> Mapping[Ref, KubernetesObject]:
        """The used definitions of all objects."""
        return {ref: next(iter(claims.values())).object for ref, claims in self._definitions.items()}

    @property
    def diagnostics(self) -> tuple[Diagnostic, ...]:
        """All current diagnostics, in the order of files and lines."""
        return self._diagnostics


def _after(before: ByFile[T], files: Mapping[str, Mapping[Ref, T]], touched: Iterable[Ref]) -> dict[Ref, dict[str, T]]:
    """Return what files have of the touched objects, once some of them have new contents."""
    found = {
        ref: {path: each for path, each in before.get(ref, {}).items() if path not in files or ref in files[path]}
        for ref in touched
    }
    for path, new in files.items():
        for ref, each in new.items():
            found[ref][path] = each
    return found


def _update(state: dict[Ref, Mapping[str, T]], changed: ByFile[T]) -> None:
    for ref, found in changed.items():
        if found:
            state[ref] = found
        else:
            state.pop(ref, None)


def _state(ref: Ref, definitions: ByFile[Definition], closed: ByFile[Invalid]) -> KubernetesObject | Invalid | None:
    return _first(definitions.get(ref, {})) or next(iter(closed.get(ref, {}).values()), None)


def _first(claims: Mapping[str, Definition]) -> KubernetesObject | None:
    return next((claim.object for claim in claims.values()), None)


def _wrong(files: Iterable[File], claims: Iterable[tuple[Ref, Mapping[str, Definition]]]) -> set[Diagnostic]:
    """Return the diagnostics of these files, and of these objects if several files define them."""
    found = {each for file in files for each in file.contents.diagnostics}
    for ref, claimed in claims:
        if len(claimed) > 1:
            places = [claim.place for claim in claimed.values()]
            found.update(duplicate(ref, place, places[0]) for place in places[1:])
    return found


def _ordered(diagnostics: Iterable[Diagnostic]) -> tuple[Diagnostic, ...]:
    return tuple(sorted(diagnostics, key=lambda each: (each.place, each.severity, each.message)))
