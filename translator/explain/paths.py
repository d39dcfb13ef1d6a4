"""Paths as Envoy normalises them before routes are matched (``normalize_path``, ``merge_slashes``; observed, 1.40).

First escaped slashes are unescaped, if asked for; then dot segments are removed, and characters escaped or unescaped;
then slashes are merged. The query stays as it is.
"""

from __future__ import annotations

import re
from typing import Final, NamedTuple

from headgate_proto.envoy.extensions.filters.network.http_connection_manager.v3.http_connection_manager_pb2 import (
    HttpConnectionManager,
)

_ESCAPED_SLASH: Final = re.compile("%2f", re.IGNORECASE)
_ESCAPED_BACKSLASH: Final = re.compile("%5c", re.IGNORECASE)
_UNRESERVED: Final = re.compile("%(2[de]|3[0-9]|[46][1-9a-f]|[57][0-9a]|5f|7e)", re.IGNORECASE)
_ESCAPED: Final = re.compile('["<>^`{|}]')
_PARAMETERS: Final = re.compile(r"(?<=/)(\.\.?);[^/]*")
_INVALID: Final = re.compile(r"%00|[^\x21-\x7e]|#")


class NormalisedPath(NamedTuple):
    """A path as routes see it.

    Attributes:
        path: the path, with its query.
        redirect: whether Envoy redirects clients to it instead of matching it.
        error: why Envoy refuses the request; "" if it takes it.
    """

    path: str
    redirect: bool = False
    error: str = ""


def normalise(path: str, manager: HttpConnectionManager) -> NormalisedPath:
    """Normalise a path as a connection manager is configured to."""
    if not path.startswith("/"):
        return NormalisedPath(path, error="the path does not begin with a slash")
    plain, question, query = path.partition("?")
    if "#" in path:
        return NormalisedPath(path, error="a path has no fragment")
    action, found = manager.path_with_escaped_slashes_action, plain
    if action in (manager.REJECT_REQUEST, manager.UNESCAPE_AND_REDIRECT, manager.UNESCAPE_AND_FORWARD):
        found = _ESCAPED_BACKSLASH.sub(r"\\", _ESCAPED_SLASH.sub("/", plain))
    unescaped = found != plain
    if unescaped and action == manager.REJECT_REQUEST:
        return NormalisedPath(path, error="the path has an escaped slash")
    if manager.normalize_path.value:
        if _INVALID.search(found):
            return NormalisedPath(path, error="the path has a character that no path can have")
        found = _canonical(found)
    if manager.merge_slashes:
        found = _merged(found)
    return NormalisedPath(f"{found}{question}{query}", unescaped and action == manager.UNESCAPE_AND_REDIRECT)


def without_query(path: str) -> str:
    """Return a path without its query."""
    return path.partition("?")[0]


def _canonical(path: str) -> str:
    # A dot segment with parameters is one as long as its dots are not escaped.
    path = _PARAMETERS.sub(r"\1", path.replace("\\", "/"))
    path = _UNRESERVED.sub(lambda found: chr(int(found[1], 16)), path)
    path = _ESCAPED.sub(lambda found: f"%{ord(found[0]):02X}", path)
    segments = path.split("/")[1:]
    kept: list[str] = []
    for place, each in enumerate(segments):
        if each not in (".", ".."):
            kept.append(each)
            continue
        if each == "..":
            del kept[-1:]
        if place == len(segments) - 1:
            kept.append("")
    return "/" + "/".join(kept)


def _merged(path: str) -> str:
    if "//" not in path:
        return path
    inner = "/".join(filter(None, path.split("/")))
    return f"/{inner}{'/' * path.endswith('/')}"
