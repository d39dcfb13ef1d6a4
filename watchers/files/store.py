"""The state of a folder of files: what each of them last said, and what that makes together. Pure: no I/O, no clock.

A file's word is taken object by object. An object that is not valid now keeps its last good version; one that the file
no longer names is gone; a file of which not everything can be known loses nothing. Of an object that several files
have, the one known first is served, and the next one takes over when that goes away.
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
        edits: the objects that are not what they were before.
        appeared: what is wrong now and was not before.
        resolved: what was wrong before and is not any more.
    """

    edits: tuple[Edit, ...]
    appeared: tuple[Diagnostic, ...] = ()
    resolved: tuple[Diagnostic, ...] = ()


class Plan(NamedTuple):
    """The effect of new file contents, computed before anything is changed."""

    change: FileStoreChange
    files: Mapping[str, File]
    definitions: Mapping[Ref, Mapping[str, Definition]]
    diagnostics: tuple[Diagnostic, ...]


class FileStore:
    """All files of a source, by path, and the objects they make together."""

    def __init__(self) -> None:
        self._files: dict[str, File] = {}
        # Who has an object, in the order in which it became known; the first one's is served.
        self._definitions: dict[Ref, Mapping[str, Definition]] = {}
        self._diagnostics: tuple[Diagnostic, ...] = ()

    def apply(self, contents: Mapping[str, FileContents]) -> FileStoreChange:
        """Take in what files say now; those that are absent say so with `ABSENT`.

        Args:
            contents: by path; they count as one step, so an object that moves from one file to another never goes away.

        Returns:
            What came of it. Objects that are equal to what they were are not edited.
        """
        return self.commit(self.plan(contents))

    def plan(self, contents: Mapping[str, FileContents]) -> Plan:
        """Work out what `apply` would do, and change nothing: nearly all of the work, for any thread."""
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
        """Do what was planned, provided that nothing else was done since."""
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
        """Tell which files would take an object away that no other of these readings brings, or have new errors.

        Such a reading may be of a file that is just being written, and is worth a second look. So is one that breaks
        off within a line, which it did not before.
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
        """Return what a file gives."""
        return self._files.get(path, NOTHING)

    def get(self, ref: Ref) -> KubernetesObject | None:
        """Return the object of that name that is served, if there is one."""
        return _first(self._definitions.get(ref, {}))

    def place(self, ref: Ref) -> Place | None:
        """Where the served object of that name is written."""
        return next((claim.place for claim in self._definitions.get(ref, {}).values()), None)

    def is_broken(self, ref: Ref) -> bool:
        """Whether an object of that name is written somewhere, but is not valid."""
        return any(ref in each.contents.broken for each in self._files.values())

    @property
    def objects(self) -> Mapping[Ref, KubernetesObject]:
        """All objects that are served."""
        return {ref: next(iter(claims.values())).object for ref, claims in self._definitions.items()}

    @property
    def diagnostics(self) -> tuple[Diagnostic, ...]:
        """All that is wrong now, in the order of files and lines."""
        return self._diagnostics


def _first(claims: Mapping[str, Definition]) -> KubernetesObject | None:
    return next((claim.object for claim in claims.values()), None)


def _wrong(files: Iterable[File], claims: Iterable[tuple[Ref, Mapping[str, Definition]]]) -> set[Diagnostic]:
    """Return what is wrong in these files, and with these objects where several files have them."""
    found = {each for file in files for each in file.contents.diagnostics}
    for ref, claimed in claims:
        if len(claimed) > 1:
            places = [claim.place for claim in claimed.values()]
            found.update(duplicate(ref, place, places[0]) for place in places[1:])
    return found


def _ordered(diagnostics: Iterable[Diagnostic]) -> tuple[Diagnostic, ...]:
    return tuple(sorted(diagnostics, key=lambda each: (each.place, each.severity, each.message)))
