"""CORS (Gateway API, `HTTPCORSFilter`; GEP-1767), answered by Envoy's CORS filter."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from headgate_proto.envoy.extensions.filters.http.cors.v3 import cors_pb2
from headgate_proto.envoy.extensions.filters.network.http_connection_manager.v3 import http_connection_manager_pb2
from translator.feature import Feature, Read, Site
from translator.ir import Origin, RouteFeature, RouteMatch
from translator.outcome import Outcome, Problem

TYPE = "CORS"
FILTER = "envoy.filters.http.cors"
ANSWERING = ("RequestRedirect", "ExtensionRef")
"""Types of filters that answer by themselves; Envoy's CORS filter only looks at requests that are forwarded."""
DEFAULT_PORTS = {"http": ":80", "https": ":443"}


@dataclass(frozen=True, slots=True)
class Cors(RouteFeature):
    """Which pages of other origins may use a route, and how."""

    origins: tuple[str, ...]
    methods: tuple[str, ...]
    headers: tuple[str, ...]
    exposed: tuple[str, ...]
    credentials: bool
    max_age: int

    def apply(self, route: Any, origin: Origin, match: RouteMatch) -> None:
        """Write the route's ``CorsPolicy``."""
        # With credentials, browsers take an asterisk for a name. For methods and headers Envoy then answers with those
        # that were asked for; which headers there are to be exposed nobody knows before.
        exposed = tuple(each for each in self.exposed if not (each == "*" and self.credentials))
        policy = cors_pb2.CorsPolicy(
            allow_methods=", ".join(self.methods),
            allow_headers=", ".join(self.headers),
            expose_headers=", ".join(exposed),
            max_age=str(self.max_age),
        )
        policy.allow_credentials.value = self.credentials
        # Who is allowed is the gateway's to say: a preflight from elsewhere does not reach the backend.
        policy.forward_not_matching_preflights.value = False
        for each in dict.fromkeys(_as_browsers_write(origin) for origin in self.origins):
            matcher = policy.allow_origin_string_match.add()
            if "*" in each:
                matcher.safe_regex.regex = _pattern(each)
            else:
                matcher.exact = each
        route.typed_per_filter_config[FILTER].Pack(policy, deterministic=True)


def _as_browsers_write(origin: str) -> str:
    """An origin in lower case and without the default port of its scheme."""
    lower = origin.lower()
    return lower.removesuffix(DEFAULT_PORTS.get(lower.partition(":")[0], ""))


def _pattern(origin: str) -> str:
    """A regular expression for an origin with an asterisk, which stands for one or more labels, or for any origin."""
    if origin == "*":
        return ".*"
    literal = "".join(each if each.isalnum() or each in "*:/" else f"\\{each}" for each in origin)
    return literal.replace("*", r"[^/:]+")


def read(site: Site) -> Read:
    """Read the CORS policy of a site."""
    for field, each in site.filters_of(TYPE):
        found = each.cors
        assert found is not None
        if rival := next((other.type for other in site.filters if other.type in ANSWERING), None):
            text = f"{field}: CORS does not act on what {rival} answers; remove one of them."
            return Outcome(None, (Problem("Accepted", "IncompatibleFilters", text),))
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


def http_filter() -> http_connection_manager_pb2.HttpFilter:
    """Make the CORS filter, which does nothing for routes without a policy."""
    made = http_connection_manager_pb2.HttpFilter(name=FILTER)
    made.typed_config.Pack(cors_pb2.Cors())
    return made


FEATURE = Feature("CORS", read, filters=(TYPE,), http_filter=http_filter, conformance=("HTTPRouteCORS",))
