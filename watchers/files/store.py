"""The state of a folder of files: the contents of each, and the objects of all. Pure: no I/O, no clock.

Files are applied object by object. An object that became invalid keeps its last good version; one that the file no
longer contains is removed; a file with incomplete contents removes nothing. If several files define an object, the
definition that was known first is used; when it is removed, the next one replaces it.
"""

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import NamedTuple

from translator.inputs import Edit
from translator.objects.schema.base import KubernetesObject
from translator.refs import Ref
from watchers.diagnostics import Diagnostic, Place
from watchers.files.contents import Definition, FileContents, duplicate
from watchers.files.last_good import NOTHING, File


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
    definitions: Mapping[Ref, Mapping[str, Definition]]
    diagnostics: tuple[Diagnostic, ...]


class FileStore:
    """The files of a source, by path, and their objects."""

    def __init__(self) -> None:
        self._files: dict[str, File] = {}
        # By object its definitions, in the order in which they became known; the first one is used.
        self._definitions: dict[Ref, Mapping[str, Definition]] = {}
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
        touched = {ref for path, new in files.items() for ref in (*self.file(path).definitions, *new.definitions)}
        claims = self._definitions_after(files, touched)
        before = _wrong(map(self.file, files), ((ref, self._definitions.get(ref, {})) for ref in touched))
        after = _wrong(files.values(), claims.items())
        appeared, resolved = after - before, before - after
        diagnostics = self._diagnostics
        if appeared or resolved:
            diagnostics = _ordered([*(each for each in diagnostics if each not in resolved), *appeared])
        edits = ((ref, _first(claims[ref]), self.get(ref)) for ref in sorted(touched))
        change = FileStoreChange(
            tuple(Edit(ref, now) for ref, now, old in edits if now != old), _ordered(appeared), _ordered(resolved)
        )
        return Plan(change, files, claims, diagnostics)

    def commit(self, plan: Plan) -> FileStoreChange:
        """Apply a plan; the store must not have changed since."""
        for path, new in plan.files.items():
            if new == NOTHING:
                self._files.pop(path, None)
            else:
                self._files[path] = new
        for ref, claims in plan.definitions.items():
            if claims:
                self._definitions[ref] = claims
            else:
                self._definitions.pop(ref, None)
        self._diagnostics = plan.diagnostics
        return plan.change

    def _definitions_after(
        self, files: Mapping[str, File], touched: Iterable[Ref]
    ) -> dict[Ref, Mapping[str, Definition]]:
        claims: dict[Ref, dict[str, Definition]] = {}
        for ref in touched:
            before = self._definitions.get(ref, {})
            claims[ref] = {
                path: claim for path, claim in before.items() if path not in files or ref in files[path].definitions
            }
        for path, new in files.items():
            for ref, claim in new.definitions.items():
                claims[ref][path] = claim
        return dict(claims)

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

    @property
    def objects(self) -> Mapping[Ref, KubernetesObject]:
        """The used definitions of all objects."""
        return {ref: next(iter(claims.values())).object for ref, claims in self._definitions.items()}

    @property
    def diagnostics(self) -> tuple[Diagnostic, ...]:
        """All current diagnostics, in the order of files and lines."""
        return self._diagnostics


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
