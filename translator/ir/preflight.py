"""CORS preflights: what a request's preflight tells of it (Fetch, section 3.2.2)."""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from translator.ir.http import RouteMatch, ValueMatch

FILTER: Final = "envoy.filters.http.cors"
PRESENT: Final = ".+"
ANY_ORIGIN: Final = ValueMatch("origin", PRESENT, regex=True)
METHOD: Final = "access-control-request-method"
HEADERS: Final = "access-control-request-headers"
UNANNOUNCED: Final = frozenset(
    {
        *(
            "accept",
            "accept-charset",
            "accept-encoding",
            "accept-language",
            "content-language",
            "content-type",
            "range",
        ),
        *("connection", "content-length", "cookie", "date", "dnt", "expect", "host", "keep-alive", "origin", "referer"),
        *("te", "trailer", "transfer-encoding", "upgrade", "user-agent", "via"),
    }
)
"""Headers that a preflight need not announce, though the request has them (Fetch, sections 2.2.2 and 2.2.3)."""


def preflight(match: RouteMatch, origin: ValueMatch = ANY_ORIGIN, method: str = "") -> RouteMatch:
    """Return the match for preflights, from an origin, of the requests that `match` is for.

    Args:
        match: of the requests; of the headers that it asks for a preflight tells the names only.
        origin: which origins.
        method: the method of the requests; "" for any.
    """
    asked = (
        ValueMatch(METHOD, method or PRESENT, regex=not method),
        *(_announced(each.name) for each in match.headers if not is_unannounced(each)),
    )
    return replace(match, method="OPTIONS", headers=(origin, *asked))


def is_unannounced(header: ValueMatch) -> bool:
    """Whether preflights say nothing about a header."""
    return header.name.lower() in UNANNOUNCED


def _announced(header: str) -> ValueMatch:
    """Return a preflight for a request with a header: it names it, and does not tell the value."""
    name = "".join(each if each.isalnum() or each in "-_" else f"\\{each}" for each in header)
    return ValueMatch(HEADERS, rf"(?i)(.*[,\s])?{name}([,\s].*)?", regex=True)
