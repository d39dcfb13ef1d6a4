"""Fetches the documents of issuers, which anyone may name: within limits, and from no address of this machine."""

from __future__ import annotations

import asyncio
from typing import Final, Self
from urllib.parse import urlsplit

import aiohttp

from translator.ir.oidc import ProviderMetadata
from watchers.oidc.document import DiscoveryError, document_url, parse
from watchers.outward import LOCAL, OutwardResolver, is_local, reason

MOST_BYTES: Final = 64 << 10
"""Longest document that is read."""
SECONDS: Final = 5.0
"""Seconds until the whole document must be there."""
MOST_REQUESTS: Final = 32
"""Most requests at once."""


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
        resolver = None if self._allow_http else OutwardResolver()
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
                raise DiscoveryError(f"GET {url}: {reason(error)}") from None
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
        if not self._allow_http and is_local(parts.hostname or ""):
            raise DiscoveryError(f"GET {url}: {LOCAL}")
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
