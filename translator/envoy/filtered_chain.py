"""The first of the two connection managers of listeners with filters (`translator.envoy.listener_filters`)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from headgate_proto.envoy.config.listener.v3 import listener_components_pb2
from headgate_proto.envoy.extensions.filters.common.set_filter_state.v3.value_pb2 import FilterStateValue
from headgate_proto.envoy.extensions.filters.http.filter_chain.v3.filter_chain_pb2 import FilterChainConfig
from headgate_proto.envoy.extensions.filters.http.set_filter_state.v3.set_filter_state_pb2 import (
    Config as SetRequestState,
)
from headgate_proto.envoy.extensions.filters.network.http_connection_manager.v3 import (
    http_connection_manager_pb2 as hcm_pb2,
)
from headgate_proto.envoy.extensions.filters.network.set_filter_state.v3.set_filter_state_pb2 import (
    Config as SetFilterState,
)
from translator.envoy.access_log import log_what_is_answered_here
from translator.envoy.names import filters_table_name
from translator.ir.listener import RouteConfigKey

CONNECTION_MANAGER_NAME: Final = "envoy.filters.network.http_connection_manager"
FILTERS: Final = "headgate.listener_filters"
"""The slot of the first connection manager."""
HOST: Final = "headgate.host"
"""The filter state that is the Host with which a request came."""
LOCAL_ADDRESS: Final = "envoy.filters.listener.original_dst.local_ip"
"""The filter state by which the internal listener has the address that clients connected to."""


def run_filters(
    manager: hcm_pb2.HttpConnectionManager, table: RouteConfigKey, others: Sequence[hcm_pb2.HttpFilter] = ()
) -> None:
    """Have a connection manager run the filters of its listeners, in place of those of routes; before them `others`."""
    manager.rds.route_config_name = filters_table_name(table)
    log_what_is_answered_here(manager)
    router = manager.http_filters[-1]
    slot = hcm_pb2.HttpFilter(name=FILTERS, disabled=True)
    slot.typed_config.Pack(FilterChainConfig(), deterministic=True)
    host = _remember_host()
    for each in (manager.http_filters, *(upgrade.filters for upgrade in manager.upgrade_configs)):
        del each[:]
        each.extend((*others, host, slot, router))


def _remember_host() -> hcm_pb2.HttpFilter:
    """Note the Host of a request, which chose the listener: what filters change of it has no effect."""
    config = SetRequestState()
    value = config.on_request_headers.add(object_key=HOST, factory_key="envoy.string", read_only=True)
    value.format_string.text_format_source.inline_string = "%REQ(:AUTHORITY)%"
    made = hcm_pb2.HttpFilter(name="envoy.filters.http.set_filter_state")
    made.typed_config.Pack(config, deterministic=True)
    return made


def share_local_address(chain: listener_components_pb2.FilterChain) -> None:
    """Tell the internal listener which address clients connected to; their own is in X-Forwarded-For."""
    state = SetFilterState()
    value = state.on_new_connection.add(object_key=LOCAL_ADDRESS, factory_key=LOCAL_ADDRESS)
    value.format_string.text_format_source.inline_string = "%DOWNSTREAM_LOCAL_ADDRESS%"
    value.shared_with_upstream = FilterStateValue.ONCE
    chain.filters.add(name="envoy.filters.network.set_filter_state").typed_config.Pack(state, deterministic=True)
