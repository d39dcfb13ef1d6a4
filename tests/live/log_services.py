"""Services that get access logs: one of Envoy's own protocol (ALS), and a collector of OpenTelemetry (OTLP)."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

import grpc
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest, ExportLogsServiceResponse
from opentelemetry.proto.logs.v1.logs_pb2 import LogRecord

from headgate_proto.envoy.data.accesslog.v3.accesslog_pb2 import HTTPAccessLogEntry, TCPAccessLogEntry
from headgate_proto.envoy.service.accesslog.v3.als_pb2 import StreamAccessLogsMessage, StreamAccessLogsResponse
from tests.live.grpc_server import grpc_server, metadata

ALS = "envoy.service.accesslog.v3.AccessLogService"
OTLP = "opentelemetry.proto.collector.logs.v1.LogsService"
WITHIN = 15.0
"""Seconds within which entries are to arrive, however busy the machine is."""

T = TypeVar("T")


@dataclass
class _Received(Generic[T]):
    entries: list[T] = field(default_factory=list)
    _news: asyncio.Condition = field(default_factory=asyncio.Condition)

    async def add(self, *entries: T) -> None:
        """Take entries."""
        async with self._news:
            self.entries += entries
            self._news.notify_all()

    async def wait(self, count: int) -> list[T]:
        """Wait until there are so many entries; return all, and forget them."""
        async with asyncio.timeout(WITHIN), self._news:
            await self._news.wait_for(lambda: len(self.entries) >= count)
            found, self.entries = self.entries, []
            return found


@dataclass
class AccessLogService:
    """A service of Envoy's protocol.

    Attributes:
        port: its port.
        requests: the entries of requests.
        connections: the entries of connections.
        names: the names of the logs.
        silent: whether it takes streams, and reads nothing from them.
        headers: the headers of each call.
    """

    port: int = 0
    requests: _Received[HTTPAccessLogEntry] = field(default_factory=_Received)
    connections: _Received[TCPAccessLogEntry] = field(default_factory=_Received)
    names: set[str] = field(default_factory=set)
    silent: bool = False
    headers: list[dict[str, str]] = field(default_factory=list)

    async def stream(self, messages: AsyncIterator[StreamAccessLogsMessage], context: Any) -> StreamAccessLogsResponse:
        """Take all messages of a stream."""
        self.headers.append(metadata(context))
        if self.silent:
            await asyncio.Event().wait()
        async for message in messages:
            if message.identifier.log_name:
                self.names.add(message.identifier.log_name)
            await self.requests.add(*message.http_logs.log_entry)
            await self.connections.add(*message.tcp_logs.log_entry)
        return StreamAccessLogsResponse()


@dataclass
class Record:
    """A record of OpenTelemetry: its body, and attributes of itself and of its resource."""

    body: str
    attributes: dict[str, str]
    resource: dict[str, str]


@dataclass
class Collector:
    """A collector of OpenTelemetry.

    Attributes:
        port: its port.
        records: the records.
        headers: the headers of each call.
    """

    port: int = 0
    records: _Received[Record] = field(default_factory=_Received)
    headers: list[dict[str, str]] = field(default_factory=list)

    async def export(self, request: ExportLogsServiceRequest, context: Any) -> ExportLogsServiceResponse:
        """Take a batch of records."""
        self.headers.append(metadata(context))
        for resource in request.resource_logs:
            of_resource = {each.key: each.value.string_value for each in resource.resource.attributes}
            for scope in resource.scope_logs:
                await self.records.add(*(_record(each, of_resource) for each in scope.log_records))
        return ExportLogsServiceResponse()


def _record(found: LogRecord, resource: dict[str, str]) -> Record:
    attributes = {each.key: each.value.string_value for each in found.attributes}
    return Record(found.body.string_value, attributes, resource)


@contextlib.asynccontextmanager
async def access_log_service(port: int = 0) -> AsyncIterator[AccessLogService]:
    """Run a service of Envoy's protocol, on a given port if there is one."""
    found = AccessLogService()
    handler = grpc.stream_unary_rpc_method_handler(
        found.stream, StreamAccessLogsMessage.FromString, StreamAccessLogsResponse.SerializeToString
    )
    async with grpc_server(ALS, {"StreamAccessLogs": handler}, port) as found.port:
        yield found


@contextlib.asynccontextmanager
async def collector() -> AsyncIterator[Collector]:
    """Run a collector."""
    found = Collector()
    handler = grpc.unary_unary_rpc_method_handler(
        found.export, ExportLogsServiceRequest.FromString, ExportLogsServiceResponse.SerializeToString
    )
    async with grpc_server(OTLP, {"Export": handler}) as found.port:
        yield found
