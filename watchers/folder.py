"""The state of a folder of files: what each of them last said, and what that makes together. Pure: no I/O, no clock.

A file's word is taken object by object. An object that is not valid now keeps its last good version; one that the file
no longer names is gone; a file of which not everything can be known loses nothing. Of an object that several files
have, the one known first is served, and the next one takes over when that goes away.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from difflib import get_close_matches
from typing import NamedTuple

from translator.edit import Edit
from translator.objects.base import KubernetesObject
from translator.refs import Ref
from watchers.diagnostic import Diagnostic, Place
from watchers.reading import ABSENT, Claim, Reading, duplicate


class Change(NamedTuple):
    """What came of new readings.

    Attributes:
        edits: the objects that are not what they were before.
        raised: what is wrong now and was not before.
        settled: what was wrong before and is not any more.
    """

    edits: tuple[Edit, ...]
    raised: tuple[Diagnostic, ...] = ()
    settled: tuple[Diagnostic, ...] = ()


@dataclass(frozen=True, slots=True)
class _File:
    """What a file gives, which is more than it says while something in it is not valid."""

    claims: Mapping[Ref, Claim] = field(default_factory=dict)
    strangers: frozenset[Ref] = frozenset()
    """Objects that are not valid and stand for none of the claims."""
    reading: Reading = ABSENT

    def after(self, reading: Reading) -> "_File":
        """What it gives once it says something else."""
        broken: dict[str, list[Ref]] = {}
        for each in reading.broken:
            broken.setdefault(each.name, []).append(each)
        kept, standing = dict[Ref, Claim](), set[Ref]()
        for ref in self.claims.keys() - reading.claims.keys():
            stand_for_it = [each for each in broken.get(ref.name, ()) if self._is_now(ref, each)]
            standing.update(stand_for_it)
            if stand_for_it or not reading.complete:
                kept[ref] = self.claims[ref]
        return _File({**kept, **reading.claims}, reading.broken - standing, reading)

    def _is_now(self, ref: Ref, broken: Ref) -> bool:
        """Whether a broken object of the same name is what has become of a good one.

        A mistake in the kind must not take the object away: a new object whose kind is spelt much the same counts. One
        that has been there before, such as a route of a kind that is not read, has nothing to do with it.
        """
        if ref.namespace and ref.namespace != (broken.namespace or "default"):
            return False
        mistaken = broken not in self.strangers and get_close_matches(broken.kind, [ref.kind], n=1)
        return ref.kind == broken.kind or bool(mistaken)


_NOTHING = _File()


class Folder:
    """All files of a source, by path, and the objects they make together."""

    def __init__(self) -> None:
        self._files: dict[str, _File] = {}
        # Who has an object, in the order in which it became known; the first one's is served.
        self._claims: dict[Ref, dict[str, Claim]] = {}

    def apply(self, readings: Mapping[str, Reading]) -> Change:
        """Take in what files say now; those that are absent say so with `ABSENT`.

        Args:
            readings: by path; they count as one step, so an object that moves from one file to another never goes away.

        Returns:
            What came of it. Objects that are equal to what they were are not edited.
        """
        news = {file: self._file(file).after(readings[file]) for file in sorted(readings)}
        touched = {ref for file, new in news.items() for ref in (self._file(file).claims.keys() | new.claims)}
        objects = {ref: self.get(ref) for ref in touched}
        before = self._diagnose(news, touched)
        for file, new in news.items():
            self._put(file, new)
        after = self._diagnose(news, touched)
        edits = ((ref, self.get(ref), old) for ref, old in objects.items())
        return Change(
            tuple(Edit(ref, now) for ref, now, old in sorted(edits, key=lambda each: each[0]) if now != old),
            _ordered(after - before),
            _ordered(before - after),
        )

    def doubtful(self, readings: Mapping[str, Reading]) -> frozenset[str]:
        """Tell which files would take an object away that no other of these readings brings, or have new errors.

        Such a reading may be of a file that is just being written, and is worth a second look.
        """
        lost = {file: self._lost(file, reading) for file, reading in readings.items()}
        doubtful = {file for file, reading in readings.items() if reading.errors - self._file(file).reading.errors}
        while True:
            brought = {ref for file, reading in readings.items() if file not in doubtful for ref in reading.claims}
            more = {file for file, refs in lost.items() if not brought.issuperset(refs)} - doubtful
            if not more:
                return frozenset(doubtful)
            doubtful |= more

    def _lost(self, file: str, reading: Reading) -> frozenset[Ref]:
        before = self._file(file)
        return frozenset(before.claims.keys() - before.after(reading).claims.keys())

    def _file(self, path: str) -> _File:
        return self._files.get(path, _NOTHING)

    def get(self, ref: Ref) -> KubernetesObject | None:
        """The object of that name that is served, if there is one."""
        return next((claim.object for claim in self._claims.get(ref, {}).values()), None)

    def place(self, ref: Ref) -> Place | None:
        """Where the served object of that name is written."""
        return next((claim.place for claim in self._claims.get(ref, {}).values()), None)

    @property
    def objects(self) -> Mapping[Ref, KubernetesObject]:
        """All objects that are served."""
        return {ref: next(iter(claims.values())).object for ref, claims in self._claims.items()}

    @property
    def diagnostics(self) -> tuple[Diagnostic, ...]:
        """All that is wrong now, in the order of files and lines."""
        return _ordered(self._diagnose(self._files, self._claims.keys()))

    def _put(self, file: str, new: _File) -> None:
        old = self._files.pop(file, _NOTHING)
        for ref in old.claims.keys() - new.claims.keys():
            del self._claims[ref][file]
            if not self._claims[ref]:
                del self._claims[ref]
        for ref, claim in new.claims.items():
            self._claims.setdefault(ref, {})[file] = claim
        if new != _NOTHING:
            self._files[file] = new

    def _diagnose(self, files: Iterable[str], refs: Iterable[Ref]) -> set[Diagnostic]:
        """What is wrong in these files, and with these objects where several files have them."""
        found = {each for file in files for each in self._file(file).reading.diagnostics}
        for ref in refs:
            places = [claim.place for claim in self._claims.get(ref, {}).values()]
            found.update(duplicate(ref, place, places[0]) for place in places[1:])
        return found


def _ordered(diagnostics: set[Diagnostic]) -> tuple[Diagnostic, ...]:
    return tuple(sorted(diagnostics, key=lambda each: (each.place, each.severity, each.message)))
