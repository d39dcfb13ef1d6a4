"""Headgate's own addresses, which no route or listener may use."""

from __future__ import annotations

import socket
from pathlib import Path

import psutil

from headgate.process.address import Address
from translator.own_addresses import OwnAddress
from translator.proxy import ADMIN_PORT


def own_addresses(xds: Address, admin: Address) -> tuple[OwnAddress, ...]:
    """Return the addresses of `headgate run`, and that of the admin interface of Envoys that users start themselves.

    Args:
        xds: the address of the xDS server.
        admin: the address of the admin port.
    """
    return (
        OwnAddress(xds.port, "Headgate's xDS server", _bound(xds)),
        OwnAddress(admin.port, "Headgate's own administration", _bound(admin)),
        OwnAddress(ADMIN_PORT, "the administration of proxies", ("127.0.0.1",)),
    )


def own_folders(state: Path) -> tuple[str, ...]:
    """Return the folders of the sockets of `headgate run`, by each name that they are known to have."""
    return tuple(dict.fromkeys((str(state.absolute()), str(state.resolve()))))


def _bound(address: Address) -> tuple[str, ...]:
    """Return the IP addresses to which an address is bound; if it is bound to all, including those of the machine."""
    if address.ip is None:
        try:
            found = socket.getaddrinfo(address.host, None, type=socket.SOCK_STREAM)
        except OSError:  # it cannot be bound either, which is reported elsewhere
            return ()
        return tuple(dict.fromkeys(str(each[4][0]) for each in found))
    if not address.ip.is_unspecified:
        return (str(address.ip),)
    return (str(address.ip), *machine_addresses())


def machine_addresses() -> tuple[str, ...]:
    """Return the IP addresses that this machine has now."""
    found = (each.address.partition("%")[0] for found in psutil.net_if_addrs().values() for each in found)
    return tuple(str(ip) for each in found if (ip := Address(each, 0).ip) is not None)
