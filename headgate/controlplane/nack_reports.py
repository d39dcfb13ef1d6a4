"""NACKs of proxies, with the objects that the rejected resources were derived from, for `/status`."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from headgate.observability.metrics import short
from translator.engine.memo import Trace
from translator.objects.gateway_api.gateway import key_of
from translator.objects.schema.base import KubernetesObject
from translator.refs import Ref
from translator.status.nacks import attribute_nacks
from translator.translator import Translator
from xds import ENDPOINT, ROUTE, Reference, Server

MAX_OBJECTS = 10
"""The most objects named for one resource; a route configuration may be derived from thousands."""

CONTEXT_KINDS = frozenset({"Gateway", "GatewayClass", "Namespace", "EndpointSlice", "ReferenceGrant"})
"""Kinds that are read for context and rarely cause a NACK, or that the message names anyway."""


def nack_reports(translator: Translator, server: Server, gateway: Ref) -> Iterator[dict[str, Any]]:
    """Yield the current NACKs of the proxies of one Gateway, as JSON values.

    Each has the Gateway's key (`gateway`), the type of the resource, as "Cluster" (`kind`), its name (`name`), the
    error detail of the NACK (`message`), and the objects that the resource was derived from (`objects`), as
    "HTTPRoute default/shop"; the last of these may be "and 7 more".
    """
    key = key_of(gateway)
    status = server.sync_status(key)
    for each in attribute_nacks(status.snapshot, status.nacks) if status else ():
        # A NACK of a route configuration is attributed to single routes where possible.
        routes = [str(affected.route) for affected in each.routes] if each.nack.type_url == ROUTE else []
        origin = _first(routes) or origins(translator, gateway, Reference(each.nack.type_url, each.nack.name))
        yield {
            "gateway": key,
            "kind": short(each.nack.type_url),
            "name": each.nack.name,
            "message": each.nack.message,
            "objects": origin,
        }


def origins(translator: Translator, gateway: Ref, reference: Reference) -> tuple[str, ...]:
    """Return the names of the objects that a resource of a Gateway, or its endpoints, were derived from."""
    resource = translator.snapshots[gateway].get(reference)
    endpoints = [each for each in resource.references if each.type_url == ENDPOINT] if resource else []
    found: dict[str, None] = {}
    for each in (reference, *endpoints):
        if trace := translator.trace_resource(gateway, each):
            found |= dict.fromkeys(map(str, _objects(trace)))
    return _first(sorted(found))


def _first(listed: Sequence[str]) -> tuple[str, ...]:
    more = len(listed) - MAX_OBJECTS
    return tuple(listed) if more <= 0 else (*listed[:MAX_OBJECTS], f"and {more} more")


def _objects(trace: Trace) -> Iterator[Ref]:
    if isinstance(trace.value, KubernetesObject) and trace.value.kind not in CONTEXT_KINDS:
        yield trace.value.ref
    for each in trace.reads:
        yield from _objects(each)
