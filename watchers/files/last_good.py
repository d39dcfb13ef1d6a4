"""The objects of one file, including the last good version of those that are not valid now."""

from collections.abc import Iterable, Iterator, Mapping, Set
from dataclasses import dataclass, field
from difflib import get_close_matches
from functools import lru_cache
from typing import TypeVar

from translator.inputs import Invalid
from translator.refs import Ref
from watchers.files.contents import ABSENT, Definition, FileContents

T = TypeVar("T")

Definitions = Mapping[Ref, Definition]

MAX_KINDS = 100
"""Most invalid objects of one name and different kinds that are compared with a missing valid one."""


@dataclass(frozen=True, slots=True)
class File:
    """The objects of a file: those in its contents, and the last good version of invalid ones.

    Attributes:
        definitions: the objects.
        closed: the policies that fail closed, are not valid, and never were.
        unrelated_invalid: the invalid objects that correspond to none of the definitions.
        contents: the contents.
    """

    definitions: Definitions = field(default_factory=dict)
    closed: Mapping[Ref, Invalid] = field(default_factory=dict)
    unrelated_invalid: frozenset[Ref] = frozenset()
    contents: FileContents = ABSENT

    def after(self, reading: FileContents) -> "File":
        """Return the file with new contents."""
        broken = _Broken(reading.broken, self.unrelated_invalid)
        definitions = broken.keep(self.definitions, reading.definitions.keys(), reading.complete)
        closed = broken.keep(self.closed, reading.closed.keys() | reading.definitions.keys(), reading.complete)
        return File(
            {**definitions, **reading.definitions},
            {**closed, **reading.closed},
            reading.broken - broken.related,
            reading,
        )

    def lost(self, reading: FileContents) -> frozenset[Ref]:
        """Return the objects that new contents would remove."""
        after = self.after(reading)
        known = self.definitions.keys() | self.closed.keys()
        return frozenset(known - after.definitions.keys() - after.closed.keys())


NOTHING = File()
"""A missing file."""


class _Broken:
    """Invalid objects, by the names of the valid ones to which they may correspond.

    A mistake in the kind must not remove an object: a new invalid one with a similar kind corresponds to it. One that
    existed before, such as a route of a kind that is not read, does not.

    Attributes:
        related: those that correspond to an object of which `keep` was asked.
    """

    def __init__(self, broken: Iterable[Ref], strangers: frozenset[Ref]) -> None:
        self.related: set[Ref] = set()
        self._unrelated = strangers
        self._kinds: dict[tuple[str, str], dict[str, list[Ref]]] = {}
        for each in broken:
            # A cluster-scoped object may have a namespace by mistake.
            for namespace in ("", each.namespace or "default"):
                self._kinds.setdefault((namespace, each.name), {}).setdefault(each.kind, []).append(each)

    def keep(self, known: Mapping[Ref, T], found: Set[Ref], complete: bool) -> dict[Ref, T]:
        """Return what stays of the known objects: those not found to which invalid ones may correspond.

        Args:
            known: the objects.
            found: those of which the new contents have something.
            complete: whether the contents are complete; otherwise all stay.
        """
        kept: dict[Ref, T] = {}
        for ref in known.keys() - found:
            related = self._standing_for(ref)
            self.related.update(related)
            if related or not complete:
                kept[ref] = known[ref]
        return kept

    def _standing_for(self, ref: Ref) -> list[Ref]:
        """Return the invalid objects that may correspond to an object."""
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
