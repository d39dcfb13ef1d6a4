"""Requests to one API server: JSON in and out, streams of events, errors in words. No models but those of `orjson`."""

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
"""The longest answer, and the longest event, that is taken in; an object has at most 3 MB."""
MOST_ERROR_BYTES: Final = 64 << 10
CONNECT_SECONDS: Final = 5.0
SECONDS: Final = 30.0
"""How long a request may take, if it does not say otherwise."""
SILENCE_SECONDS: Final = 150.0
"""A watch with no word for so long is taken for cut; bookmarks come about every minute."""

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
        """End it; whoever reads it finds its end."""
        self._response.close()

    async def lines(self) -> AsyncIterator[list[bytes]]:
        """Yield the lines as they come, those that came together at once; ends when the server or a cut ends it.

        Raises:
            TooLarge: a line is longer than is taken in.
            Unreachable: there was no word for too long.
        """
        lines = JsonLines(MOST_BYTES)
        try:
            async for chunk in self._response.content.iter_any():
                if complete := lines.feed(chunk):
                    yield complete
        except TimeoutError:
            raise Unreachable(self._url, f"no word for {SILENCE_SECONDS:.0f} s") from None
        except (aiohttp.ClientError, OSError):
            return  # Cut in the middle of a chunk: what was whole has been handed on.


class Api(Protocol):
    """The API server; `ApiClient` is one."""

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
        """Send a request and gives the answer decoded.

        Raises:
            ClusterError: there is none, or (ApiError) it is an error.
        """
        ...


class ApiClient:
    """Requests to the API server that `access` leads to. An asynchronous context manager: leaving closes connections.

    Every request may raise:
        ApiError: the API server's answer is an error.
        Unreachable: there is no answer.
        TooLarge: it is longer than is taken in.
        Malformed: it is not JSON.
        ConfigurationError: credentials were to be renewed, and could not be.
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
        """Send a request, give its answer decoded.

        Args:
            method: the HTTP method.
            path: the path, from the root of the API server; `watchers.kubernetes.paths` makes some.
            query: the query's parameters.
            body: what to send as JSON, which is YAML too; None for nothing.
            content_type: of the body; says which kind of patch a PATCH is.
            accept: the form of the answer.
            seconds: the most that it may take.
        """
        limits = aiohttp.ClientTimeout(total=seconds, sock_connect=CONNECT_SECONDS)
        data = None if body is None else orjson.dumps(body)
        headers = {"Accept": accept} | ({"Content-Type": content_type} if data is not None else {})
        request = _Request(method, path, limits, query or {}, headers, data)
        async with self._send(request) as response:
            return _decoded(await _read(response, MOST_BYTES), str(request))

    async def get(self, path: str, *, query: Query | None = None, accept: str = JSON, seconds: float = SECONDS) -> Any:
        """Send a GET request, give its answer decoded."""
        return await self.request("GET", path, query=query, accept=accept, seconds=seconds)

    @asynccontextmanager
    async def watch(
        self, path: str, query: Query, accept: str = JSON, seconds: float = 300
    ) -> AsyncIterator[ResponseStream]:
        """Open a watch on a collection, which the server ends after so many seconds."""
        most = seconds + SECONDS
        limits = aiohttp.ClientTimeout(total=most, sock_connect=CONNECT_SECONDS, sock_read=min(SILENCE_SECONDS, most))
        parameters = {**query, "watch": "true", "timeoutSeconds": int(seconds)}
        async with self._send(_Request("GET", path, limits, parameters, {"Accept": accept})) as response:
            yield ResponseStream(response, self.url)

    async def ready(self) -> bool:
        """Tell whether the API server says that it has all it needs; while it starts it denies what it has."""
        try:
            async with self._send(_Request("GET", "/readyz", aiohttp.ClientTimeout(total=CONNECT_SECONDS))):
                return True
        except (ApiError, Unreachable):
            return False

    @asynccontextmanager
    async def _send(self, request: _Request) -> AsyncIterator[aiohttp.ClientResponse]:
        """Send a request and yield the answer, which is a good one."""
        response = await self._attempt(request)
        try:
            if response.status >= 300:  # Nor is a redirection followed, which could lead credentials astray.
                raise await _error(response, str(request))
            yield response
        finally:
            # A connection whose answer was not read to its end is of no use to a next request.
            response.close()

    async def _attempt(self, request: _Request) -> aiohttp.ClientResponse:
        """Send a request, a second time with renewed credentials if they are what the first one failed for."""
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
        """Give the connections; new ones once the certificates are others."""
        if self._session is not None and self._tls is not self._access.tls:
            old, self._session = self._session, None
            await old.close()
        if self._session is None:
            self._tls = self._access.tls
            self._session = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(limit=0, ssl=self._tls or True),
                # Within a cluster, compressing takes longer than sending.
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
    """Return the API server's `Status` as an error; what is between may answer too, in words of its own."""
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
    """Return an error of the network in a few words."""
    if isinstance(error, asyncio.TimeoutError):
        return "it took too long"
    cause = getattr(error, "os_error", error)
    number = getattr(cause, "errno", None) or 0
    return os.strerror(number) if number > 0 else str(getattr(cause, "strerror", None) or cause or type(error).__name__)
