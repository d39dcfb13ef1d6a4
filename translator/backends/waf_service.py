"""Headgate's own service that inspects requests (`headgate waf`), for policies that name no GatewayExtension.

In a cluster it is deployed beside the proxies of each Gateway that needs it, if the operator says its image, so its
cluster has one name for all Gateways and the endpoints of each one's own. Elsewhere it is where the operator says.
"""

from __future__ import annotations

from typing import Final

from translator.db import Db
from translator.inputs import HostAndPort
from translator.ir.backend import Backend, BackendKey, Protocol

KIND: Final = "WafService"
"""The kind in the key of its backend, which no object has."""
PORT: Final = 8081
"""Its port in a cluster: of its Service, and of its pods."""
DEPLOYED: Final = Backend(BackendKey(KIND, "headgate", "deployed"), PORT, Protocol.H2C.value)
"""The service of whichever Gateway asks it."""


def own_waf_service(db: Db) -> Backend | None:
    """Return Headgate's own service; None if there is none."""
    settings = db.settings
    if settings.waf_service is not None:
        return external_service(settings.waf_service)
    return DEPLOYED if settings.waf_image and not settings.standalone else None


def external_service(address: HostAndPort) -> Backend:
    """Return the service at an address."""
    return Backend(BackendKey(KIND, "headgate", "external"), address.port, Protocol.H2C.value, address.host)
