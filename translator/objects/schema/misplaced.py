"""Where the name of a field that is not known at its place belongs, as far as that can be told."""

from collections.abc import Mapping
from typing import Any, Final

from translator.objects.schema.base import Path

_BELOW: Final = 3
"""How many levels below its place a field is looked for: further down, equal names mean other things."""

_COMMON: Final = frozenset(
    ("enabled", "headers", "host", "http", "name", "namespace", "path", "port", "timeout", "tls", "type", "value")
)
"""Names that mean something else at each place, so that another place says nothing."""

ELSEWHERE: Final[Mapping[str, str]] = {
    "httpOnly": "write it in attributes, as {name: HttpOnly}",
    "secure": "write it in attributes, as {name: Secure}",
    "sameSite": "write it in attributes, as {name: SameSite, value: Lax}",
    "headerFormat": "preserveHttp1HeaderCase: true keeps upper and lower case",
    "enableProxyProtocol": "write proxyProtocol: {} for it",
    "clientIPDetection": "httpSettings has xffNumTrustedHops, xffTrustedCIDRs and clientIP for it",
    "numTrustedHops": "httpSettings has xffNumTrustedHops for it",
    "maxRequestHeaderLimit": "httpSettings has maxRequestHeadersKb for it",
    "requestReceivedTimeout": "httpSettings has requestTimeout for it",
    "idleTime": "the name is keepAliveTime",
    "probes": "the name is keepAliveProbes",
    "passive": "outlierDetection, beside healthCheck, has what it says",
    "active": "healthCheck itself has what it says",
    "consistentHash": "ringHash and maglev, with hashPolicies, have what it says",
    "endpoints": "a Backend has hosts in static.hosts",
    "bodyFormatOverride": "the name is bodyFormat",
    "valueRef": "the name is configMapRef",
    "kube": "what it has stands in spec itself",
}
"""What fields of other gateways for the same purpose are here: names that no field has, by what to do."""


def place(name: str, known: Mapping[str, Any], above: tuple[tuple[Path, Mapping[str, Any]], ...], path: Path) -> str:
    """Return what to do about a field that stands at the wrong level, or has another gateway's name; empty if unknown.

    Args:
        name: the field.
        known: the names that are known at its place, with those below them.
        above: the levels that lead to its place, the outermost first, each with its path.
        path: its place.
    """
    if name in _COMMON:
        return ""
    if (found := _below(name, known)) is not None:
        return f"it belongs into {_written((*path, *found))}"
    for outer, names in reversed(above):
        # At the top of an object every object has the same few names.
        if outer and name in names:
            return f"it belongs into {_written(outer)}"
    return ELSEWHERE.get(name, "")


def _below(name: str, known: Mapping[str, Any]) -> Path | None:
    """Return the nearest level below that knows the name; None where no level does, or several as near."""
    levels: list[tuple[Path, Mapping[str, Any]]] = [((), known)]
    for _ in range(_BELOW):
        levels = [((*way, key), below) for way, names in levels for key, below in names.items() if below]
        found = [way for way, names in levels if name in names]
        if found:
            return found[0] if len(found) == 1 else None
    return None


def _written(path: Path) -> str:
    """Return a path without the positions in its lists: the field may belong into each of them."""
    return ".".join(str(each) for each in path if not isinstance(each, int))
