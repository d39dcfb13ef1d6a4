"""Downloads from hosts that anyone may name: within limits, and from no address of this machine."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, NamedTuple, Self
from urllib.parse import urljoin, urlsplit

import aiohttp

from watchers.outward import FAILURES, LOCAL, bounded_body, is_local, outward_session, reason
from watchers.polling import PollError

SECONDS: Final = 30.0
"""Seconds until the whole answer to a request must be there."""
MOST_REDIRECTS: Final = 5
"""Most redirections of a request that are followed."""
_REDIRECTS: Final = (301, 302, 303, 307, 308)


class ModuleError(PollError):
    """A module cannot be fetched; the message says why, and has nothing of an answer's body, nor a credential."""


class Fetched(NamedTuple):
    """An answer of a server.

    Attributes:
        status: its status: 200, or 401.
        headers: its headers, in lower case.
        body: its body; b"" unless the status is 200.
    """

    status: int
    headers: Mapping[str, str]
    body: bytes


class Downloads:
    """Sends requests. An asynchronous context manager, whose exit closes the connections.

    Args:
        allow_http: whether URLs may be http URLs, and on this machine, as those of tests are.
    """

    def __init__(self, *, allow_http: bool = False) -> None:
        self.allow_http = allow_http
        self._session: aiohttp.ClientSession | None = None

    async def __aenter__(self) -> Self:
        self._session = outward_session(allow_local=self.allow_http, seconds=SECONDS, auto_decompress=False)
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._session is not None:
            await self._session.close()
            self._session = None

    async def get(self, url: str, most_bytes: int, headers: Mapping[str, str] = {}) -> Fetched:
        """Return the answer to GET. Redirections are followed, to another host without the header Authorization.

        Args:
            url: the URL.
            most_bytes: the longest body that is read.
            headers: the headers of the request.

        Raises:
            ModuleError: there is none with the status 200, or 401; its message has the URL without its query.
        """
        where = f"GET {url.partition('?')[0]}"
        try:
            return await self._follow(url, most_bytes, dict(headers))
        except ModuleError as error:
            raise ModuleError(f"{where}: {error}") from None
        except FAILURES as error:
            raise ModuleError(f"{where}: {reason(error, SECONDS)}") from None

    async def _follow(self, url: str, most_bytes: int, headers: dict[str, str]) -> Fetched:
        assert self._session is not None, "outside of its context"
        for _ in range(MOST_REDIRECTS + 1):
            self._check(url)
            async with self._session.get(url, headers=headers, allow_redirects=False) as response:
                if response.status in _REDIRECTS and (location := response.headers.get("Location")):
                    target = urljoin(url, location)
                    if urlsplit(target)[:2] != urlsplit(url)[:2]:
                        headers.pop("Authorization", None)
                    url = target
                    continue
                found = {name.lower(): value for name, value in response.headers.items()}
                if response.status == 401:
                    return Fetched(401, found, b"")
                if response.status != 200:
                    raise ModuleError(f"HTTP {response.status}")
                body = await bounded_body(response, most_bytes)
                if body is None:
                    raise ModuleError(f"the answer is longer than {most_bytes} bytes")
                return Fetched(200, found, body)
        raise ModuleError(f"more than {MOST_REDIRECTS} redirections")

    def _check(self, url: str) -> None:
        parts = urlsplit(url)
        if self.allow_http and parts.scheme == "http":
            return
        if parts.scheme != "https":
            raise ModuleError("it leads to a URL without TLS")
        if not self.allow_http and is_local(parts.hostname or ""):
            raise ModuleError(LOCAL)
