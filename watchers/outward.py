"""What fetches from hosts that users name has in common: limits, and that it connects to no address of this machine."""

from __future__ import annotations

import socket
from ipaddress import ip_address
from typing import Any, Final

import aiohttp
from aiohttp.abc import AbstractResolver, ResolveResult
from aiohttp.resolver import ThreadedResolver

LOCAL: Final = "its address is of this machine, or of its network link only"
FAILURES: Final = (aiohttp.ClientError, OSError, ValueError)
"""The errors of a request that gets no answer; `reason` has their words."""


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


def outward_session(*, allow_local: bool, seconds: float, auto_decompress: bool = True) -> aiohttp.ClientSession:
    """Return a session that connects to other machines only, and keeps neither connections nor cookies.

    Args:
        allow_local: whether it connects to this machine too, as tests want.
        seconds: the seconds until the whole answer to a request must be there.
        auto_decompress: whether bodies are decompressed that were compressed on their way.
    """
    resolver = None if allow_local else OutwardResolver()
    # A name may resolve to another address at each request: what is checked must be what is connected to.
    return aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(resolver=resolver, force_close=True),
        timeout=aiohttp.ClientTimeout(total=seconds),
        cookie_jar=aiohttp.DummyCookieJar(),
        auto_decompress=auto_decompress,
    )


async def bounded_body(response: aiohttp.ClientResponse, most_bytes: int) -> bytes | None:
    """Return the body of an answer; None if it is longer than so many bytes, of which no more are read."""
    body = bytearray()
    async for chunk in response.content.iter_any():
        body += chunk
        if len(body) > most_bytes:
            return None
    return bytes(body)


def reason(error: Exception, seconds: float) -> str:
    """Return why there is no answer within so many seconds, in words of the operating system where it has some."""
    if isinstance(error, TimeoutError):
        return f"no answer within {seconds:.0f} s"
    if isinstance(error, aiohttp.ClientConnectorCertificateError):
        return "the certificate of the server is not trusted"
    found = getattr(error, "os_error", error)
    strerror = getattr(found, "strerror", None)
    return str(strerror or found).rstrip(".") or type(found).__name__
