"""CORS (Gateway API, `HTTPCORSFilter`; GEP-1767).

Preflights have routes of their own, since they belong to the rule of the request that they announce. Answers
to requests are marked by Envoy's CORS filter, which does not act on those that a rule gives by itself.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final

from headgate_proto.envoy.config.core.v3 import base_pb2
from headgate_proto.envoy.config.route.v3.route_components_pb2 import Route
from headgate_proto.envoy.extensions.filters.http.cors.v3 import cors_pb2
from translator.envoy.hooks import PreflightHook, RouteHook
from translator.envoy.http_filter import HttpFilter, Stage
from translator.extension import Extension, FilterContext, FilterOutcome, FilterReader
from translator.ir.http import RouteMatch, RuleSetting, ValueMatch
from translator.ir.listener import ListenerContext
from translator.ir.preflight import ANY_ORIGIN, FILTER, HEADERS, METHOD, PRESENT, preflight
from translator.objects.gateway_api.filters import HTTPCORSFilter
from translator.outcome import Outcome

TYPE = "CORS"
DEFAULT_PORTS = {"http": ":80", "https": ":443"}

HeaderAppendAction = base_pb2.HeaderValueOption.HeaderAppendAction
OVERWRITE: Final = base_pb2.HeaderValueOption.OVERWRITE_IF_EXISTS_OR_ADD
NOBODY: Final = "$."
"""Matches nothing."""
RESPONSE_HEADERS: Final = tuple(
    f"access-control-{each}"
    for each in ("allow-origin", "allow-credentials", "allow-methods", "allow-headers", "expose-headers", "max-age")
)
VARY: Final = (
    r"%CEL('vary' in response.headers && response.headers['vary'].matches('(?i)^(.*,)?\\s*(origin|[*])\\s*(,.*)?$')"
    " ? '' : 'Origin')%"
)
"""What is added to ``Vary``: nothing, where the backend says it."""


@dataclass(frozen=True, slots=True)
class Cors(RuleSetting, RouteHook, PreflightHook):
    """The CORS policy of a route: allowed origins, methods and headers."""

    origins: tuple[str, ...]
    methods: tuple[str, ...]
    headers: tuple[str, ...]
    exposed: tuple[str, ...]
    credentials: bool
    max_age: int

    def preflights(self, match: RouteMatch) -> tuple[RouteMatch, ...]:
        """Give the preflights for requests that match: those of allowed origins, then all others."""
        method = match.method if match.method != "OPTIONS" else ""
        return tuple(preflight(match, each, method) for each in dict.fromkeys((self._allowed, ANY_ORIGIN)))

    def parts(self, match: RouteMatch, answered: bool) -> tuple[RouteMatch, ...]:
        """Divide a match that the rule answers by itself: Envoy's filter does not act on that."""
        return (replace(match, headers=(*match.headers, self._allowed)), match) if answered else (match,)

    def apply_to_preflight(self, route: Route, match: RouteMatch) -> None:
        """Write the answer to a preflight."""
        route.direct_response.status = 200
        _set(route, "vary", "Origin")
        if self._allowed not in match.headers:
            return
        self._write_common(route)
        _set(route, "access-control-allow-methods", _list(self.methods, METHOD))
        _set(route, "access-control-allow-headers", _list(self.headers, HEADERS))
        _set(route, "access-control-max-age", str(self.max_age))

    def apply_to_route(self, route: Route, origin: ListenerContext, match: RouteMatch) -> None:
        """Write the route's ``CorsPolicy``, or the headers of what the rule answers by itself."""
        # Who may read an answer is the gateway's to say; Envoy's filter adds what it allows after these are removed.
        route.response_headers_to_remove.extend(RESPONSE_HEADERS)
        _set(route, "vary", VARY, base_pb2.HeaderValueOption.APPEND_IF_EXISTS_OR_ADD)
        if not route.HasField("route"):
            if self._allowed in match.headers:
                self._write_common(route)
            return
        policy = cors_pb2.CorsPolicy(expose_headers=self._exposed)
        policy.allow_credentials.value = self.credentials
        # Who is allowed is the gateway's to say: a preflight from elsewhere does not reach the backend.
        policy.forward_not_matching_preflights.value = False
        for each in self._origins:
            matcher = policy.allow_origin_string_match.add()
            if "*" in each:
                matcher.safe_regex.regex = _pattern(each)
            else:
                matcher.exact = each
        route.typed_per_filter_config[FILTER].Pack(policy, deterministic=True)

    def _write_common(self, route: Route) -> None:
        _set(route, "access-control-allow-origin", "%REQ(origin)%")
        _set(route, "access-control-expose-headers", _literal(self._exposed))
        if self.credentials:
            _set(route, "access-control-allow-credentials", "true")

    @property
    def _origins(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(map(_as_browsers_write, self.origins)))

    @property
    def _allowed(self) -> ValueMatch:
        return ValueMatch("origin", "|".join(map(_pattern, self._origins)) or NOBODY, regex=True)

    @property
    def _exposed(self) -> str:
        # With credentials, browsers take an asterisk for a name; which headers a response will have nobody knows.
        return ", ".join(each for each in self.exposed if not (each == "*" and self.credentials))


def _list(names: tuple[str, ...], asked: str) -> str:
    """Names as they are answered; for a wildcard, which browsers may take for a name, those that were asked for."""
    return f"%REQ({asked})%" if names == ("*",) else _literal(", ".join(names))


def _literal(text: str) -> str:
    return text.replace("%", "%%")


def _set(route: Route, name: str, value: str, action: HeaderAppendAction = OVERWRITE) -> None:
    """Write a header of the response; Envoy leaves it out where its value is empty."""
    if value:
        option = route.response_headers_to_add.add(append_action=action)
        option.header.key, option.header.value = name, value


def _as_browsers_write(origin: str) -> str:
    """Return an origin in lower case and without the default port of its scheme."""
    lower = origin.lower()
    return lower.removesuffix(DEFAULT_PORTS.get(lower.partition(":")[0], ""))


def _pattern(origin: str) -> str:
    """Return a regular expression for an origin with an asterisk, which stands for labels, or for any origin."""
    if origin == "*":
        return PRESENT
    literal = "".join(each if each.isalnum() or each in "*:/" else f"\\{each}" for each in origin)
    return literal.replace("*", r"[^/:]+")


def read(site: FilterContext) -> FilterOutcome:
    """Read the CORS policy of a site."""
    for _, found in site.members(HTTPCORSFilter):
        cors = Cors(
            origins=tuple(found.allow_origins),
            methods=tuple(found.allow_methods),
            headers=tuple(found.allow_headers),
            exposed=tuple(found.expose_headers),
            credentials=bool(found.allow_credentials),
            max_age=found.max_age,
        )
        return Outcome((cors,))
    return Outcome(())


EXTENSION = Extension(
    "CORS",
    filters=(FilterReader(read, types=(TYPE,)),),
    # Does nothing for routes without a policy.
    http_filters=(HttpFilter(Stage.CORS, FILTER, cors_pb2.Cors, disabled=False),),
    conformance=("HTTPRouteCORS",),
)
