"""Retries of listeners that Envoy rejected since another program used their port, once the port is free."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable, Iterable

import structlog

from headgate.observability.containment import contained
from headgate.process.address import Address
from headgate.process.errors import UserError
from headgate.process.ports import check_free
from xds import LISTENER, NackGroup, Server

#: The seconds between two checks of ports in use.
INTERVAL = 0.25

#: Envoy's error message for a port in use.
_TAKEN = re.compile(r"cannot bind '([^']+)': Address already in use")

log = structlog.stdlib.get_logger("headgate")


async def retry_listeners(server: Server, keys: Callable[[], Iterable[str]]) -> None:
    """Retry rejected listeners until cancelled.

    Args:
        server: the xDS server; sends the listeners again.
        keys: returns the keys of the snapshots that it serves.
    """
    while True:
        await asyncio.sleep(INTERVAL)
        for key in list(keys()):
            with contained(f"offering listeners of Gateway {key} again"):
                _offer(server, key)


def _offer(server: Server, key: str) -> None:
    sync_status = server.sync_status(key)
    for each in sync_status.nack_groups if sync_status else ():
        if each.type_url == LISTENER and is_free_again(each):
            log.info("A port is free again: retrying its listener", gateway=key)
            server.retry(key, LISTENER, each.names)


def is_free_again(nacks: NackGroup) -> bool:
    """Return whether all addresses that a proxy could not bind are free; False for NACKs with other causes."""
    addresses = _TAKEN.findall(nacks.message)
    try:
        for each in addresses:
            check_free(Address.parse(each), "port")
    except (UserError, ValueError):
        return False
    return bool(addresses)
