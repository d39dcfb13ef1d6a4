"""Headgate's own addresses, which no route or listener may use."""

from __future__ import annotations

import socket

import psutil

from headgate.process.address import Address
from translator.own_addresses import OwnAddress
from translator.proxy import ADMIN_PORT


def own_addresses(xds: Address, admin: Address) -> tuple[OwnAddress, ...]:
    """Return the addresses of `headgate run`, and that of the administration of Envoys which users start themselves.

    Args:
        xds: where it serves xDS.
        admin: where it answers about itself.
    """
    return (
        OwnAddress(xds.port, "Headgate's xDS server", _bound(xds)),
        OwnAddress(admin.port, "Headgate's own administration", _bound(admin)),
        OwnAddress(ADMIN_PORT, "the administration of proxies", ("127.0.0.1",)),
    )


def _bound(address: Address) -> tuple[str, ...]:
    """Return the IP addresses that an address is bound to; those of the machine too, where it is bound to all."""
    if address.ip is None:
        try:
            found = socket.getaddrinfo(address.host, None, type=socket.SOCK_STREAM)
        except OSError:  # it cannot be bound either, which is told elsewhere
            return ()
        return tuple(dict.fromkeys(str(each[4][0]) for each in found))
    if not address.ip.is_unspecified:
        return (str(address.ip),)
    machine = (each.address.partition("%")[0] for found in psutil.net_if_addrs().values() for each in found)
    return (str(address.ip), *(each for each in machine if Address(each, 0).ip is not None))
