"""Request and response header modifiers (Gateway API, `HTTPHeaderFilter`), of a rule or of one backend."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, replace

from headgate_proto.envoy.config.core.v3 import base_pb2
from headgate_proto.envoy.config.route.v3.route_components_pb2 import Route, WeightedCluster
from translator.envoy.hooks import RouteHook, WeightedClusterHook
from translator.extension import Extension, FilterContext, FilterOutcome, FilterReader
from translator.extensions.host_rewrite import rewrites_host, set_host
from translator.ir.http import RouteMatch, RuleSetting
from translator.ir.listener import ListenerContext
from translator.objects.gateway_api.filters import HTTPHeader, HTTPHeaderFilter
from translator.objects.schema.header_names import OF_THE_CONNECTION
from translator.outcome import Outcome, Problem

REQUEST, RESPONSE = "RequestHeaderModifier", "ResponseHeaderModifier"

APPEND = base_pb2.HeaderValueOption.APPEND_IF_EXISTS_OR_ADD

OVERWRITE = base_pb2.HeaderValueOption.OVERWRITE_IF_EXISTS_OR_ADD

Headers = tuple[tuple[str, str], ...]
ClusterWeight = WeightedCluster.ClusterWeight

_NAME = re.compile("[A-Za-z0-9!#$%&'*+.^_`|~-]+")

_FORBIDDEN = re.compile(r"[\x00-\x08\x0a-\x1f\x7f]")


@dataclass(frozen=True, slots=True)
class HeaderModifier(RuleSetting, RouteHook, WeightedClusterHook):
    """Headers to set, add and remove on the way to the backend, or back if not `request`."""

    request: bool
    set: Headers = ()
    add: Headers = ()
    remove: tuple[str, ...] = ()
    host: str = ""

    def apply_to_route(self, route: Route, origin: ListenerContext, match: RouteMatch) -> None:
        """Write the headers into a ``Route``; the Host header is Envoy's ``host_rewrite_literal``.

        Envoy changes headers for the backend first, and for the rule last, which would undo what a backend's own
        filter does (`most_specific_header_mutations_wins` does not change that): where there is such a filter, the
        rule's changes go before it, to each of the backends.
        """
        weighted_clusters = route.route.weighted_clusters.clusters if route.HasField("route") else ()
        if any(_changes(each, self.direction) for each in weighted_clusters):
            for each in weighted_clusters:
                self._write_before(each)
        else:
            self._write(route)
        if self.host and route.HasField("route"):
            set_host(route.route, self.host)

    def apply_to_weighted_cluster(self, cluster_weight: ClusterWeight) -> None:
        """Write the headers into a ``ClusterWeight``."""
        self._write(cluster_weight)
        if self.host:
            cluster_weight.host_rewrite_literal = self.host

    @property
    def direction(self) -> str:
        """How the names of Envoy's fields begin."""
        return "request" if self.request else "response"

    def _write(self, message: Route | ClusterWeight) -> None:
        options = getattr(message, f"{self.direction}_headers_to_add")
        options.extend(_options(self.set, OVERWRITE))
        options.extend(_options(self.add, APPEND))
        getattr(message, f"{self.direction}_headers_to_remove").extend(self.remove)

    def _write_before(self, share: ClusterWeight) -> None:
        """Write the headers before the changes that are there, without those that they make void."""
        added = getattr(share, f"{self.direction}_headers_to_add")
        later = list(added)
        final = {each.header.key.lower() for each in later if each.append_action == OVERWRITE}
        final |= {each.lower() for each in getattr(share, f"{self.direction}_headers_to_remove")}
        del added[:]
        kept = replace(
            self,
            set=tuple(each for each in self.set if each[0].lower() not in final),
            add=tuple(each for each in self.add if each[0].lower() not in final),
        )
        kept._write(share)
        added.extend(later)


def _changes(message: ClusterWeight, direction: str) -> bool:
    return bool(getattr(message, f"{direction}_headers_to_add") or getattr(message, f"{direction}_headers_to_remove"))


def _options(
    headers: Headers, action: base_pb2.HeaderValueOption.HeaderAppendAction
) -> Iterable[base_pb2.HeaderValueOption]:
    for name, value in headers:
        # Envoy substitutes %COMMANDS% in values; what users write is meant literally.
        # Blanks at the ends are no part of a value (RFC 9110, 5.5), and HTTP/2 does not allow them.
        text = value.strip(" \t").replace("%", "%%")
        header = base_pb2.HeaderValue(key=name, value=text)
        yield base_pb2.HeaderValueOption(header=header, append_action=action, keep_empty_value=not text)


def _modifier(request: bool, found: HTTPHeaderFilter) -> HeaderModifier:
    pairs = _first_of_each(found.set)
    host = next((value for name, value in pairs if request and name.lower() == "host"), "")
    return HeaderModifier(
        request,
        set=tuple(each for each in pairs if not (request and each[0].lower() == "host")),
        add=_first_of_each(found.add),
        remove=tuple(found.remove),
        host=host,
    )


def _first_of_each(headers: Iterable[HTTPHeader]) -> Headers:
    """Of names that differ only in case the first counts, the others are ignored (`HTTPHeader.name`)."""
    found: dict[str, tuple[str, str]] = {}
    for each in headers:
        found.setdefault(each.name.lower(), (each.name, each.value))
    return tuple(found.values())


def _header_error(request: bool, found: HTTPHeaderFilter) -> str:
    """Return why a modifier is not supported, "" if it is; Envoy has a field for the Host of requests."""
    added, names = [*found.set, *found.add], [*(each.name for each in found.add), *found.remove]
    if not request:
        names += [each.name for each in found.set]
    for name in names:
        if name.lower() == "host" or not _NAME.fullmatch(name):
            return f"Envoy lets nobody change {name!r} so; take it out. The Host of a request can be set."
    for name in (*(each.name for each in added), *found.remove):
        if name.lower() in OF_THE_CONNECTION:
            return f"{name} frames messages or belongs to one connection, so no filter may change it; take it out."
    for each in added:
        if _FORBIDDEN.search(each.value):
            return f"the value of {each.name} holds a control character, which no header can have; take it out."
    if name := _contradicted(found):
        return f"{name} is in more than one of set, add and remove; leave it in one of them."
    return ""


def _contradicted(found: HTTPHeaderFilter) -> str:
    """Return the name of a header that is changed in more than one way, "" if there is none (`HTTPHeaderFilter`)."""
    ways = (each.name for each in found.set), (each.name for each in found.add), found.remove
    names = Counter(name for way in ways for name in {each.lower() for each in way})
    return next((name for name, count in names.items() if count > 1), "")


def read(site: FilterContext) -> FilterOutcome:
    """Read the header modifiers of a site, in their order."""
    modifiers: list[HeaderModifier] = []
    for field, each in site.filters_of(REQUEST, RESPONSE):
        request = each.type == REQUEST
        found = each.request_header_modifier if request else each.response_header_modifier
        assert found is not None
        if error := _header_error(request, found):
            return Outcome(None, (Problem("Accepted", "UnsupportedValue", f"{field}: {error}"),))
        modifier = _modifier(request, found)
        later = site.filters[site.filters.index(each) + 1 :]
        modifiers.append(replace(modifier, host="") if any(map(rewrites_host, later)) else modifier)
    return Outcome(tuple(modifiers))


EXTENSION = Extension(
    "header modifiers",
    filters=(FilterReader(read, types=(REQUEST, RESPONSE), on_backends=True),),
    conformance=(
        "HTTPRouteBackendRequestHeaderModification",
        "HTTPRouteResponseHeaderModification",
    ),
)
