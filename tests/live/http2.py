"""A minimal HTTP/2 client, to request several hosts on one connection (RFC 9113, RFC 7541)."""

from __future__ import annotations

import asyncio
import ssl

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
HEADERS, SETTINGS = 1, 4
ACK, END_STREAM, END_HEADERS = 1, 1, 4
GET, ROOT, HTTP, HTTPS = b"\x82", b"\x84", b"\x86", b"\x87"
"""Entries of HPACK's static table."""
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
    writer.write(PREFACE + _frame(SETTINGS, 0, 0))
    found = []
    for number, host in enumerate(hosts):
        authority = b"\x01" + bytes([len(host)]) + host.encode()
        writer.write(_frame(HEADERS, END_STREAM | END_HEADERS, 2 * number + 1, GET + scheme + ROOT + authority))
        found.append(await _status(reader, writer))
    writer.close()
    return found


def _frame(kind: int, flags: int, stream: int, payload: bytes = b"") -> bytes:
    return len(payload).to_bytes(3, "big") + bytes([kind, flags]) + stream.to_bytes(4, "big") + payload


async def _status(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> int:
    while True:
        head = await reader.readexactly(9)
        payload = await reader.readexactly(int.from_bytes(head[:3], "big"))
        if head[3] == SETTINGS and not head[4] & ACK:
            writer.write(_frame(SETTINGS, ACK, 0))
        elif head[3] == HEADERS:
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
