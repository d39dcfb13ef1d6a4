"""CORS (Gateway API, `HTTPCORSFilter`; GEP-1767).

Preflights have routes of their own, since they belong to the rule of the request that they announce. Answers
to requests are marked by Envoy's CORS filter, which does not act on those that a rule gives by itself. What a
TrafficPolicy says for a Gateway or a listener is written once, as headers that all routes inherit.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import ClassVar, Final

from headgate_proto.envoy.config.core.v3 import base_pb2
from headgate_proto.envoy.config.route.v3.route_components_pb2 import Route, VirtualHost
from headgate_proto.envoy.config.route.v3.route_pb2 import RouteConfiguration
from headgate_proto.envoy.extensions.filters.http.cors.v3 import cors_pb2
from translator.envoy.cel import text, value_if
from translator.envoy.hooks import PreflightHook, RouteConfigurationHook, RouteHook, VirtualHostHook
from translator.extension import Extension, FilterContext, FilterOutcome, FilterReader, PolicyContext, PolicyUnit
from translator.ir.http import RouteMatch, RuleSetting, ValueMatch
from translator.ir.listener import ListenerContext, ListenerSetting
from translator.ir.preflight import ANY_ORIGIN, FILTER, HEADERS, METHOD, PRESENT, preflight
from translator.objects.gateway_api.filters import HTTPCORSFilter
from translator.objects.headgate.browsers import CORSPolicy
from translator.objects.headgate.trafficpolicy import TrafficPolicy
from translator.outcome import Outcome, Problem

TYPE = "CORS"
DEFAULT_PORTS = {"http": ":80", "https": ":443"}

HeaderAppendAction = base_pb2.HeaderValueOption.HeaderAppendAction
OVERWRITE: Final = base_pb2.HeaderValueOption.OVERWRITE_IF_EXISTS_OR_ADD
ORIGIN: Final = "request.headers['origin']"
HAS_ORIGIN: Final = "'origin' in request.headers"
IS_PREFLIGHT: Final = f"request.method == 'OPTIONS' && '{METHOD}' in request.headers"
MOST_CONDITION_LENGTH: Final = 8192
"""The longest condition: Envoy takes values of headers of 16,384 bytes (`HeaderValue.value`)."""
MOST_NAMES_LENGTH: Final = 7168
"""The most that names of headers in a policy may take, as an expression has them, beside a condition."""
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
        """Write the answer to a preflight, in place of what the route inherits."""
        route.response_headers_to_remove.extend(RESPONSE_HEADERS)
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
        policy = cors_pb2.CorsPolicy(expose_headers=self.exposing)
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
        _set(route, "access-control-expose-headers", _literal(self.exposing))
        if self.credentials:
            _set(route, "access-control-allow-credentials", "true")

    @property
    def _origins(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(map(_as_browsers_write, self.origins)))

    @property
    def _allowed(self) -> ValueMatch:
        return ValueMatch("origin", "|".join(map(_pattern, self._origins)) or NOBODY, regex=True)

    @property
    def conditions(self) -> Iterator[str]:
        """The conditions in CEL of which one holds for requests of allowed origins; each fits into a header's value."""
        found: list[str] = []
        for each in map(_condition, self._origins):
            if found and len(" || ".join((*found, each))) > MOST_CONDITION_LENGTH:
                yield _any(found)
                found.clear()
            found.append(each)
        if found:
            yield _any(found)

    @property
    def exposing(self) -> str:
        """The headers of responses that pages may read, as they are told."""
        # With credentials, browsers take an asterisk for a name; which headers a response will have nobody knows.
        return ", ".join(each for each in self.exposed if not (each == "*" and self.credentials))


@dataclass(frozen=True, slots=True)
class InheritedCors(ListenerSetting, RouteConfigurationHook, VirtualHostHook):
    """A CORS policy that all routes of a listener inherit: the headers of their responses, of preflights too."""

    answers_preflights: ClassVar[bool] = True
    cors: Cors

    def apply_to_route_configuration(self, configuration: RouteConfiguration) -> None:
        """Write the headers for all routes of a table."""
        self._write(configuration)

    def apply_to_virtual_host(self, host: VirtualHost) -> None:
        """Write the headers for all routes of a domain."""
        self._write(host)

    def _write(self, head: RouteConfiguration | VirtualHost) -> None:
        head.response_headers_to_remove.extend(RESPONSE_HEADERS)
        _set(head, "vary", VARY, base_pb2.HeaderValueOption.APPEND_IF_EXISTS_OR_ADD)
        for allowed in self.cors.conditions:
            for name, value in self._headers():
                _set(head, f"access-control-{name}", value_if(allowed, value))
            for name, value in self._preflight_headers():
                _set(head, f"access-control-{name}", value_if(f"{IS_PREFLIGHT} && {allowed}", value))

    def _headers(self) -> Iterator[tuple[str, str]]:
        yield "allow-origin", ORIGIN
        if self.cors.exposing:
            yield "expose-headers", text(self.cors.exposing)
        if self.cors.credentials:
            yield "allow-credentials", text("true")

    def _preflight_headers(self) -> Iterator[tuple[str, str]]:
        for name, values, asked in (
            ("allow-methods", self.cors.methods, METHOD),
            ("allow-headers", self.cors.headers, HEADERS),
        ):
            if values == ("*",):
                yield name, f"({text(asked)} in request.headers ? request.headers[{text(asked)}] : '')"
            elif values:
                yield name, text(", ".join(values))
        yield "max-age", text(str(self.cors.max_age))


def _list(names: tuple[str, ...], asked: str) -> str:
    """Names as they are answered; for a wildcard, which browsers may take for a name, those that were asked for."""
    return f"%REQ({asked})%" if names == ("*",) else _literal(", ".join(names))


def _literal(text: str) -> str:
    return text.replace("%", "%%")


def _set(
    message: Route | RouteConfiguration | VirtualHost, name: str, value: str, action: HeaderAppendAction = OVERWRITE
) -> None:
    """Write a header of the response; Envoy leaves it out where its value is empty."""
    if value:
        option = message.response_headers_to_add.add(append_action=action)
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


def _any(conditions: list[str]) -> str:
    return f"{HAS_ORIGIN} && ({' || '.join(conditions)})"


def _condition(origin: str) -> str:
    """Return the condition for an origin; an asterisk stands for labels, or for any origin.

    Envoy takes short regular expressions only (`regex_max_program_size` of CEL, 100), so hosts are compared without.
    """
    if "*" not in origin:
        return f"{ORIGIN} == {text(origin)}"
    if origin == "*":
        return f"{ORIGIN} != ''"
    start, _, end = origin.partition("*")
    shape = "^https?://[^/:]+:[0-9]+$" if ":" in end else "^https?://[^/:]+$"
    conditions = [f"{ORIGIN}.startsWith({text(start)})", f"{ORIGIN}.matches('{shape}')"]
    conditions += [f"{ORIGIN}.endsWith({text(end)})", f"{ORIGIN} != {text(start + end)}"] if end else []
    return f"({' && '.join(conditions)})"


def _cors(found: HTTPCORSFilter) -> Cors:
    return Cors(
        origins=tuple(found.allow_origins),
        methods=tuple(found.allow_methods),
        headers=tuple(found.allow_headers),
        exposed=tuple(found.expose_headers),
        credentials=bool(found.allow_credentials),
        max_age=found.max_age,
    )


def read(site: FilterContext) -> FilterOutcome:
    """Read the CORS policy of a site."""
    return Outcome(tuple(_cors(found) for _, found in site.members(HTTPCORSFilter))[:1])


def read_policy(context: PolicyContext) -> FilterOutcome:
    """Read the effective CORS of TrafficPolicies; names of headers that no expression can hold are refused."""
    found = context.effective.value
    assert isinstance(found, CORSPolicy)
    if found.disable is not None:
        return Outcome(())
    for field, names in (("allowHeaders", found.allow_headers), ("exposeHeaders", found.expose_headers)):
        length = len(text(", ".join(names))) - len("''")
        if length > MOST_NAMES_LENGTH:
            words = f"the names take {length} bytes, and {MOST_NAMES_LENGTH} are the most; name fewer"
            return Outcome(None, (Problem("Accepted", "Invalid", f"{context.field}.{field}: {words}."),))
    return Outcome((_cors(found),))


NOBODYS: Final = Cors((), (), (), (), credentials=False, max_age=0)
"""What a rule has where a policy of it switches off the CORS policy that routes inherit: nobody is allowed."""


def _inherit(settings: tuple[RuleSetting, ...]) -> tuple[ListenerSetting, ...]:
    return tuple(InheritedCors(each) for each in settings if isinstance(each, Cors))


EXTENSION = Extension(
    "CORS",
    units=(PolicyUnit(TrafficPolicy, "cors", read_policy, Cors, inherit=_inherit, disabled=(NOBODYS,)),),
    filters=(FilterReader(read, types=(TYPE,)),),
    conformance=("HTTPRouteCORS",),
)
