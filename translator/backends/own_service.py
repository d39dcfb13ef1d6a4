"""Headgate's own services, which proxies ask where no GatewayExtension names another.

In a cluster each is deployed beside the proxies of each Gateway that needs it, so its cluster has one name for all
Gateways and the endpoints of each one's own. Without a cluster it is where the operator says.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Final

from translator.inputs import HostAndPort
from translator.ir.backend import Backend, BackendKey, Protocol

PORT: Final = 8081
"""The port of a service in a cluster: of its Service, and of its pods."""


@dataclass(frozen=True)
class OwnService:
    """A service.

    Attributes:
        kind: the kind in the key of its backend, which no object has.
        component: what its objects are labelled with as their component.
        prefix: what the names of its objects begin with.
        noun: what it is called in messages.
        without: what becomes of requests while it is not available.
    """

    kind: str
    component: str
    prefix: str
    noun: str
    without: str

    @cached_property
    def deployed(self) -> Backend:
        """The service of whichever Gateway asks it."""
        return Backend(BackendKey(self.kind, "headgate", "deployed"), PORT, Protocol.H2C.value)

    def at(self, address: HostAndPort) -> Backend:
        """Return the service at an address."""
        return Backend(BackendKey(self.kind, "headgate", "external"), address.port, Protocol.H2C.value, address.host)
