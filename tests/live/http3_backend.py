"""A backend of HTTP/3, which answers 200 to each request."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

from aioquic.asyncio.protocol import QuicConnectionProtocol
from aioquic.asyncio.server import serve
from aioquic.h3.connection import H3_ALPN, H3Connection
from aioquic.h3.events import HeadersReceived
from aioquic.quic.configuration import QuicConfiguration
from aioquic.quic.events import ProtocolNegotiated, QuicEvent

from tests.ports import free_port


class Http3Backend:
    """A server on a loopback port of UDP.

    Attributes:
        seen: the paths of the requests so far.
    """

    def __init__(self) -> None:
        self.port = 0
        self.seen: list[str] = []

    def connection(self, *arguments: Any, **options: Any) -> QuicConnectionProtocol:
        """Make the protocol of a connection."""
        return _Connection(self, *arguments, **options)


class _Connection(QuicConnectionProtocol):
    def __init__(self, backend: Http3Backend, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._backend = backend
        self._http: H3Connection | None = None

    def quic_event_received(self, event: QuicEvent) -> None:
        if isinstance(event, ProtocolNegotiated):
            self._http = H3Connection(self._quic)
        for each in self._http.handle_event(event) if self._http is not None else ():
            if isinstance(each, HeadersReceived) and self._http is not None:
                self._backend.seen.append(dict(each.headers)[b":path"].decode())
                self._http.send_headers(each.stream_id, [(b":status", b"200")])
                self._http.send_data(each.stream_id, b'{"backend": "http3"}', True)
                self.transmit()


@contextlib.asynccontextmanager
async def http3_backend(files: tuple[Path, Path], port: int = 0) -> AsyncIterator[Http3Backend]:
    """Run a backend with a certificate and its key, on a port of 127.0.0.1, by default a free one."""
    made = Http3Backend()
    configuration = QuicConfiguration(is_client=False, alpn_protocols=H3_ALPN)
    configuration.load_cert_chain(*files)
    made.port = port or free_port()
    server = await serve("127.0.0.1", made.port, configuration=configuration, create_protocol=made.connection)
    try:
        yield made
    finally:
        server.close()
