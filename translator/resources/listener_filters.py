"""The queries that end in the resources of listeners' filters (`translator.envoy.listener_filters`)."""

from __future__ import annotations

from collections.abc import Iterator

from translator.db import Db
from translator.engine.query import query
from translator.envoy.filter_chain import routes_manager
from translator.envoy.filter_configs import FilterNeeds
from translator.envoy.listener_filters import filters_configuration, internal_cluster, internal_listener
from translator.extension import extensions
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
def filters_table_resource(db: Db, table: RouteConfigKey) -> Resource | None:
    """Return the ``RouteConfiguration`` of the first connection manager: the filters of each listener.

    A listener that takes the connections of its hostname has all requests of these.
    """
    found = list(_of_table(db, table))
    hosts = [each.host._replace(hostname="") if table.tls else each.host for each in found]
    packed = Resource.pack(filters_configuration(table, hosts))
    needed = frozenset().union(*[each.needs.references for each in found])
    return Resource.of(packed.type_url, packed.name, packed.body, packed.references | needed, origin=())


@query
def internal_listener_resource(db: Db, chain: HttpChain) -> Resource | None:
    """Return the ``Listener`` behind the filters, which has the routes."""
    filters = [found for each in extensions(db) for found in each.http_filters]
    return Resource.pack(internal_listener(chain.table, routes_manager(chain, filters)))


@query
def internal_cluster_resource(db: Db, table: RouteConfigKey) -> Resource | None:
    """Return the ``Cluster`` that this listener is for the first connection manager."""
    return Resource.pack(internal_cluster(table))
