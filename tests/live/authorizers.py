"""Authorizers: a gRPC server that speaks Envoy's protocol, and objects that have requests authorised."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

import grpc
from aiohttp import web

from headgate_proto.envoy.service.auth.v3.external_auth_pb2 import CheckRequest, CheckResponse
from tests.live.grpc_server import grpc_server
from tests.live.objects import Manifest, endpoints, service
from tests.live.upstream import Seen

Decide = Callable[[CheckRequest, grpc.aio.ServicerContext[Any, Any]], Awaitable[CheckResponse | bytes]]
"""Takes what the proxy asks; bytes are sent as they are."""


@dataclass
class GrpcAuthorizer:
    """A server that allows all requests, unless `decide` does something else.

    Attributes:
        seen: what it was asked so far.
    """

    port: int = 0
    seen: list[CheckRequest] = field(default_factory=list)
    decide: Decide | None = None

    async def check(self, request: CheckRequest, context: grpc.aio.ServicerContext[Any, Any]) -> bytes:
        """Return the answer, serialised."""
        self.seen.append(request)
        found = await self.decide(request, context) if self.decide is not None else allowed()
        return found if isinstance(found, bytes) else found.SerializeToString()

    @property
    def headers(self) -> dict[str, str]:
        """The headers of the last request that it was asked about."""
        return dict(self.seen[-1].attributes.request.http.headers)


@contextlib.asynccontextmanager
async def grpc_authorizer(port: int = 0) -> AsyncIterator[GrpcAuthorizer]:
    """Run an authorizer on a port of 127.0.0.1, by default a free one."""
    made = GrpcAuthorizer()
    check: grpc.RpcMethodHandler[CheckRequest, bytes] = grpc.unary_unary_rpc_method_handler(
        made.check, CheckRequest.FromString
    )
    async with grpc_server("envoy.service.auth.v3.Authorization", {"Check": check}, port) as made.port:
        yield made


def allowed(**headers: str) -> CheckResponse:
    """Return the answer that lets a request pass, with headers for the backend."""
    made = CheckResponse()
    made.ok_response.SetInParent()
    for name, value in headers.items():
        made.ok_response.headers.add().header.key = name.replace("_", "-")
        made.ok_response.headers[-1].header.value = value
    return made


def denied(status: int = 403, body: str = "", **headers: str) -> CheckResponse:
    """Return the answer that refuses a request with a status."""
    made = CheckResponse()
    made.status.code = grpc.StatusCode.PERMISSION_DENIED.value[0]
    made.denied_response.status.code = status  # type: ignore[assignment]  # a number of the enumeration
    made.denied_response.body = body
    for name, value in headers.items():
        made.denied_response.headers.add().header.key = name.replace("_", "-")
        made.denied_response.headers[-1].header.value = value
    return made


def answering(status: int = 200, body: str = "", **headers: str) -> Callable[[Seen], Awaitable[web.StreamResponse]]:
    """Return the answer of an HTTP authorizer, for `Upstream.answer`."""

    async def answer(_: Seen) -> web.StreamResponse:
        return web.Response(status=status, text=body, headers={k.replace("_", "-"): v for k, v in headers.items()})

    return answer


def at(port: int, name: str = "authorizer", **spec: Any) -> list[Manifest]:
    """Return the Service of an authorizer at a port of this machine."""
    return [service(name, **spec), *endpoints(name, [port])]


def extension(name: str = "authorizer", namespace: str = "default", **provider: Any) -> Manifest:
    """Return a GatewayExtension with an authorizer: `grpcService` and the like."""
    return {
        "apiVersion": "gateway.headgate.dev/v1alpha1",
        "kind": "GatewayExtension",
        "metadata": {"name": name, "namespace": namespace},
        "spec": {"extAuth": provider},
    }


def by_grpc(name: str = "authorizer", **service_fields: Any) -> Manifest:
    """Return the field of an extension whose authorizer, a Service, is asked by gRPC, and may take long."""
    return {"grpcService": {"backendRef": {"name": name, "port": 80}, "requestTimeout": "5s", **service_fields}}


def by_http(name: str = "authorizer", **service_fields: Any) -> Manifest:
    """Return the field of an extension whose authorizer, a Service, is asked by HTTP."""
    return {"httpService": {"backendRef": {"name": name, "port": 80}, "requestTimeout": "5s", **service_fields}}


def asking(*names: str, **fields: Any) -> Manifest:
    """Return the `extAuth` of a policy that asks these extensions."""
    if len(names) > 1:
        return {"extensionRefs": [{"name": each} for each in names], **fields}
    return {"extensionRef": {"name": names[0] if names else "authorizer"}, **fields}
