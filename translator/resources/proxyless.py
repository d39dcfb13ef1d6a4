"""The queries of resources for gRPC's own xDS clients: of the Services that they ask for, and never a Secret."""

from __future__ import annotations

import re
from collections.abc import Iterator
from operator import attrgetter
from typing import Final, NamedTuple

from translator.backends.service import declared_port, service_port
from translator.db import Db
from translator.engine.query import query
from translator.envoy.proxyless import client_listener
from translator.envoy.route import EncodedRoute, match_routes, references
from translator.envoy.route_configuration import EncodedHost, client_route_configuration, encoded, virtual_host
from translator.gateway import attachment
from translator.gateway.service_parents import service_of
from translator.ir.backend import Backend
from translator.ir.http import RouteMatch, Rule, WeightedBackend
from translator.ir.listener import PROXYLESS, ServiceTable
from translator.objects.kubernetes.service import Service
from translator.refs import Ref
from translator.resources.outputs import Output, Outputs, cluster_outputs
from translator.resources.routes import route_entries
from translator.routes.proxyless import client_rule, client_rules
from translator.routes.rule import NO_BACKENDS
from xds import Resource

_TARGET: Final = re.compile(r"([a-z0-9-]{1,63})\.([a-z0-9-]{1,63})\.svc(?:\.[a-z0-9.-]+)?:([1-9][0-9]{0,4})")
"""A target: the DNS name of a Service, whatever the domain of the cluster, and its port."""


class GrpcTarget(NamedTuple):
    """What clients call: a port of a Service."""

    service: Ref
    port: int


def target(name: str) -> GrpcTarget | None:
    """Return the target that a client means by ``xds:///name``; None if it is no port of a Service."""
    found = _TARGET.fullmatch(name)
    return GrpcTarget(Ref(Service.kind, found[2], found[1]), int(found[3])) if found is not None else None


@query
def client_outputs(db: Db, namespace: Ref) -> Outputs | None:
    """Return all that the clients of a namespace are sent: what those Services need that they ask for."""
    outputs: dict[Output, None] = {}
    for name in sorted(db.requested(namespace)):
        found = target(name)
        if found is not None and is_port(db, found):
            table = client_table(db, found, namespace.name)
            outputs[listener_resource, (name,)] = None
            outputs[routes_resource, (name, table)] = None
            for each in table_backends(db, table):
                outputs |= dict.fromkeys(cluster_outputs(each))
    return frozenset(outputs)


@query(firewall=True)
def is_port(db: Db, found: GrpcTarget) -> bool:
    """Return whether there is a Service with that port."""
    service = db.get(Service, found.service)
    return service is not None and declared_port(service, found.port) is not None


def client_table(db: Db, found: GrpcTarget, namespace: str) -> ServiceTable:
    """Return the table for the clients of a namespace: its own routes for the Service, or else the Service's."""
    name = f"{found.service.namespace}/{found.service.name}"
    own = ServiceTable(name, found.port, namespace)
    if db.count(attachment.routes, (own, "")):
        return own
    return own._replace(namespace=found.service.namespace)


@query
def listener_resource(db: Db, name: str) -> Resource | None:
    """Return the ``Listener`` of a target."""
    return Resource.pack(client_listener(name))


@query
def routes_resource(db: Db, name: str, table: ServiceTable) -> Resource | None:
    """Return the ``RouteConfiguration`` of a target."""
    return client_route_configuration(name, client_host(db, table))


@query
def client_host(db: Db, table: ServiceTable) -> EncodedHost:
    """Return the virtual host of a table, all of whose matches are tried in one order; without routes the default."""
    served = sorted(db.select(attachment.routes, (table, "")))
    if not served:
        return virtual_host("", _default_routes(db, table))
    made = (route_entries(db, each.route, PROXYLESS, each.known_stack, None) for each in served)
    entries = (entry for each in made for entry in each.value)
    return virtual_host("", sorted(entries, key=attrgetter("precedence")))


@query
def table_backends(db: Db, table: ServiceTable) -> tuple[Backend, ...]:
    """Return the backends of the routes of a table."""
    served = db.select(attachment.routes, (table, ""))
    rules = [rule.value for each in served for rule in client_rules(db, each.route, each.known_stack)]
    return tuple(dict.fromkeys(each for rule in rules or (default_rule(db, table),) for each in rule.all_backends))


@query
def default_rule(db: Db, table: ServiceTable) -> Rule:
    """Return the rule of a Service without routes: all calls go to its endpoints."""
    found = service_port(db, service_of(table), table.port).value
    backends = (WeightedBackend(found),) if found is not None else ()
    rule = Rule("default", (RouteMatch(),), backends=backends, error="" if backends else NO_BACKENDS)
    return client_rule(rule, "").value


def _default_routes(db: Db, table: ServiceTable) -> Iterator[EncodedRoute]:
    service, rule = service_of(table), default_rule(db, table)
    for _, match, rank, message, whole, shared in match_routes(f"Service/{table.service}", rule, PROXYLESS):
        needs = references(rule)
        yield EncodedRoute(rank, encoded(message), needs, match, whole, shared, service, rule.name, generation=0)
