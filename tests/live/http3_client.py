"""A client of HTTP/3: aioquic's QUIC, with its HTTP/3 on top."""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Any

from aioquic.asyncio.client import connect
from aioquic.asyncio.protocol import QuicConnectionProtocol
from aioquic.h3.connection import H3_ALPN, H3Connection
from aioquic.h3.events import DataReceived, H3Event, HeadersReceived
from aioquic.quic.configuration import QuicConfiguration
from aioquic.quic.events import ConnectionTerminated, QuicEvent, StreamReset
from multidict import CIMultiDict

from tests.live.proxy import WITHIN, Response


class Http3Client(QuicConnectionProtocol):
    """A connection, of which each request is a stream."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._http = H3Connection(self._quic)
        self._heard: dict[int, asyncio.Queue[H3Event | ConnectionError]] = {}

    def quic_event_received(self, event: QuicEvent) -> None:
        """Hand what arrives to the requests that it is for."""
        if isinstance(event, ConnectionTerminated):
            for each in self._heard.values():
                each.put_nowait(ConnectionError(event.reason_phrase))
        elif isinstance(event, StreamReset) and event.stream_id in self._heard:
            self._heard[event.stream_id].put_nowait(ConnectionError("the stream was reset"))
        for found in self._http.handle_event(event):
            if isinstance(found, HeadersReceived | DataReceived):
                self._heard[found.stream_id].put_nowait(found)

    async def request(
        self, host: str, path: str = "/", *, method: str = "GET", headers: Mapping[str, str] = {}, body: bytes = b""
    ) -> Response:
        """Send a request and return what comes back.

        Raises:
            ConnectionError: the connection or the stream ended first.
        """
        stream = self._quic.get_next_available_stream_id()
        heard = self._heard[stream] = asyncio.Queue()
        fields = {":method": method, ":scheme": "https", ":authority": host, ":path": path, **headers}
        encoded = [(name.encode(), value.encode()) for name, value in fields.items()]
        self._http.send_headers(stream, encoded, end_stream=not body)
        if body:
            self._http.send_data(stream, body, end_stream=True)
        self.transmit()
        received, content, ended = CIMultiDict[str](), b"", False
        while not ended:
            found = await asyncio.wait_for(heard.get(), WITHIN)
            if isinstance(found, ConnectionError):
                raise found
            if isinstance(found, HeadersReceived):
                received.extend([(name.decode(), value.decode()) for name, value in found.headers])
                ended = found.stream_ended
            elif isinstance(found, DataReceived):
                content, ended = content + found.data, found.stream_ended
        return Response(int(received.pop(":status")), received, content)


@contextlib.asynccontextmanager
async def http3(port: int, name: str, certificate: Path | None = None) -> AsyncIterator[Http3Client]:
    """Yield a connection by QUIC to a port of this machine, for a server name.

    Args:
        port: the UDP port.
        name: the server name.
        certificate: a file with the client's certificate and its key, as PEM.

    Raises:
        ConnectionError: the connection was refused.
    """
    configuration = QuicConfiguration(
        is_client=True, alpn_protocols=H3_ALPN, server_name=name, verify_mode=ssl.CERT_NONE
    )
    if certificate is not None:
        configuration.load_cert_chain(certificate, certificate)
    async with connect("127.0.0.1", port, configuration=configuration, create_protocol=Http3Client) as client:
        assert isinstance(client, Http3Client)
        yield client


async def ask(port: int, name: str, path: str = "/", *, certificate: Path | None = None) -> Response:
    """Send one request on a connection of its own.

    Raises:
        ConnectionError: the connection was refused.
    """
    async with http3(port, name, certificate) as client:
        return await client.request(name, path)
