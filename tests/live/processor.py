"""External processors: gRPC servers that see requests and responses on their way and change them, and their objects."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

import grpc.aio
from google.protobuf.struct_pb2 import Struct

from headgate_proto.envoy.config.core.v3.base_pb2 import HeaderMap, HeaderValueOption
from headgate_proto.envoy.service.ext_proc.v3.external_processor_pb2 import (
    BodyMutation,
    CommonResponse,
    HeaderMutation,
    ImmediateResponse,
    ProcessingRequest,
    ProcessingResponse,
    StreamedBodyResponse,
)
from tests.live.grpc_server import grpc_server
from tests.live.objects import Manifest, gateway_extension, traffic_policy

SERVICE = "envoy.service.ext_proc.v3.ExternalProcessor"
Decide = Callable[[str, ProcessingRequest], Awaitable[ProcessingResponse | None]]
"""Takes the phase, such as `request_headers`, and what Envoy sent; returns the response, None for one that changes
nothing."""


def headers_of(found: HeaderMap) -> dict[str, str]:
    """Return headers by their names; the last one counts."""
    return {each.key: each.raw_value.decode("latin-1") or each.value for each in found.headers}


def common(**fields: Any) -> CommonResponse:
    """Return a response to one phase: `set` has headers by their names, `remove` names of them, `body` a new body."""
    changes, body = HeaderMutation(), fields.pop("body", None)
    for name, value in fields.pop("set", {}).items():
        option = changes.set_headers.add(append_action=HeaderValueOption.OVERWRITE_IF_EXISTS_OR_ADD)
        option.header.key, option.header.raw_value = name, value.encode()
    changes.remove_headers.extend(fields.pop("remove", ()))
    mutation = BodyMutation(body=body) if isinstance(body, bytes) else body
    return CommonResponse(header_mutation=changes, body_mutation=mutation, **fields)


def answer(phase: str, metadata: Struct | None = None, **fields: Any) -> ProcessingResponse:
    """Return a response to a phase; the fields are those of `common`, and `dynamic_metadata`."""
    made = ProcessingResponse(dynamic_metadata=metadata)
    part = getattr(made, phase)
    part.SetInParent()
    if not phase.endswith("trailers"):
        part.response.CopyFrom(common(**fields))
    elif "set" in fields:
        part.header_mutation.CopyFrom(common(set=fields["set"]).header_mutation)
    return made


def immediate(status: int, body: str = "") -> ProcessingResponse:
    """Return a response that ends the request."""
    made = ImmediateResponse(body=body.encode())
    made.status.code = status  # type: ignore[assignment]
    return ProcessingResponse(immediate_response=made)


def streamed(phase: str, body: bytes, end: bool) -> ProcessingResponse:
    """Return a piece of a body, of the mode FULL_DUPLEX_STREAMED."""
    piece = StreamedBodyResponse(body=body, end_of_stream=end)
    return answer(phase, body=BodyMutation(streamed_response=piece))


@dataclass
class Processor:
    """A processor on a loopback port; without `decide` it changes nothing.

    Attributes:
        seen: each phase that it was asked about, with what Envoy sent.
        decide: what it responds.
        streams: how many requests it was asked about.
        may_be_silent: whether None of `decide` is no response, rather than one that changes nothing.
    """

    port: int = 0
    seen: list[tuple[str, ProcessingRequest]] = field(default_factory=list)
    decide: Decide | None = None
    streams: int = 0
    may_be_silent: bool = False

    def reset(self) -> None:
        """Forget what it has seen, and what it responds."""
        self.seen, self.decide, self.streams, self.may_be_silent = [], None, 0, False

    @property
    def phases(self) -> list[str]:
        """The phases that it was asked about."""
        return [phase for phase, _ in self.seen]

    def request(self, phase: str) -> ProcessingRequest:
        """Return what Envoy sent of a phase, the last time."""
        return next(found for each, found in reversed(self.seen) if each == phase)

    async def process(
        self, requests: AsyncIterator[ProcessingRequest], _: grpc.aio.ServicerContext[Any, Any]
    ) -> AsyncIterator[ProcessingResponse]:
        """Serve one request of a client."""
        self.streams += 1
        async for each in requests:
            phase = each.WhichOneof("request")
            assert phase is not None
            self.seen.append((phase, each))
            made = await self.decide(phase, each) if self.decide is not None else None
            if made is not None or not self.may_be_silent:
                yield made if made is not None else answer(phase)


@contextlib.asynccontextmanager
async def processor(port: int = 0) -> AsyncIterator[Processor]:
    """Run a processor."""
    found = Processor()
    handler = grpc.stream_stream_rpc_method_handler(
        found.process,
        request_deserializer=ProcessingRequest.FromString,
        response_serializer=ProcessingResponse.SerializeToString,
    )
    async with grpc_server(SERVICE, {"Process": handler}, port) as found.port:
        yield found


def extension(name: str, **fields: Any) -> Manifest:
    """Return a GatewayExtension with the processor behind the Service of its name."""
    service_reference = {"backendRef": {"name": name, "port": 80}}
    return gateway_extension(name, extProc={"grpcService": service_reference, "messageTimeout": "10s", **fields})


def use(name: str = "one", **fields: Any) -> Manifest:
    """Return an entry of `extProc` with the extension of a name."""
    return {"name": name, "extensionRef": {"name": name}, **fields}


def processed(level: str, *entries: Manifest, name: str = "policy") -> Manifest:
    """Return a policy with processors."""
    return traffic_policy(level, name, extProc=list(entries))


def appending(value: str) -> Any:
    """Return what a processor responds that appends to a header of requests."""

    async def decide(phase: str, found: ProcessingRequest) -> ProcessingResponse | None:
        if phase != "request_headers":
            return None
        before = headers_of(found.request_headers.headers).get("x-order", "")
        return answer(phase, set={"x-order": f"{before}{value}"})

    return decide
