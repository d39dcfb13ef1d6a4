"""Fetches the documents of issuers, which anyone may name: within limits, and from no address of this machine."""

from __future__ import annotations

import asyncio
from typing import Final, Self
from urllib.parse import urlsplit

import aiohttp

from translator.ir.oidc import ProviderMetadata
from watchers.oidc.document import DiscoveryError, document_url, parse
from watchers.outward import FAILURES, LOCAL, bounded_body, is_local, outward_session, reason

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
        self._session = outward_session(allow_local=self._allow_http, seconds=SECONDS)
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
            except FAILURES as error:
                raise DiscoveryError(f"GET {url}: {reason(error, SECONDS)}") from None
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
            body = await bounded_body(response, MOST_BYTES)
            if body is None:
                raise DiscoveryError(f"GET {url}: the document is longer than {MOST_BYTES} bytes")
            return body
