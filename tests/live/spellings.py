"""Spellings of one path, sent as they are in the first line of a request."""

from __future__ import annotations

import asyncio
from typing import Final

SPELLINGS: Final = (
    *("/admin", "/admin/", "/admin//", "//admin", "/./admin", "/x/../admin", "/x/..//admin", "/%61dmin"),
    *("/%61%64%6d%69%6e", "/admi%6e", "/%2fadmin", "/%2Fadmin", "/%5cadmin", "/\\admin", "/x/%2e%2e/admin"),
    *("/x/%2E%2e/admin", "/x/.%2e/admin", "/x/..%2fadmin", "/x/..%5cadmin", "/admin%2f", "/admin%2Fx", "/admin;a=b"),
    *("/admin/;a=b", "/;/admin", "/x/..;/admin", "/admin%00", "/admin%20", "/admin%09", "/admin?x=/public", "/admin#x"),
    *("/ADMIN", "/admin/.", "/admin/x/..", "http://other.example.com/admin", "/%252e%252e/admin", "/x%2e%2e/admin"),
)
"""What servers may take for /admin."""


async def send(port: int, path: str) -> str:
    """Send a request whose path is written so; return the first line of the response, "" if there is none."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(f"GET {path} HTTP/1.1\r\nHost: example.com\r\nConnection: close\r\n\r\n".encode())
    found = await reader.read()
    writer.close()
    return found.partition(b"\r\n")[0].decode()
