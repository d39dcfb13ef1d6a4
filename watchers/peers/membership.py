"""What has been heard of the other replicas, and which of them are gone. Pure.

Who does not show for a while that it lives is gone. That while is counted only as long as this replica hears its own
words come back: when the API server was away for all of them, nobody is gone for that.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple

from watchers.peers.shards import shard_of

RENEWAL_SECONDS: Final = 10.0
"""How often a replica that has nothing new to say shows that it lives."""
SILENCE_SECONDS: Final = 35.0
"""Who has not been heard of for so long is gone."""


class Shard(NamedTuple):
    """A part of what a replica says, as it is written down.

    Attributes:
        speaker: the replica's identity.
        number: which part this is, from 0.
        parts: of how many.
        words: by their keys.
        version: of the object that it is written in.
    """

    speaker: str
    number: int
    parts: int
    words: Mapping[str, Any]
    version: str


@dataclass(slots=True)
class _Peer:
    """A replica: when it was last heard of, and its parts by the names of the objects that hold them."""

    at: float
    parts: dict[str, Shard] = field(default_factory=dict)

    def word(self, key: str) -> Any:
        """Return what it says of a key: the newest of its parts that the key can be in knows; None for nothing."""
        fitting = [each for each in self.parts.values() if shard_of(key, each.parts) == each.number]
        return max(fitting, key=lambda each: each.parts).words.get(key) if fitting else None

    def overruled(self, newer: Shard) -> Iterator[str]:
        """Yield the keys of earlier parts on which `newer`, one of more parts, says something else, or nothing."""
        for each in self.parts.values():
            if each.parts < newer.parts and newer.number % each.parts == each.number:
                for key, word in each.words.items():
                    if shard_of(key, newer.parts) == newer.number and newer.words.get(key) != word:
                        yield key


class Membership:
    """The ears of one replica.

    Args:
        own: its identity.
    """

    def __init__(self, own: str) -> None:
        self._own = own
        self._speakers: dict[str, _Peer] = {}
        self._speaker_of: dict[str, str] = {}
        self._time = 0.0  # how long it has been heard for
        self._beat: float | None = None

    def take(self, name: str, part: Shard | None, now: float) -> set[str]:
        """Take what is written in an object, None if the object is gone; gives the keys whose words may have changed.

        Args:
            name: the object's.
            part: what it says.
            now: the time in seconds; only differences count.
        """
        if part is not None and part.speaker == self._own:
            self._hear_itself(now)
            return set()
        before = self._forget(name)
        if part is None:
            return set(before)
        speaker = self._speakers.setdefault(part.speaker, _Peer(self._time))
        speaker.at = self._time
        speaker.parts[name] = part
        self._speaker_of[name] = part.speaker
        after = part.words
        overruled = speaker.overruled(part)
        return {key for key in (before.keys() | after.keys()) if before.get(key) != after.get(key)}.union(overruled)

    def about(self, key: str) -> Iterator[Any]:
        """Give what the others that live say of a key."""
        for each in self._speakers.values():
            if not self._is_silent(each) and (word := each.word(key)) is not None:
                yield word

    def gone(self) -> dict[str, Shard]:
        """Return the parts of those who are gone without taking back what they said, by the names of the objects."""
        silent = filter(self._is_silent, self._speakers.values())
        return {name: part for each in silent for name, part in each.parts.items()}

    def _hear_itself(self, now: float) -> None:
        if self._beat is not None:
            self._time += min(now - self._beat, 1.5 * RENEWAL_SECONDS)
        self._beat = now

    def _is_silent(self, speaker: _Peer) -> bool:
        return self._time - speaker.at >= SILENCE_SECONDS

    def _forget(self, name: str) -> Mapping[str, Any]:
        """Forgets what an object said; gives it."""
        speaker = self._speaker_of.pop(name, None)
        if speaker is None:
            return {}
        parts = self._speakers[speaker].parts
        words = parts.pop(name).words
        if not parts:
            del self._speakers[speaker]
        return words
