"""Requests as bytes, for what HTTP clients do not send."""

from __future__ import annotations

import asyncio

WITHIN = 15.0
"""Seconds within which a response is to come, however busy the machine is."""


def request(
    *headers: str, method: str = "GET", path: str = "/", version: str = "1.1", host: str = "example.com"
) -> bytes:
    """Return a request without a body, with lines of headers; without a `host` it has none."""
    lines = [f"{method} {path} HTTP/{version}", *([f"Host: {host}"] if host else []), *headers]
    return "\r\n".join((*lines, "", "")).encode()


async def exchange(port: int, *pieces: bytes) -> str:
    """Send pieces on a connection, and return all that comes until the proxy closes it."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        async with asyncio.timeout(WITHIN):
            for each in pieces:
                writer.write(each)
            await writer.drain()
            return (await reader.read()).decode("latin-1")
    finally:
        writer.close()


def status_of(response: str) -> int:
    """Return the status of the first response."""
    return int(response.split(" ", 2)[1])
