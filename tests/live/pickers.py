"""Endpoint pickers that do as they are told, and the objects of InferencePools, for tests."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Iterable
from dataclasses import dataclass, field
from typing import Any

import grpc.aio
from google.protobuf.struct_pb2 import Struct

from headgate_proto.envoy.service.ext_proc.v3.external_processor_pb2 import ProcessingRequest, ProcessingResponse
from tests.certificates import self_signed
from tests.live.objects import Manifest, endpoints, route, service
from tests.live.processor import SERVICE, answer, headers_of, immediate, streamed

GROUP = "inference.networking.k8s.io"
DESTINATION = "x-gateway-destination-endpoint"


@dataclass
class Picker:
    """A picker, which answers once it has the whole request, as the reference one does.

    Attributes:
        choice: the endpoints that it picks, in order; empty for none.
        asked: the headers of each request.
        bodies: the body of each request.
        served: which endpoint answered each.
        status: the status with which it ends requests by itself; 0 for none.
        by: how it tells its choice: in metadata, a header, or both.
        pause: how long it takes to pick, in seconds.
        ends: after which message of a request or its response it ends the stream in order; "" for none.
        error: what it answers each request with instead; None for nothing.
    """

    port: int = 0
    choice: list[str] = field(default_factory=list)
    asked: list[dict[str, str]] = field(default_factory=list)
    bodies: list[bytes] = field(default_factory=list)
    served: list[str] = field(default_factory=list)
    status: int = 0
    by: tuple[str, ...] = ("metadata", "header")
    pause: float = 0
    ends: str = ""
    error: grpc.StatusCode | None = None

    def picks(self, *ports: int) -> None:
        """Have it pick ports of loopback, in order."""
        self.choice = [f"127.0.0.1:{each}" for each in ports]

    async def process(
        self, requests: AsyncIterator[ProcessingRequest], context: grpc.aio.ServicerContext[Any, Any]
    ) -> AsyncIterator[ProcessingResponse]:
        """Serve one request of a client."""
        if self.error is not None:
            await context.abort(self.error, "")
        body = b""
        async for each in requests:
            phase = each.WhichOneof("request") or ""
            if phase == "request_headers":
                self.asked.append(headers_of(each.request_headers.headers))
                whole = each.request_headers.end_of_stream
            elif phase == "request_body":
                body += each.request_body.body
                whole = each.request_body.end_of_stream
            else:
                yield self._respond(phase, each)
                whole = False
            if self.ends == phase == "request_headers":
                return
            if whole:
                await asyncio.sleep(self.pause)
                yield self._pick()
                self.bodies.append(body)
            if whole and body and not self.status:
                yield streamed("request_body", body, True)
            if self.ends == phase:
                return

    def _respond(self, phase: str, each: ProcessingRequest) -> ProcessingResponse:
        """Take what is not of the request's headers and body."""
        if phase == "response_headers":
            found = each.metadata_context.filter_metadata["envoy.lb"].fields[f"{DESTINATION}-served"]
            self.served.append(found.string_value)
        if phase == "response_body":
            return streamed(phase, each.response_body.body, each.response_body.end_of_stream)
        return answer(phase)

    def _pick(self) -> ProcessingResponse:
        if self.status:
            return immediate(self.status)
        told, metadata = ",".join(self.choice), Struct()
        if told and "metadata" in self.by:
            metadata.update({"envoy.lb": {DESTINATION: told}})
        return answer(
            "request_headers", metadata, **({"set": {DESTINATION: told}} if told and "header" in self.by else {})
        )


@contextlib.asynccontextmanager
async def running_picker(
    port: int = 0, *, tls: bool = True, pair: tuple[str, str] | None = None
) -> AsyncIterator[Picker]:
    """Run a picker, as the reference one by default with a certificate that it has made itself; or with another."""
    found = Picker()
    handler = grpc.stream_stream_rpc_method_handler(
        found.process,
        request_deserializer=ProcessingRequest.FromString,
        response_serializer=ProcessingResponse.SerializeToString,
    )
    server = grpc.aio.server()
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(SERVICE, {"Process": handler}),))
    address = f"127.0.0.1:{port}"
    if tls:
        certificate, key = pair or self_signed("picker", "picker.invalid")
        credentials = grpc.ssl_server_credentials([(key.encode(), certificate.encode())])
        found.port = server.add_secure_port(address, credentials)
    else:
        found.port = server.add_insecure_port(address)
    await server.start()
    try:
        yield found
    finally:
        await server.stop(None)


def picker_service(found: Picker, name: str = "picker", **fields: Any) -> list[Manifest]:
    """Return the Service of a picker, at port 9002."""
    return [service(name, 9002, **fields), *endpoints(name, [found.port])]


def pool(name: str = "pool", *, ports: Iterable[int], **fields: Any) -> Manifest:
    """Return an InferencePool of the pods of its name; `picker` has fields of the reference, None for none."""
    picker = fields.pop("picker", {})
    reference = {"name": "picker", "port": {"number": 9002}}
    spec = {
        "selector": {"matchLabels": {"app": name}},
        "targetPorts": [{"number": each} for each in ports],
        **({} if picker is None else {"endpointPickerRef": reference | picker}),
        **fields,
    }
    return {"apiVersion": f"{GROUP}/v1", "kind": "InferencePool", "metadata": {"name": name}, "spec": spec}


def pod(name: str, app: str = "pool", *, address: str = "127.0.0.1", ready: bool = True) -> Manifest:
    """Return a pod of a pool."""
    conditions = [{"type": "Ready", "status": str(ready)}]
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "labels": {"app": app}},
        "status": {"podIP": address, "conditions": conditions},
    }


def reference(name: str = "pool", **fields: Any) -> Manifest:
    """Return a backendRef to a pool."""
    return {"group": GROUP, "kind": "InferencePool", "name": name, **fields}


def to_pool(*names: str, **fields: Any) -> Manifest:
    """Return the route to pools."""
    return route({"backendRefs": [reference(each) for each in names or ("pool",)], **fields})
