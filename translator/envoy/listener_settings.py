"""Settings of listeners by themselves: what Envoy would not take of one, whatever else a listener has."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Final

from google.protobuf.message import Message

from headgate_proto.envoy.config.listener.v3.listener_components_pb2 import FilterChain
from headgate_proto.envoy.config.listener.v3.listener_pb2 import Listener
from headgate_proto.envoy.extensions.filters.network.tcp_proxy.v3.tcp_proxy_pb2 import TcpProxy
from headgate_proto.envoy.extensions.transport_sockets.tls.v3.tls_pb2 import DownstreamTlsContext
from translator.envoy.filter_chain import connection_manager
from translator.envoy.hooks import (
    CONNECTION_MANAGER,
    DOWNSTREAM_TLS,
    FILTER_CHAIN,
    HTTP_FILTERS,
    LISTENER,
    TCP_PROXY,
)
from translator.ir.listener import HttpChain, ListenerSetting, RouteConfigKey
from xds import check

ANY: Final = RouteConfigKey("any/any", 80)
"""The routes of some listener."""


def listener_violations(settings: Iterable[ListenerSetting]) -> Iterator[str]:
    """Yield what Envoy would not take of settings: it would refuse the whole listener."""
    for setting in settings:
        for message in _messages(setting.of_table(ANY)):
            yield from map(str, check(message))


def _messages(setting: ListenerSetting) -> Iterator[Message]:
    """Yield what a setting writes, in messages that are right without it."""
    for of_manager in CONNECTION_MANAGER.of((setting,)):
        manager = connection_manager(HttpChain(ANY), ())
        of_manager.apply_to_connection_manager(manager)
        yield manager
    for of_listener in LISTENER.of((setting,)):
        listener = Listener(name="any")
        of_listener.apply_to_listener(listener)
        yield listener
    for of_chain in FILTER_CHAIN.of((setting,)):
        chain = FilterChain()
        of_chain.apply_to_filter_chain(chain)
        yield chain
    for of_tls in DOWNSTREAM_TLS.of((setting,)):
        context = DownstreamTlsContext()
        of_tls.apply_to_downstream_tls(context)
        yield context
    for of_proxy in TCP_PROXY.of((setting,)):
        proxy = TcpProxy(stat_prefix="any", cluster="any")
        of_proxy.apply_to_tcp_proxy(proxy)
        yield proxy
    for of_filters in HTTP_FILTERS.of((setting,)):
        yield from (each.config() for each in of_filters.http_filters())
