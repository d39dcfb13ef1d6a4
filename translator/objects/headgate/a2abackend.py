"""Agents that speak A2A (Agent2Agent) as backends."""

from collections.abc import Iterator
from typing import Annotated, ClassVar

from pydantic import Field, StringConstraints

from translator.objects.gateway_api.references import BackendObjectReference
from translator.objects.headgate.staticbackend import HostName
from translator.objects.schema.base import CelRule, CheckedFields, FieldViolation
from translator.objects.schema.documentation import Doc
from translator.objects.schema.scalars import HTTP_URL, PortNumber


class A2aBackend(CheckedFields):
    """An agent, whose card tells clients how they reach it through the gateway."""

    rules: ClassVar[tuple[CelRule, ...]] = (
        CelRule("has(self.backendRef) != has(self.host)", "exactly one of backendRef and host must be set"),
        CelRule("has(self.host) == has(self.port)", "must be set together with host, and not without", "port"),
    )

    host: Annotated[HostName | None, Doc(envoy="Endpoint.address.socket_address.address")] = None
    """An IP address, or a DNS name that the proxies resolve. It is the Host of requests."""
    port: Annotated[PortNumber | None, Doc(envoy="Endpoint.address.socket_address.port_value")] = None
    """The port to connect to."""
    backend_ref: Annotated[BackendObjectReference | None, Doc(envoy="RouteAction.cluster")] = None
    """A Service, or a Backend with policies of its own; those of another namespace need a ReferenceGrant there, from
    Backend."""
    public_url: Annotated[
        Annotated[str, StringConstraints(max_length=1024, pattern=HTTP_URL)] | None,
        Field(alias="publicURL"),
        Doc(envoy="Lua.filter_context", default="the scheme, host and path by which the card is read"),
    ] = None
    """What the addresses in the agent's card begin with, in place of the agent's own."""

    def violations(self) -> Iterator[FieldViolation]:
        """Yield a violation unless it is at one place."""
        if (self.backend_ref is None) == (self.host is None):
            yield FieldViolation((), "must have exactly one of backendRef and host: add it, or remove one of them")
        elif (self.host is None) != (self.port is None):
            yield FieldViolation(("port",), "must be set together with host, and not without")
