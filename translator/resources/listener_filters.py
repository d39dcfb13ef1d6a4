"""The queries that end in the resources of listeners' filters (`translator.envoy.listener_filters`)."""

from __future__ import annotations

from collections.abc import Iterator
from hashlib import blake2b

from headgate_proto.envoy.extensions.filters.network.http_connection_manager.v3.http_connection_manager_pb2 import (
    HttpConnectionManager,
)
from translator.db import Db
from translator.engine.query import query
from translator.envoy.filter_chain import routes_manager
from translator.envoy.filter_configs import FilterNeeds
from translator.envoy.listener_filters import filters_configuration, internal_cluster, internal_listener
from translator.envoy.names import internal_listener_name
from translator.extension import http_filters
from translator.gateway.listeners import table_listeners
from translator.ir.listener import HttpChain, RouteConfigKey
from translator.routes.listener_filters import FiltersOfListener, listener_filters
from xds import Resource


def _of_table(db: Db, table: RouteConfigKey) -> Iterator[FiltersOfListener]:
    for each in db.select(table_listeners, table):
        found = listener_filters(db, each).value
        if found is not None:
            yield found


def table_needs(db: Db, table: RouteConfigKey) -> Iterator[FilterNeeds]:
    """Yield what the filters of the listeners of a table need."""
    return (each.needs for each in _of_table(db, table))


@query
def filters_table_resource(db: Db, chain: HttpChain) -> Resource | None:
    """Return the ``RouteConfiguration`` of the first connection manager: the filters of each listener.

    A listener that takes the connections of its hostname has all requests of these.
    """
    table = chain.table
    found = list(_of_table(db, table))
    hosts = [each.host._replace(hostname="") if table.tls else each.host for each in found]
    packed = Resource.pack(filters_configuration(table, hosts, internal_name(db, chain)))
    needed = frozenset().union(*[each.needs.references for each in found])
    return Resource.of(packed.type_url, packed.name, packed.body, packed.references | needed, origin=())


def _manager(db: Db, chain: HttpChain) -> HttpConnectionManager:
    return routes_manager(chain, http_filters(db))


@query
def internal_name(db: Db, chain: HttpChain) -> str:
    """Return the name of the internal listener, another one for each way in which it serves requests.

    The first connection manager keeps connections to it, which Envoy goes on to serve as it did when they were made: so
    a policy for listeners makes another one in its place, as other settings make another cluster.
    """
    name = internal_listener_name(chain.table)
    if all(each.of_clients for each in chain.settings):
        return name
    made = _manager(db, chain).SerializeToString(deterministic=True)
    return f"{name}/{blake2b(made, digest_size=4).hexdigest()}"


@query
def internal_listener_resource(db: Db, chain: HttpChain) -> Resource | None:
    """Return the ``Listener`` behind the filters, which has the routes."""
    return Resource.pack(internal_listener(internal_name(db, chain), _manager(db, chain)))


@query
def internal_cluster_resource(db: Db, chain: HttpChain) -> Resource | None:
    """Return the ``Cluster`` that this listener is for the first connection manager."""
    return Resource.pack(internal_cluster(internal_name(db, chain)))
