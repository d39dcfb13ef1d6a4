"""The client of one API server: requests and responses in JSON, watches, and errors with messages."""

import asyncio
import os
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, Final, Protocol, Self

import aiohttp
import orjson

from watchers.kubernetes.errors import ApiError, Malformed, TooLarge, Unreachable
from watchers.kubernetes.json_lines import JsonLines
from watchers.kubernetes.kubeconfig import Access

JSON: Final = "application/json"
SERVER_SIDE_APPLY: Final = "application/apply-patch+yaml"
MERGE_PATCH: Final = "application/merge-patch+json"

MOST_BYTES: Final = 32 << 20
"""Longest response, and longest event, that is read; an object has at most 3 MB."""
MOST_ERROR_BYTES: Final = 64 << 10
CONNECT_SECONDS: Final = 5.0
SECONDS: Final = 30.0
"""Default timeout of a request."""
SILENCE_SECONDS: Final = 150.0
"""Seconds without data after which a watch counts as broken; bookmarks arrive about every minute."""

_LOST: Final = (aiohttp.ClientError, TimeoutError, OSError)

Query = Mapping[str, str | int]


@dataclass(frozen=True, slots=True)
class _Request:
    method: str
    path: str
    limits: aiohttp.ClientTimeout
    query: Query = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)
    data: bytes | None = None

    def __str__(self) -> str:
        return f"{self.method} {self.path}"


class ResponseStream:
    """An open watch."""

    def __init__(self, response: aiohttp.ClientResponse, url: str) -> None:
        self._response = response
        self._url = url

    def cut(self) -> None:
        """Close the stream; its iteration ends."""
        self._response.close()

    async def lines(self) -> AsyncIterator[list[bytes]]:
        """Yield lines as they arrive, those that arrived together at once, until the server or `cut` closes the stream.

        Raises:
            TooLarge: a line exceeds `MOST_BYTES`.
            Unreachable: there was no data for `SILENCE_SECONDS`.
        """
        lines = JsonLines(MOST_BYTES)
        try:
            async for chunk in self._response.content.iter_any():
                if complete := lines.feed(chunk):
                    yield complete
        except TimeoutError:
            raise Unreachable(self._url, f"no word for {SILENCE_SECONDS:.0f} s") from None
        except (aiohttp.ClientError, OSError):
            return  # Closed in the middle of a chunk; all complete lines were yielded.


class Api(Protocol):
    """The interface of a client of the API server; `ApiClient` implements it."""

    async def request(
        self,
        method: str,
        path: str,
        *,
        query: Query | None = None,
        body: object = None,
        content_type: str = JSON,
        seconds: float = SECONDS,
    ) -> Any:
        """Send a request; return the decoded response.

        Raises:
            ClusterError: there is no response, or (ApiError) it is an error.
        """
        ...


class ApiClient:
    """The client of the API server of `access`. An asynchronous context manager, whose exit closes the connections.

    Every request may raise:
        ApiError: the response is an error.
        Unreachable: there is no response.
        TooLarge: the response exceeds `MOST_BYTES`.
        Malformed: the response is not JSON.
        ConfigurationError: the credentials could not be renewed.
    """

    def __init__(self, access: Access) -> None:
        self._access = access
        self._session: aiohttp.ClientSession | None = None
        self._tls = access.tls

    @property
    def url(self) -> str:
        """The API server's URL."""
        return self._access.url

    @property
    def namespace(self) -> str:
        """The namespace of the kubeconfig's context, or of the pod."""
        return self._access.namespace

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._session:
            await self._session.close()
            self._session = None

    async def request(
        self,
        method: str,
        path: str,
        *,
        query: Query | None = None,
        body: object = None,
        content_type: str = JSON,
        accept: str = JSON,
        seconds: float = SECONDS,
    ) -> Any:
        """Send a request; return the decoded response.

        Args:
            method: the HTTP method.
            path: the path, from the root of the API server (`watchers.kubernetes.paths`).
            query: the query parameters.
            body: the body, sent as JSON, which is also YAML; None for no body.
            content_type: the content type of the body, which selects the kind of a PATCH.
            accept: the content type of the response.
            seconds: the timeout.
        """
        limits = aiohttp.ClientTimeout(total=seconds, sock_connect=CONNECT_SECONDS)
        data = None if body is None else orjson.dumps(body)
        headers = {"Accept": accept} | ({"Content-Type": content_type} if data is not None else {})
        request = _Request(method, path, limits, query or {}, headers, data)
        async with self._send(request) as response:
            return _decoded(await _read(response, MOST_BYTES), str(request))

    async def get(self, path: str, *, query: Query | None = None, accept: str = JSON, seconds: float = SECONDS) -> Any:
        """Send a GET request; return the decoded response."""
        return await self.request("GET", path, query=query, accept=accept, seconds=seconds)

    @asynccontextmanager
    async def watch(
        self, path: str, query: Query, accept: str = JSON, seconds: float = 300
    ) -> AsyncIterator[ResponseStream]:
        """Open a watch on a collection, which the server ends after `seconds`."""
        most = seconds + SECONDS
        limits = aiohttp.ClientTimeout(total=most, sock_connect=CONNECT_SECONDS, sock_read=min(SILENCE_SECONDS, most))
        parameters = {**query, "watch": "true", "timeoutSeconds": int(seconds)}
        async with self._send(_Request("GET", path, limits, parameters, {"Accept": accept})) as response:
            yield ResponseStream(response, self.url)

    async def ready(self) -> bool:
        """Return whether the API server reports to be ready; while it starts, it denies existing rights and kinds."""
        try:
            async with self._send(_Request("GET", "/readyz", aiohttp.ClientTimeout(total=CONNECT_SECONDS))):
                return True
        except (ApiError, Unreachable):
            return False

    @asynccontextmanager
    async def _send(self, request: _Request) -> AsyncIterator[aiohttp.ClientResponse]:
        """Send a request and yield the successful response."""
        response = await self._attempt(request)
        try:
            if response.status >= 300:  # Redirections are not followed, as they could leak credentials.
                raise await _error(response, str(request))
            yield response
        finally:
            # The connection of a response that was not read completely cannot be reused.
            response.close()

    async def _attempt(self, request: _Request) -> aiohttp.ClientResponse:
        """Send a request, and once more with renewed credentials if it failed because of them."""
        for last in (False, True):
            authorization = await self._access.authorization()
            try:
                response = await self._once(request, authorization)
            except aiohttp.ClientSSLError as error:
                if last:
                    raise Unreachable(self.url, _why(error)) from None
            except _LOST as error:
                raise Unreachable(self.url, _why(error)) from None
            else:
                if last or response.status != 401:
                    return response
                response.close()
            await self._access.renew(authorization)
        raise AssertionError("the last attempt returns or raises")

    async def _once(self, request: _Request, authorization: str | None) -> aiohttp.ClientResponse:
        known = {"Authorization": authorization} if authorization else {}
        connections = await self._connections()
        return await connections.request(
            request.method,
            self.url + request.path,
            params=request.query,
            headers={**request.headers, **known},
            data=request.data,
            timeout=request.limits,
            proxy=self._access.proxy,
            server_hostname=self._access.server_name,
            allow_redirects=False,
        )

    async def _connections(self) -> aiohttp.ClientSession:
        """Return the session of connections; a new one after a change of the certificates."""
        if self._session is not None and self._tls is not self._access.tls:
            old, self._session = self._session, None
            await old.close()
        if self._session is None:
            self._tls = self._access.tls
            self._session = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(limit=0, ssl=self._tls or True),
                # In a cluster, compression takes longer than the transfer.
                headers={"Accept-Encoding": "identity", "User-Agent": "headgate"},
                read_bufsize=1 << 20,
            )
        return self._session


async def _read(response: aiohttp.ClientResponse, most: int) -> bytes:
    body = bytearray()
    try:
        async for chunk in response.content.iter_any():
            body += chunk
            if len(body) > most:
                raise TooLarge(f"The answer to {response.method} {response.url.path} is longer than {most} bytes")
    except _LOST as error:
        raise Unreachable(str(response.url.origin()), _why(error)) from None
    return bytes(body)


async def _error(response: aiohttp.ClientResponse, what: str) -> ApiError:
    """Return the API server's `Status` as an error; a proxy in between may answer with a plain text."""
    try:
        body = await _read(response, MOST_ERROR_BYTES)
    except (TooLarge, Unreachable):
        body = b""
    try:
        status = orjson.loads(body)
        assert isinstance(status, dict)
    except (orjson.JSONDecodeError, AssertionError):
        status = {"message": body[:200].decode(errors="replace").strip()}
    return ApiError(
        what,
        response.status,
        str(status.get("reason") or ""),
        str(status.get("message") or response.reason or ""),
        _seconds(response.headers.get("Retry-After", "")),
    )


def _seconds(text: str) -> float:
    return float(text) if text.isascii() and text.isdigit() and len(text) < 6 else 0.0


def _decoded(body: bytes, what: str) -> Any:
    try:
        return orjson.loads(body) if body else None
    except orjson.JSONDecodeError as error:
        raise Malformed(f"The answer to {what} is not JSON ({error}): is this the URL of an API server?") from None


def _why(error: BaseException) -> str:
    """Return a short description of a network error."""
    if isinstance(error, asyncio.TimeoutError):
        return "it took too long"
    cause = getattr(error, "os_error", error)
    number = getattr(cause, "errno", None) or 0
    return os.strerror(number) if number > 0 else str(getattr(cause, "strerror", None) or cause or type(error).__name__)
