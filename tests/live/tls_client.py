"""A client of TLS that can end its own side first, which asyncio's cannot."""

from __future__ import annotations

import asyncio
import contextlib
import ssl

from tests.live.certificates import client

PIECE = 16 * 1024


class TlsClient:
    """A connection by TLS."""

    def __init__(
        self,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        context: ssl.SSLContext,
        name: str,
        session: ssl.SSLSession | None = None,
    ) -> None:
        self._reader, self._writer = reader, writer
        self._incoming, self._outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self.tls = context.wrap_bio(self._incoming, self._outgoing, server_hostname=name or None, session=session)

    @classmethod
    async def connect(
        cls, port: int, name: str, context: ssl.SSLContext | None = None, session: ssl.SSLSession | None = None
    ) -> TlsClient:
        """Connect to a port of this machine, and ask for a server name, "" for none; `session` is to be taken up.

        Raises:
            OSError: the connection was refused; ssl.SSLError is one.
        """
        made = cls(*await asyncio.open_connection("127.0.0.1", port), context or client(), name, session)
        try:
            while not await made._handshake():
                await made._receive()
        except OSError:
            made.close()
            raise
        return made

    async def _handshake(self) -> bool:
        try:
            self.tls.do_handshake()
        except ssl.SSLWantReadError:
            return False
        finally:
            await self._send()
        return True

    async def write(self, data: bytes) -> None:
        """Send bytes."""
        self.tls.write(data)
        await self._send()

    async def end(self) -> None:
        """End this side (`close_notify`); the other may go on."""
        with contextlib.suppress(ssl.SSLWantReadError):
            self.tls.unwrap()
        await self._send()

    async def read(self, size: int = -1) -> bytes:
        """Return so many bytes, by default all until the other side ends.

        Raises:
            OSError: the connection was reset.
        """
        found = b""
        while size < 0 or len(found) < size:
            try:
                piece = self.tls.read(PIECE if size < 0 else size - len(found))
            except ssl.SSLWantReadError:
                await self._receive()
            except ssl.SSLZeroReturnError:
                break
            else:
                if not piece:
                    break
                found += piece
        return found

    def close(self) -> None:
        """Close the connection."""
        self._writer.close()

    async def _receive(self) -> None:
        data = await self._reader.read(PIECE)
        if data:
            self._incoming.write(data)
        else:
            self._incoming.write_eof()

    async def _send(self) -> None:
        if self._outgoing.pending:
            self._writer.write(self._outgoing.read())
            await self._writer.drain()
