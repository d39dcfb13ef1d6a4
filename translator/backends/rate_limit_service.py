"""Headgate's own rate limit service, which is asked where no GatewayExtension names another.

Without a cluster it is where the operator says (`Settings.rate_limit_service`).
"""

from __future__ import annotations

from typing import Final

from translator.backends.own_service import OwnService
from translator.db import Db
from translator.ir.backend import Backend

RATE_LIMIT_SERVICE: Final = OwnService(
    kind="RateLimitService",
    component="rate-limit",
    prefix="ratelimit",
    noun="rate limit service",
    without="requests are served without global limits, or refused where a GatewayExtension says failOpen: false",
)


def own_service(db: Db) -> Backend | None:
    """Return Headgate's own rate limit service; None if there is none."""
    if not db.settings.standalone:
        return RATE_LIMIT_SERVICE.deployed
    found = db.settings.rate_limit_service
    return None if found is None else RATE_LIMIT_SERVICE.at(found)
