"""Fetches the documents of issuers, which anyone may name: within limits, and from no address of this machine."""

from __future__ import annotations

import asyncio
import socket
from ipaddress import ip_address
from typing import Any, Final, Self
from urllib.parse import urlsplit

import aiohttp
from aiohttp.abc import AbstractResolver, ResolveResult
from aiohttp.resolver import ThreadedResolver

from translator.ir.oidc import ProviderMetadata
from watchers.oidc.document import DiscoveryError, document_url, parse

MOST_BYTES: Final = 64 << 10
"""Longest document that is read."""
SECONDS: Final = 5.0
"""Seconds until the whole document must be there."""
MOST_REQUESTS: Final = 32
"""Most requests at once."""
_LOCAL: Final = "its address is of this machine, or of its network link only"


class DiscoveryClient:
    """Fetches the metadata of issuers. An asynchronous context manager, whose exit closes the connections.

    Args:
        allow_http: whether issuers may be http URLs, and on this machine, as those of tests are.
    """

    def __init__(self, *, allow_http: bool = False) -> None:
        self._allow_http = allow_http
        self._session: aiohttp.ClientSession | None = None
        self._turns = asyncio.Semaphore(MOST_REQUESTS)

    async def __aenter__(self) -> Self:
        resolver = None if self._allow_http else _Resolver()
        # A name may resolve to another address at each request: what is checked must be what is connected to.
        connector = aiohttp.TCPConnector(resolver=resolver, force_close=True)
        self._session = aiohttp.ClientSession(
            connector=connector,
            timeout=aiohttp.ClientTimeout(total=SECONDS),
            cookie_jar=aiohttp.DummyCookieJar(),
        )
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._session is not None:
            await self._session.close()
            self._session = None

    async def fetch(self, issuer: str) -> ProviderMetadata:
        """Fetch the metadata of an issuer.

        Raises:
            DiscoveryError: the metadata cannot be read.
        """
        url = document_url(issuer)
        async with self._turns:
            try:
                body = await self._body(url)
            except TimeoutError:
                raise DiscoveryError(f"GET {url}: no answer within {SECONDS:.0f} s") from None
            except aiohttp.ClientConnectorCertificateError:
                raise DiscoveryError(f"GET {url}: the certificate of the server is not trusted") from None
            except (aiohttp.ClientError, OSError, ValueError) as error:
                raise DiscoveryError(f"GET {url}: {_reason(error)}") from None
        try:
            return parse(issuer, body, allow_http=self._allow_http)
        except DiscoveryError as error:
            raise DiscoveryError(f"GET {url}: {error}") from None

    async def _body(self, url: str) -> bytes:
        """Return the document at a URL, whose host may not be one of this machine."""
        assert self._session is not None, "outside of its context"
        parts = urlsplit(url)
        if parts.scheme != "https" and not self._allow_http:
            raise DiscoveryError(f"GET {url}: the issuer is no https URL")
        if not self._allow_http and _is_local(parts.hostname or ""):
            raise DiscoveryError(f"GET {url}: {_LOCAL}")
        headers = {"Accept": "application/json"}
        # A redirection could lead to what the checks above keep out.
        async with self._session.get(url, headers=headers, allow_redirects=False) as response:
            if response.status != 200:
                raise DiscoveryError(f"GET {url}: HTTP {response.status}")
            body = bytearray()
            async for chunk in response.content.iter_any():
                body += chunk
                if len(body) > MOST_BYTES:
                    raise DiscoveryError(f"GET {url}: the document is longer than {MOST_BYTES} bytes")
            return bytes(body)


class _Resolver(AbstractResolver):
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
        allowed = [each for each in found if not _is_local(each["host"])]
        if found and not allowed:
            raise OSError(_LOCAL)
        return allowed

    async def close(self) -> None:
        """Close the resolver."""
        await self._resolver.close()


def _is_local(host: str) -> bool:
    """Return whether a host is an IP address of this machine, or one that only its own link has, such as metadata."""
    try:
        address: Any = ip_address(host.partition("%")[0])
    except ValueError:
        return host.lower().rstrip(".").endswith("localhost")
    address = getattr(address, "ipv4_mapped", None) or address
    return bool(address.is_loopback or address.is_link_local or address.is_unspecified or address.is_multicast)


def _reason(error: Exception) -> str:
    """Return the reason of a failed connection, in words of the operating system where it has some."""
    found = getattr(error, "os_error", error)
    strerror = getattr(found, "strerror", None)
    return str(strerror or found).rstrip(".") or type(found).__name__
