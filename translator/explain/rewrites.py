"""Paths, hosts and redirects that Envoy's route actions make."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Protocol

from headgate_proto.envoy.config.route.v3.route_components_pb2 import RedirectAction, RouteAction, RouteMatch
from headgate_proto.envoy.type.matcher.v3.regex_pb2 import RegexMatchAndSubstitute
from translator.explain.matches import Seen
from translator.explain.paths import without_query
from translator.explain.patterns import replace_all
from translator.explain.result import HeaderEdit

MOVED = {
    RedirectAction.MOVED_PERMANENTLY: 301,
    RedirectAction.FOUND: 302,
    RedirectAction.SEE_OTHER: 303,
    RedirectAction.TEMPORARY_REDIRECT: 307,
    RedirectAction.PERMANENT_REDIRECT: 308,
}

_DEFAULT_PORTS = {"http": ":80", "https": ":443"}


class RewritesPath(Protocol):
    """An action that replaces the matched part of a path, or what a regular expression finds in it."""

    @property
    def prefix_rewrite(self) -> str:
        """Return what takes the place of the matched part; "" to keep it."""

    @property
    def regex_rewrite(self) -> RegexMatchAndSubstitute:
        """Return the regular expression and what takes the place of its matches."""


def rewritten_path(action: RewritesPath, match: RouteMatch, path: str) -> str:
    """Return the path of a request, with its query, after an action."""
    plain = without_query(path)
    query = path[len(plain) :]
    if isinstance(action, RouteAction) and action.path_rewrite:
        return f"{action.path_rewrite.replace('%%', '%')}{query}"  # Headgate writes no other format
    if action.prefix_rewrite:
        return f"{action.prefix_rewrite}{plain[_matched(match, plain) :]}{query}"
    if pattern := action.regex_rewrite.pattern.regex:
        return f"{replace_all(pattern, action.regex_rewrite.substitution, plain)}{query}"
    return path


def _matched(match: RouteMatch, plain: str) -> int:
    """Return the length of the part of a path that a match is about."""
    kind = match.WhichOneof("path_specifier")
    if kind in ("prefix", "path_separated_prefix"):
        return len(getattr(match, kind))
    return len(plain)


def rewritten_host(action: RouteAction, request: Seen, endpoint_name: str) -> str | None:
    """Return the Host of a request after an action; None if that leaves it as it is.

    Args:
        action: the action.
        request: the request, with the host as it is before.
        endpoint_name: the name of the backend that Envoy resolves; "" without one.
    """
    kind = action.WhichOneof("host_rewrite_specifier")
    if kind == "host_rewrite_literal":
        return action.host_rewrite_literal
    if kind == "host_rewrite_header":
        return next(iter(request.values(action.host_rewrite_header.lower())), "") or None
    if kind == "host_rewrite_path_regex":
        rewrite = action.host_rewrite_path_regex
        return replace_all(rewrite.pattern.regex, rewrite.substitution, without_query(request.path))
    if kind == "auto_host_rewrite" and action.auto_host_rewrite.value and endpoint_name:
        return endpoint_name
    return None


def forwarded_host(action: RouteAction, request: Seen, rewritten: str | None) -> Iterator[HeaderEdit]:
    """Yield the header that tells a backend the Host of before a rewrite.

    Args:
        action: the action.
        request: the request, with the host as it is before.
        rewritten: the Host after the action.
    """
    known = request.value("x-forwarded-host")
    if not action.append_x_forwarded_host or rewritten is None or (known or "").split(",")[-1] == request.authority:
        return
    yield HeaderEdit("set", "x-forwarded-host", f"{known},{request.authority}" if known else request.authority)


def location(action: RedirectAction, match: RouteMatch, request: Seen) -> str:
    """Return where a redirect leads to."""
    kind = action.WhichOneof("scheme_rewrite_specifier")
    scheme = request.scheme
    if kind == "scheme_redirect" and action.scheme_redirect:
        scheme = action.scheme_redirect
    elif kind == "https_redirect" and action.https_redirect:
        scheme = "https"
    port = f":{action.port_redirect}" if action.port_redirect else ""
    host = action.host_redirect or _own_host(request, scheme, port)
    path = _redirected_path(action, match, request.path)
    return f"{scheme}://{host}{port}{without_query(path) if action.strip_query else path}"


def _redirected_path(action: RedirectAction, match: RouteMatch, path: str) -> str:
    if not action.path_redirect:
        return rewritten_path(action, match, path)
    query = path[len(without_query(path)) :]
    return action.path_redirect if "?" in action.path_redirect else f"{action.path_redirect}{query}"


def _own_host(request: Seen, scheme: str, port: str) -> str:
    """Return the Host of a request, without its port if there is another, or if it was the default of the scheme."""
    host = request.authority
    name, colon, number = host.rpartition(":")
    if not colon or "]" in number:
        return host
    was_default = scheme != request.scheme and f":{number}" == _DEFAULT_PORTS[request.scheme]
    return name if port or was_default else host
