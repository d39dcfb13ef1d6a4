"""Envoy's scoped routes (SRDS): one ``RouteConfiguration`` for the requests of each scope of a table.

Envoy replaces a RouteConfiguration as a whole, at a cost that grows with all its routes: with scopes this is paid for
the hosts of one. A connection manager writes the scope of each request into a header before anything reads it, by
regular expressions for the Host (`translator.ir.route_scope`), and takes the RouteConfiguration of that scope. The
header replaces what clients send by that name, and backends do not see it.
"""

from __future__ import annotations

from typing import Final

from headgate_proto.envoy.config.core.v3.base_pb2 import HeaderValueOption
from headgate_proto.envoy.config.route.v3.scoped_route_pb2 import ScopedRouteConfiguration
from headgate_proto.envoy.extensions.filters.network.http_connection_manager.v3.http_connection_manager_pb2 import (
    HttpConnectionManager,
)
from headgate_proto.envoy.extensions.http.early_header_mutation.header_mutation.v3.header_mutation_pb2 import (
    HeaderMutation,
)
from translator.envoy.config_source import ADS
from translator.envoy.names import PART, part_name, route_configuration_name, table_name
from translator.ir.listener import RouteConfigKey
from translator.ir.route_scope import CHARACTERS, CLASSES, SCOPES, scope_of_host
from xds import Resource

SCOPE_HEADER: Final = "x-headgate-scope"
"""The header of a request with the key of its scope, which is also the name of its RouteConfiguration."""
_MUTATION: Final = "headgate.scope"


def serve_by_scope(manager: HttpConnectionManager, table: RouteConfigKey) -> None:
    """Have a connection manager take its routes from the scopes of a table."""
    scoped = manager.scoped_routes
    # The same for all connection managers of a proxy: these share one subscription.
    scoped.name = "headgate"
    extractor = scoped.scope_key_builder.fragments.add().header_value_extractor
    extractor.name, extractor.index = SCOPE_HEADER, 0
    scoped.rds_config_source.CopyFrom(ADS)
    scoped.scoped_rds.scoped_rds_config_source.CopyFrom(ADS)
    made = HeaderMutation()
    change = made.mutations.add().append
    change.header.key, change.header.value = SCOPE_HEADER, _key_format(table)
    change.append_action = HeaderValueOption.OVERWRITE_IF_EXISTS_OR_ADD
    # Last, after those of listeners, which may change the Host.
    manager.early_header_mutation_extensions.add(name=_MUTATION).typed_config.Pack(made, deterministic=True)


def scope_configuration(table: RouteConfigKey, scope: int) -> Resource:
    """Make the resource of a scope of a table, which refers to its RouteConfiguration."""
    name = route_configuration_name(table, scope)
    made = ScopedRouteConfiguration(name=name, route_configuration_name=name)
    made.key.fragments.add(string_key=name)
    return Resource.pack(made)


def configurations_of(manager: HttpConnectionManager, host: str | None) -> tuple[str, ...]:
    """Return the names of the RouteConfigurations of a connection manager: for a Host, or all of them for None."""
    if not manager.HasField("scoped_routes"):
        return (manager.rds.route_config_name,)
    (mutation,) = (each for each in manager.early_header_mutation_extensions if each.name == _MUTATION)
    made = HeaderMutation.FromString(mutation.typed_config.value)
    table = made.mutations[0].append.header.value.partition(PART)[0]
    scopes = range(SCOPES) if host is None else (scope_of_host(host),)
    return tuple(part_name(table, each) for each in scopes)


def _key_format(table: RouteConfigKey) -> str:
    bits = "".join(f"%CEL(request.host.matches('{_is_even(each)}')?'1':'0')%" for each in CLASSES)
    return f"{table_name(table)}{PART}{bits}"


def _is_even(characters: frozenset[str]) -> str:
    """Return the regular expression for a Host, with or without a port, with an even number of these characters."""
    # A hyphen stands for itself at the begin of a class, where the order has it.
    counted, others = (f"[{''.join(sorted(each))}]" for each in (characters, CHARACTERS - characters))
    return f"(?i)^(?:{others}|{counted}{others}*{counted})*(?::|$)"
