"""A minimal HTTP/2 client, to request several hosts on one connection (RFC 9113, RFC 7541)."""

from __future__ import annotations

import asyncio
import ssl
import struct

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
DATA, HEADERS, RST_STREAM, SETTINGS, PING, WINDOW_UPDATE = 0, 1, 3, 4, 6, 8
ACK, END_STREAM, END_HEADERS = 1, 1, 4
GET, ROOT, HTTP, HTTPS = b"\x82", b"\x84", b"\x86", b"\x87"
"""Entries of HPACK's static table."""
FIRST_WINDOW = 65_535
"""The window of a connection before anybody says anything."""
WITHIN = 15.0
"""Seconds within which a frame is to come, however busy the machine is."""
STATUSES = {8: 200, 13: 404}
HUFFMAN = {f"{code:05b}": str(code) for code in range(3)} | {
    f"{code + 0b010110:06b}": str(code) for code in range(3, 10)
}
"""Huffman codes of digits, of five bits and of six."""


async def statuses(port: int, context: ssl.SSLContext | None, name: str, *hosts: str) -> list[int]:
    """Return the statuses of one GET for each host, one after the other, on one connection for the server name `name`.

    Without a context there is no TLS, and no server name.
    """
    server_name = name if context is not None else None
    reader, writer = await asyncio.open_connection("127.0.0.1", port, ssl=context, server_hostname=server_name)
    scheme = HTTPS if context is not None else HTTP
    writer.write(PREFACE + frame(SETTINGS, 0, 0))
    found = []
    for number, host in enumerate(hosts):
        authority = b"\x01" + bytes([len(host)]) + host.encode()
        writer.write(frame(HEADERS, END_STREAM | END_HEADERS, 2 * number + 1, GET + scheme + ROOT + authority))
        found.append(await _status(reader, writer))
    writer.close()
    return found


async def announced(port: int) -> tuple[dict[int, int], int]:
    """Return the settings that a server announces as soon as a client connects, and the window of the connection."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(PREFACE + frame(SETTINGS, 0, 0))
    settings: dict[int, int] = {}
    window = FIRST_WINDOW
    async with asyncio.timeout(WITHIN):
        while not settings or window == FIRST_WINDOW:
            kind, _, body = await _read(reader)
            if kind == SETTINGS:
                settings |= dict(struct.iter_unpack(">HI", body))
            elif kind == WINDOW_UPDATE:
                window += int.from_bytes(body, "big")
    writer.close()
    return settings, window


async def pings_until_closed(port: int) -> int:
    """Return how many pings a server sends to a client that answers none, before it closes the connection."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(PREFACE + frame(SETTINGS, 0, 0))
    found = 0
    async with asyncio.timeout(WITHIN):
        try:
            while True:
                kind, flags, _ = await _read(reader)
                found += kind == PING and not flags & ACK
        except (asyncio.IncompleteReadError, ConnectionResetError):
            writer.close()
            return found


async def tunnel(port: int, authority: str, sent: bytes) -> bytes:
    """Ask for a tunnel by CONNECT; return what comes through it, until its end, after `sent` was sent."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    # Names of HPACK's static table with values that are not: the method, and the authority.
    asked = b"\x02\x07CONNECT" + b"\x01" + bytes([len(authority)]) + authority.encode()
    writer.write(PREFACE + frame(SETTINGS, 0, 0) + frame(HEADERS, END_HEADERS, 1, asked) + frame(DATA, 0, 1, sent))
    answered = b""
    async with asyncio.timeout(WITHIN):
        while True:
            kind, flags, body = await _read(reader)
            answered += body if kind == DATA else b""
            if kind == RST_STREAM or (kind in (HEADERS, DATA) and flags & END_STREAM):
                writer.close()
                return answered


async def status_of(port: int, *frames: bytes) -> int:
    """Return the status of the response to a request, which is these frames."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(PREFACE + frame(SETTINGS, 0, 0) + b"".join(frames))
    try:
        async with asyncio.timeout(WITHIN):
            return await _status(reader, writer)
    finally:
        writer.close()


async def _read(reader: asyncio.StreamReader) -> tuple[int, int, bytes]:
    """Return kind, flags and payload of the next frame."""
    head = await reader.readexactly(9)
    return head[3], head[4], await reader.readexactly(int.from_bytes(head[:3], "big"))


def frame(kind: int, flags: int, stream: int, payload: bytes = b"") -> bytes:
    """Return a frame."""
    return len(payload).to_bytes(3, "big") + bytes([kind, flags]) + stream.to_bytes(4, "big") + payload


async def _status(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> int:
    while True:
        kind, flags, payload = await _read(reader)
        if kind == SETTINGS and not flags & ACK:
            writer.write(frame(SETTINGS, ACK, 0))
        elif kind == HEADERS:
            return _decoded(payload)


def _decoded(block: bytes) -> int:
    """Return the status, which comes first in a header block, maybe behind a new size of the dynamic table."""
    place = 0
    if block[0] & 0xE0 == 0x20:
        place = 1
        if block[0] == 0x3F:
            while block[place] & 0x80:
                place += 1
            place += 1
    if block[place] & 0x80:
        return STATUSES[block[place] & 0x7F]
    length, value = block[place + 1] & 0x7F, block[place + 2 :]
    if not block[place + 1] & 0x80:
        return int(value[:length])
    return int(_digits("".join(f"{each:08b}" for each in value[:length])))


def _digits(bits: str) -> str:
    found = ""
    # What is left over is padding: ones.
    while len(bits) >= 5 and set(bits) != {"1"}:
        length = 5 if bits[:5] in HUFFMAN else 6
        found, bits = found + HUFFMAN[bits[:length]], bits[length:]
    return found
