"""Path modifiers (Gateway API, `HTTPPathModifier`), which redirects and rewrites share.

Envoy replaces the matched prefix literally, so that an empty replacement or the prefix ``/`` would leave ``//`` or
eat a slash; a regular expression does what the specification's table says there.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from urllib.parse import quote

from headgate_proto.envoy.config.route.v3.route_components_pb2 import RedirectAction, RouteAction
from translator.ir.http import RouteMatch
from translator.objects.gateway_api.filters import HTTPPathModifier

_ESCAPE = re.compile(r"%[0-9A-Fa-f]{2}|[^A-Za-z0-9/._~!$&'()*+,;=:@-]")


@dataclass(frozen=True, slots=True)
class PathModifier:
    """A new path: a whole one, or a replacement of the matched prefix. The query string stays."""

    replacement: str
    full: bool

    def apply(self, action: RedirectAction | RouteAction, match: RouteMatch, full_field: str) -> None:
        """Write it into a ``RedirectAction`` or ``RouteAction``, whose field `full_field` takes a whole path.

        A ``RouteAction`` has no such field: give "" for a regular expression that matches everything.
        """
        # The specification takes any text; a path begins with one slash, and has only some characters as they are.
        path = "/" + _escaped(self.replacement.lstrip("/"))
        if self.full and full_field:
            setattr(action, full_field, path)
        elif self.full:
            _rewrite(action, "^/.*$", path)
        elif path == "/":
            _rewrite(action, f"^{_quoted(match.path.rstrip('/'))}/*", path)
        else:
            slash = "/" if match.path == "/" else ""
            action.prefix_rewrite = path.rstrip("/") + slash


def _escaped(text: str) -> str:
    """Escape what cannot stand in a path (RFC 3986, section 3.3): what is escaped already stays as it is."""
    return _ESCAPE.sub(lambda found: found[0] if len(found[0]) == 3 else quote(found[0], safe=""), text)


def _rewrite(action: RedirectAction | RouteAction, pattern: str, substitution: str) -> None:
    action.regex_rewrite.pattern.regex = pattern
    # A backslash would begin a reference to a group; a path has none.
    action.regex_rewrite.substitution = substitution


def _quoted(text: str) -> str:
    return "".join(each if each.isalnum() or each in "/_-" else f"\\{each}" for each in text)


def path_modifier(found: HTTPPathModifier | None) -> PathModifier | None:
    """Read a path modifier."""
    if found is None:
        return None
    if found.type == "ReplaceFullPath":
        return PathModifier(found.replace_full_path or "", full=True)
    return PathModifier(found.replace_prefix_match or "", full=False)
