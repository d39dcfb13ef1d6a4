"""Headgate's own service that inspects requests (`headgate waf`), for policies that name no GatewayExtension."""

from __future__ import annotations

from typing import Final

from translator.db import Db
from translator.ir.backend import Backend, BackendKey, Protocol

KIND: Final = "WafService"
"""The kind in the key of its backend, which no object has."""


def own_waf_service(db: Db) -> Backend | None:
    """Return Headgate's own service; None if there is none."""
    found = db.settings.waf_service
    if found is None:
        return None
    return Backend(BackendKey(KIND, "headgate", "external"), found.port, Protocol.H2C.value, found.host)
