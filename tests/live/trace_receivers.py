"""Receivers of traces: OTLP by gRPC and by HTTP, and Zipkin's and Datadog's HTTP interfaces, on loopback."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from typing import Any

import grpc
from aiohttp import web
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)
from opentelemetry.proto.common.v1.common_pb2 import KeyValue

from tests.live.grpc_server import grpc_server, metadata
from tests.live.upstream import Seen, upstream

SERVICE, METHOD = "opentelemetry.proto.collector.trace.v1.TraceService", "Export"
EXPORT = f"/{SERVICE}/{METHOD}"
WITHIN = 20.0
"""Seconds within which a span is to arrive: Envoy sends them every few seconds, on a busy machine later."""


@dataclass(frozen=True)
class Span:
    """A span, whatever it was sent as; identifiers are hexadecimal.

    Attributes:
        kind: ``SERVER`` or ``CLIENT``.
        resource: the attributes of what sent it.
    """

    trace: str
    own: str
    parent: str
    name: str
    kind: str
    attributes: dict[str, str]
    resource: dict[str, str]


@dataclass
class TraceReceiver:
    """What arrived at a receiver.

    Attributes:
        port: the port of the receiver.
        paths: the paths and hosts that it was called by; of one by gRPC without hosts.
        headers: the headers of each call, by names in lower case.
    """

    port: int = 0
    spans: list[Span] = field(default_factory=list)
    paths: list[tuple[str, str]] = field(default_factory=list)
    headers: list[dict[str, str]] = field(default_factory=list)
    _news: asyncio.Event = field(default_factory=asyncio.Event)

    def take(self, spans: list[Span], path: str, host: str, headers: dict[str, str]) -> None:
        """Take what arrived in one request."""
        self.headers.append(headers)
        self.spans += spans
        self.paths.append((path, host))
        self._news.set()

    async def until(self, enough: Callable[[list[Span]], bool]) -> list[Span]:
        """Wait until there are enough spans; returns all that arrived."""
        async with asyncio.timeout(WITHIN):
            while not enough(self.spans):
                self._news.clear()
                await self._news.wait()
        return self.spans

    async def until_called(self) -> None:
        """Wait until the receiver was called."""
        await self.until(lambda _: bool(self.paths))

    async def of(self, url: str, count: int = 1) -> list[Span]:
        """Wait for `count` spans of requests whose URL ends so."""

        def found() -> list[Span]:
            return [each for each in self.spans if each.attributes.get("http.url", "").endswith(url)]

        await self.until(lambda _: len(found()) >= count)
        return found()


def _texts(attributes: list[KeyValue]) -> dict[str, str]:
    return {each.key: each.value.string_value for each in attributes}


def _exported(request: ExportTraceServiceRequest) -> list[Span]:
    return [
        Span(
            span.trace_id.hex(),
            span.span_id.hex(),
            span.parent_span_id.hex(),
            span.name,
            span.SpanKind.Name(span.kind).removeprefix("SPAN_KIND_"),
            _texts([*span.attributes]),
            _texts([*resource.resource.attributes]),
        )
        for resource in request.resource_spans
        for scope in resource.scope_spans
        for span in scope.spans
    ]


@contextlib.asynccontextmanager
async def otlp_grpc() -> AsyncIterator[TraceReceiver]:
    """Run a receiver of OTLP by gRPC."""
    found = TraceReceiver()

    async def export(request: ExportTraceServiceRequest, context: Any) -> ExportTraceServiceResponse:
        found.take(_exported(request), EXPORT, "", metadata(context))
        return ExportTraceServiceResponse()

    handler = grpc.unary_unary_rpc_method_handler(
        export,
        request_deserializer=ExportTraceServiceRequest.FromString,
        response_serializer=ExportTraceServiceResponse.SerializeToString,
    )
    async with grpc_server(SERVICE, {METHOD: handler}) as found.port:
        yield found


def _otlp(body: bytes) -> list[Span]:
    return _exported(ExportTraceServiceRequest.FromString(body))


def _zipkin(body: bytes) -> list[Span]:
    return [
        Span(
            each["traceId"],
            each["id"],
            each.get("parentId", ""),
            each["name"],
            each["kind"],
            each["tags"],
            {"service.name": each["localEndpoint"]["serviceName"]},
        )
        for each in json.loads(body)
    ]


def _datadog(body: bytes) -> list[Span]:
    return []


@contextlib.asynccontextmanager
async def _by_http(decode: Callable[[bytes], list[Span]]) -> AsyncIterator[TraceReceiver]:
    found = TraceReceiver()

    async def take(seen: Seen) -> web.Response:
        headers = dict(seen.headers)
        found.take(decode(seen.body), seen.path, seen.host, headers)
        return web.Response()

    async with upstream("traces") as server:
        found.port, server.answer = server.port, take
        yield found


def otlp_http() -> contextlib.AbstractAsyncContextManager[TraceReceiver]:
    """Run a receiver of OTLP by HTTP."""
    return _by_http(_otlp)


def zipkin() -> contextlib.AbstractAsyncContextManager[TraceReceiver]:
    """Run a receiver of Zipkin's second interface, of spans in JSON."""
    return _by_http(_zipkin)


def datadog() -> contextlib.AbstractAsyncContextManager[TraceReceiver]:
    """Run what stands for Datadog's agent: it takes the spans."""
    return _by_http(_datadog)
