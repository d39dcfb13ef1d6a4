"""What is not as it should be among objects, Envoys and files: for people who want to mend it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from headgate.reporting.conditions import bad, phrase, places

Plain = Mapping[str, Any]

ORDER = ("GatewayClass", "GatewayParameters", "Gateway")
"""Kinds that others depend on: what is wrong with them is told before."""


class Trouble(NamedTuple):
    """One thing that is not as it should be.

    Attributes:
        said: what it is about, and what is wrong: "HTTPRoute default/shop is not accepted (Gateway web)".
        why: what is behind it and the way out; "" if all is said.
        place: where it is written, "file:line"; "" if that is not known.
    """

    said: str
    why: str = ""
    place: str = ""

    def __str__(self) -> str:
        """In one line."""
        at = f"{self.place}: " if self.place else ""
        return f"{at}{self.said}: {self.why}" if self.why else f"{at}{self.said}"


def name_of(found: Plain) -> str:
    """Return an object's "namespace/name", or its name."""
    metadata = found["metadata"]
    return f"{metadata['namespace']}/{metadata['name']}" if "namespace" in metadata else str(metadata["name"])


def troubles(status: Plain) -> list[Trouble]:
    """Return what is not as it should be, what others depend on first.

    Args:
        status: as the running Headgate tells it, or as it is made of a cluster.
    """
    found = [Trouble(str(each)) for each in status["problems"]]
    found += map(_idle, (each for each in status["envoys"] if not each["pid"]))
    for each in sorted(status["objects"], key=lambda each: _rank(each["kind"])):
        found += _of_object(each)
    found += map(_refusal, status.get("refused", ()))
    return found


def _rank(kind: str) -> int:
    return ORDER.index(kind) if kind in ORDER else len(ORDER)


def _of_object(found: Plain) -> Iterator[Trouble]:
    subject, place, status = f"{found['kind']} {name_of(found)}", found.get("place", ""), found.get("status") or {}
    for label, each in bad(status):
        about = f" ({label})" if label else ""
        yield Trouble(f"{subject} {phrase(each)}{about} ({each['reason']})", each["message"], place)
    observed = [each.get("observedGeneration", 0) for _, conditions in places(status) for each in conditions]
    generation = found["metadata"].get("generation", 0)
    if generation > max(observed, default=0) and (any(observed) or not observed):
        why = "unless it does so in a moment, see that it runs and has a leader that may write statuses"
        yield Trouble(f"{subject} is newer than what Headgate says of it", why, place)


def _idle(envoy: Plain) -> Trouble:
    why = f"{envoy['failure'] or 'it is about to start'}; its log is {envoy['log']}"
    return Trouble(f"The Envoy of Gateway {envoy['gateway']} is not running", why)


def _refusal(found: Plain) -> Trouble:
    origin = f"; it comes of {', '.join(found['objects'])}" if found["objects"] else ""
    said = f"Gateway {found['gateway']}: a proxy refused {found['kind']} {found['name']}"
    return Trouble(said, f"{found['message']}{origin}")
