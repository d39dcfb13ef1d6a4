"""Routes for the paths that filters answer by themselves, such as the one to which a provider sends browsers back.

They have the filters of the rules that ask for these paths, and stand behind the matches of rules for the same path.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Final

from headgate_proto.envoy.config.route.v3.route_components_pb2 import Route
from translator.envoy.route_policies import RoutePolicies
from translator.ir.http import PathKind, RouteMatch, Rule
from translator.languages.regex import fully_matches

NOT_FOUND: Final = 404
"""The status where the filter lets a request pass."""


def own_paths(rule: Rule) -> Iterator[tuple[RouteMatch, int]]:
    """Yield the matches of the paths that the filters of a rule answer by themselves, with the place of each.

    What is about a path is the rule's to answer if requests for that path are. Of several rules the one goes first that
    gets those: the places of these are below 0.
    """
    found = {path for each in rule.settings if isinstance(each, RoutePolicies) for path in each.needs.paths}
    for each in sorted(found):
        place = place_of(rule.matches, each.about) if each.about else 0
        if place is not None:
            yield path_match(each.path), place


def place_of(matches: Iterable[RouteMatch], path: str) -> int | None:
    """Return the place of the best of some matches for requests for a path, the lowest first; None if none matches."""
    return min((_place(each, path) for each in matches if _covers(each, path)), default=None)


def _place(match: RouteMatch, path: str) -> int:
    """Return the place of a match of a path; one that asks for more than the path is behind all that do not."""
    if match.headers or match.query or match.share or match.model or match.method not in ("", "POST"):
        return 0
    if match.path_kind is PathKind.REGEX:
        return -1
    return -2 - len(match.path.rstrip("/")) - (match.path_kind is PathKind.EXACT)


def _covers(match: RouteMatch, path: str) -> bool:
    if match.path_kind is PathKind.EXACT:
        return match.path == path
    if match.path_kind is PathKind.PREFIX:
        return f"{path}/".startswith(f"{match.path.rstrip('/')}/")
    if match.path_kind is PathKind.REGEX:
        below = match.within
        return f"{path}/".startswith(f"{below}/") and fully_matches(match.path, path)
    return False


def path_match(path: str) -> RouteMatch:
    """Return the match of a path, whatever else there is in a request."""
    return RouteMatch(PathKind.EXACT, path)


def path_route(name: str, match: RouteMatch) -> Route:
    """Make the route of such a match, without its filters."""
    made = Route(name=f"{name}/path")
    made.match.path = match.path
    made.direct_response.status = NOT_FOUND
    return made
