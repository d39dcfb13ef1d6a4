"""Routes for the paths that filters answer by themselves, such as the one to which a provider sends browsers back.

They have the filters of the rules that ask for these paths, and stand behind the matches of rules for the same path.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from headgate_proto.envoy.config.route.v3.route_components_pb2 import Route
from translator.envoy.route_policies import RoutePolicies
from translator.ir.http import PathKind, RouteMatch, Rule

NOT_FOUND: Final = 404
"""The status where the filter lets a request pass."""


def own_paths(rule: Rule) -> Iterator[RouteMatch]:
    """Yield the matches of the paths that the filters of a rule answer by themselves."""
    found = {path for each in rule.settings if isinstance(each, RoutePolicies) for path in each.needs.paths}
    return map(path_match, sorted(found))


def path_match(path: str) -> RouteMatch:
    """Return the match of a path, whatever else there is in a request."""
    return RouteMatch(PathKind.EXACT, path)


def path_route(name: str, match: RouteMatch) -> Route:
    """Make the route of such a match, without its filters."""
    made = Route(name=f"{name}/path")
    made.match.path = match.path
    made.direct_response.status = NOT_FOUND
    return made
