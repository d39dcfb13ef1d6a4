"""Headgate's own rate limit service, which is asked where no GatewayExtension names another.

In a cluster it is deployed beside the proxies of each Gateway that needs it, so its cluster has one name for all
Gateways and the endpoints of each one's own. Without a cluster it is where the operator says
(`Settings.rate_limit_service`).
"""

from __future__ import annotations

from typing import Final

from translator.db import Db
from translator.ir.backend import Backend, BackendKey, Protocol

KIND: Final = "RateLimitService"
"""The kind in the key of its backend, which no object has."""
PORT: Final = 8081
"""Its port in a cluster: of its Service, and of its pods."""
DEPLOYED: Final = Backend(BackendKey(KIND, "headgate", "deployed"), PORT, Protocol.H2C.value)
"""The service of whichever Gateway asks it."""


def own_service(db: Db) -> Backend | None:
    """Return Headgate's own rate limit service; None if there is none."""
    if not db.settings.standalone:
        return DEPLOYED
    found = db.settings.rate_limit_service
    if found is None:
        return None
    return Backend(BackendKey(KIND, "headgate", "external"), found.port, Protocol.H2C.value, found.host)
