"""Headgate's own service that inspects requests (`headgate waf`), for policies that name no GatewayExtension."""

from __future__ import annotations

from typing import Final

from translator.db import Db
from translator.inputs import HostAndPort
from translator.ir.backend import Backend, BackendKey, Protocol

KIND: Final = "WafService"
"""The kind in the key of its backend, which no object has."""


def own_waf_service(db: Db) -> Backend | None:
    """Return Headgate's own service; None if there is none."""
    found = db.settings.waf_service
    return None if found is None else external_service(found)


def external_service(address: HostAndPort) -> Backend:
    """Return the service at an address."""
    return Backend(BackendKey(KIND, "headgate", "external"), address.port, Protocol.H2C.value, address.host)
