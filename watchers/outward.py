"""What fetches from hosts that users name has in common: it connects to no address of this machine."""

from __future__ import annotations

import socket
from ipaddress import ip_address
from typing import Any, Final

from aiohttp.abc import AbstractResolver, ResolveResult
from aiohttp.resolver import ThreadedResolver

LOCAL: Final = "its address is of this machine, or of its network link only"


class OutwardResolver(AbstractResolver):
    """Resolves names to addresses of other machines only."""

    def __init__(self) -> None:
        self._resolver = ThreadedResolver()

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> list[ResolveResult]:
        """Return the addresses of a name.

        Raises:
            OSError: it has none, or only such that are not connected to.
        """
        found = await self._resolver.resolve(host, port, family)
        allowed = [each for each in found if not is_local(each["host"])]
        if found and not allowed:
            raise OSError(LOCAL)
        return allowed

    async def close(self) -> None:
        """Close the resolver."""
        await self._resolver.close()


def is_local(host: str) -> bool:
    """Return whether a host is an IP address of this machine, or one that only its own link has, such as metadata."""
    try:
        address: Any = ip_address(host.partition("%")[0])
    except ValueError:
        return host.lower().rstrip(".").endswith("localhost")
    address = getattr(address, "ipv4_mapped", None) or address
    return bool(address.is_loopback or address.is_link_local or address.is_unspecified or address.is_multicast)


def reason(error: Exception) -> str:
    """Return the reason of a failed connection, in words of the operating system where it has some."""
    found = getattr(error, "os_error", error)
    strerror = getattr(found, "strerror", None)
    return str(strerror or found).rstrip(".") or type(found).__name__
