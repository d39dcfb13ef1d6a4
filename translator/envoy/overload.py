"""Envoy's overload manager: sheds load before a proxy runs out of memory.

Source: "Configuring Envoy as an edge proxy" and "Overload manager" of Envoy's documentation.
"""

from __future__ import annotations

from typing import Final

from google.protobuf import any_pb2
from google.protobuf.message import Message

from headgate_proto.envoy.config.overload.v3 import overload_pb2
from headgate_proto.envoy.extensions.resource_monitors.downstream_connections.v3 import downstream_connections_pb2
from headgate_proto.envoy.extensions.resource_monitors.fixed_heap.v3 import fixed_heap_pb2
from translator.envoy.descriptors import limited

MAX_DOWNSTREAM_CONNECTIONS: Final = 50_000
"""Above this many connections a proxy accepts no more; without a limit Envoy warns that it may run out of memory."""

DEFAULT_HEAP_BYTES: Final = 2 * 1024**3
"""What the heap may grow to where nothing says how much memory there is."""

HEAP_SHARE: Final = 0.8
"""The share of the memory that there is which the heap may have; threads, code and the allocator need some as well."""

REFRESH_MILLISECONDS: Final = 250

TRACKED_BYTES_POWER: Final = 14
"""Streams that buffer 16 KiB (2 to this power) or more are known one by one, so that they can be ended first."""

_HEAP: Final = "envoy.resource_monitors.fixed_heap"

ACTIONS: Final = (
    ("envoy.overload_actions.disable_http_keepalive", 0.92),
    ("envoy.overload_actions.shrink_heap", 0.95),
    ("envoy.overload_actions.stop_accepting_requests", 0.98),
    ("envoy.overload_actions.stop_accepting_connections", 0.99),
)
"""What is done, from which share of the heap's limit on."""

RESET_STREAMS: Final = ("envoy.overload_actions.reset_high_memory_stream", 0.90, 0.98)
"""Ends the streams that hold most, more of them the fuller the heap is between the two shares."""


def overload_manager(
    max_heap_bytes: int = DEFAULT_HEAP_BYTES, descriptors: int | None = None
) -> overload_pb2.OverloadManager:
    """Make the overload manager of a proxy whose heap may grow to so many bytes, with so many file descriptors."""
    made = overload_pb2.OverloadManager()
    made.refresh_interval.FromMilliseconds(REFRESH_MILLISECONDS)
    made.buffer_factory_config.minimum_account_to_track_power_of_two = TRACKED_BYTES_POWER
    heap = fixed_heap_pb2.FixedHeapConfig(max_heap_size_bytes=max_heap_bytes)
    made.resource_monitors.add(name=_HEAP, typed_config=_packed(heap))
    connections = downstream_connections_pb2.DownstreamConnectionsConfig(
        max_active_downstream_connections=limited(MAX_DOWNSTREAM_CONNECTIONS, descriptors)
    )
    name = "envoy.resource_monitors.global_downstream_max_connections"
    made.resource_monitors.add(name=name, typed_config=_packed(connections))
    for action, share in ACTIONS:
        made.actions.add(name=action).triggers.add(name=_HEAP).threshold.value = share
    action, first, last = RESET_STREAMS
    scaled = made.actions.add(name=action).triggers.add(name=_HEAP).scaled
    scaled.scaling_threshold, scaled.saturation_threshold = first, last
    return made


def heap_of(memory_bytes: int | None) -> int:
    """Say what the heap may grow to where there is so much memory; None for not known."""
    return DEFAULT_HEAP_BYTES if memory_bytes is None else int(memory_bytes * HEAP_SHARE)


def _packed(message: Message) -> any_pb2.Any:
    found = any_pb2.Any()
    found.Pack(message)
    return found
