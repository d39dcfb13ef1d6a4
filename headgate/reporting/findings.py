"""Findings: faults of objects, Envoys and files, for people who want to fix them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from headgate.reporting.conditions import bad, phrase, places

Json = Mapping[str, Any]

ORDER = ("GatewayClass", "GatewayParameters", "Gateway", "ListenerSet")
"""Kinds that others depend on: their findings come first."""


class Finding(NamedTuple):
    """A fault of an object, an Envoy or a file.

    Attributes:
        text: the subject and the fault: "HTTPRoute default/shop is not accepted (Gateway web)".
        detail: the cause and the fix; "" if the text says all.
        place: where the subject is defined, "file:line"; "" if that is not known.
    """

    text: str
    detail: str = ""
    place: str = ""

    def __str__(self) -> str:
        """Return the finding as one line."""
        at = f"{self.place}: " if self.place else ""
        return f"{at}{self.text}: {self.detail}" if self.detail else f"{at}{self.text}"


def name_of(found: Json) -> str:
    """Return an object's "namespace/name", or its name."""
    metadata = found["metadata"]
    return f"{metadata['namespace']}/{metadata['name']}" if "namespace" in metadata else str(metadata["name"])


def findings(status: Json) -> list[Finding]:
    """Return the findings of a status, those of kinds that others depend on first.

    Args:
        status: the status of the running Headgate, or of a cluster, as `headgate status` reads it.
    """
    found = [Finding(str(each)) for each in status["problems"]]
    found += map(_idle, (each for each in status["envoys"] if not each["pid"]))
    for each in sorted(status["objects"], key=lambda each: _rank(each["kind"])):
        found += _of_object(each)
    found += map(_refusal, status.get("refused", ()))
    return found


def _rank(kind: str) -> int:
    return ORDER.index(kind) if kind in ORDER else len(ORDER)


def _of_object(found: Json) -> Iterator[Finding]:
    subject, place, status = f"{found['kind']} {name_of(found)}", found.get("place", ""), found.get("status") or {}
    for label, each in bad(status):
        about = f" ({label})" if label else ""
        yield Finding(f"{subject} {phrase(each)}{about} ({each['reason']})", each["message"], place)
    observed = [each.get("observedGeneration", 0) for _, conditions in places(status) for each in conditions]
    generation = found["metadata"].get("generation", 0)
    if generation > max(observed, default=0) and (any(observed) or not observed):
        detail = "unless it does so in a moment, see that it runs and has a leader that may write statuses"
        yield Finding(f"{subject} is newer than what Headgate says of it", detail, place)


def _idle(envoy: Json) -> Finding:
    detail = f"{envoy['failure'] or 'it is about to start'}; its log is {envoy['log']}"
    return Finding(f"The Envoy of Gateway {envoy['gateway']} is not running", detail)


def _refusal(found: Json) -> Finding:
    origin = f"; it comes of {', '.join(found['objects'])}" if found["objects"] else ""
    text = f"Gateway {found['gateway']}: a proxy refused {found['kind']} {found['name']}"
    return Finding(text, f"{found['message']}{origin}")
