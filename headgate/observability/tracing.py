"""OpenTelemetry traces of evaluations, publications, and of each proxy's stream with its responses.

They are off unless the extra `tracing` is installed and an SDK is configured, as by `opentelemetry-instrument headgate
run …` from the environment (OTEL_EXPORTER_OTLP_ENDPOINT and others). Without an SDK, spans cost nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AbstractContextManager, nullcontext
from typing import Any

from xds import Ack, Client, Observer, Response

trace: Any
try:
    import opentelemetry.trace as trace
except ImportError:  # the extra is not installed
    trace = None

SCOPE = "headgate"


def span(name: str, attributes: Mapping[str, str | int] | None = None) -> AbstractContextManager[Any]:
    """Return a context with a new current span."""
    if trace is None:
        return nullcontext()
    found: AbstractContextManager[Any] = trace.get_tracer(SCOPE).start_as_current_span(name, attributes=attributes)
    return found


class Traces(Observer):
    """An observer that creates a span for each stream, and in it one for each response until its ACK or NACK."""

    def __init__(self) -> None:
        # By identity: the server passes the same object in each call about a stream.
        self._streams: dict[int, Any] = {}
        self._pushes: dict[tuple[int, str], Any] = {}

    def opened(self, client: Client) -> None:
        """Start the span of a stream."""
        attributes = {
            "headgate.gateway": client.key,
            "xds.node.id": client.node,
            "rpc.method": client.method.rpartition("/")[2],
            "network.peer.address": client.peer,
        }
        self._streams[id(client)] = _start("xds.stream", attributes)

    def closed(self, client: Client) -> None:
        """End the span of a stream, and those of its outstanding responses."""
        for key in [each for each in self._pushes if each[0] == id(client)]:
            _end(self._pushes.pop(key))
        _end(self._streams.pop(id(client), None))

    def responded(self, client: Client, response: Response) -> None:
        """Start the span of a response, and end that of an outstanding one of its type."""
        key = id(client), response.type_url
        _end(self._pushes.pop(key, None))
        stream = self._streams.get(id(client))
        if stream is None or not stream.is_recording():
            return  # nor would its responses be
        attributes: dict[str, str | int] = {
            "xds.type": response.type_url,
            "xds.nonce": response.nonce,
            "xds.resources": response.resources,
            "xds.changed": len(response.changed),
            "xds.removed": len(response.removed),
            "xds.bytes": len(response.data),
        }
        self._pushes[key] = _start("xds.push", attributes, stream)

    def acked(self, client: Client, ack: Ack) -> None:
        """End the span of a response at its ACK or NACK."""
        found = self._pushes.pop((id(client), ack.type_url), None)
        if found is not None and ack.error is not None:
            found.set_status(trace.StatusCode.ERROR, ack.error)
        _end(found)


def _start(name: str, attributes: Mapping[str, str | int], parent: Any = None) -> Any:
    if trace is None:
        return None
    context = None if parent is None else trace.set_span_in_context(parent)
    return trace.get_tracer(SCOPE).start_span(name, context, attributes=attributes)


def _end(found: Any) -> None:
    if found is not None:
        found.end()
