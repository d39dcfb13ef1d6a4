"""The objects of one file, with the last good version of those that are not valid now."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from difflib import get_close_matches
from functools import lru_cache

from translator.refs import Ref
from watchers.files.contents import ABSENT, Definition, FileContents

Definitions = Mapping[Ref, Definition]

MAX_KINDS = 100
"""Of so many invalid objects of one name, and different kinds, may one be what became of a good one."""


@dataclass(frozen=True, slots=True)
class File:
    """What a file gives, which is more than it says while something in it is not valid.

    Attributes:
        definitions: the objects.
        unrelated_invalid: objects that are not valid and stand for none of the claims.
        contents: what it says.
    """

    definitions: Definitions = field(default_factory=dict)
    unrelated_invalid: frozenset[Ref] = frozenset()
    contents: FileContents = ABSENT

    def after(self, reading: FileContents) -> "File":
        """Return what it gives once it says something else."""
        broken = _Broken(reading.broken, self.unrelated_invalid)
        kept, standing = dict[Ref, Definition](), set[Ref]()
        for ref in self.definitions.keys() - reading.definitions.keys():
            stand_for_it = broken.standing_for(ref)
            standing.update(stand_for_it)
            if stand_for_it or not reading.complete:
                kept[ref] = self.definitions[ref]
        return File({**kept, **reading.definitions}, reading.broken - standing, reading)

    def lost(self, reading: FileContents) -> frozenset[Ref]:
        """Return what it does not give any more once it says something else."""
        return frozenset(self.definitions.keys() - self.after(reading).definitions.keys())


NOTHING = File()
"""A file that is not there."""


class _Broken:
    """Objects that are not valid, by the names under which they may be what became of good ones.

    A mistake in the kind must not take an object away: a new one whose kind is spelt much the same stands for it. One
    that has been there before, such as a route of a kind that is not read, has nothing to do with it.
    """

    def __init__(self, broken: Iterable[Ref], strangers: frozenset[Ref]) -> None:
        self._unrelated = strangers
        self._kinds: dict[tuple[str, str], dict[str, list[Ref]]] = {}
        for each in broken:
            # An object of no namespace may have been given one by mistake.
            for namespace in ("", each.namespace or "default"):
                self._kinds.setdefault((namespace, each.name), {}).setdefault(each.kind, []).append(each)

    def standing_for(self, ref: Ref) -> list[Ref]:
        """Return those that may be what has become of an object."""
        kinds = self._kinds.get((ref.namespace, ref.name), {})
        found = list(kinds.get(ref.kind, ()))
        for kind in self._alike(ref.kind, kinds):
            found += (each for each in kinds[kind] if each not in self._unrelated)
        return found

    def _alike(self, kind: str, kinds: Iterable[str]) -> Iterator[str]:
        others = sorted(each for each in kinds if each != kind)[:MAX_KINDS]
        return (each for each in others if _is_alike(each[:64], kind))


@lru_cache(maxsize=1024)
def _is_alike(word: str, other: str) -> bool:
    return bool(get_close_matches(word, [other], n=1))
