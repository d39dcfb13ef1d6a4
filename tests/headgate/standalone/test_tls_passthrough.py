"""The example of TLS passthrough: `headgate run` on its files, with real backends and clients."""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.headgate.running import Headgate, free_port
from tests.live.certificates import Authority, tls_server
from tests.live.tls_client import TlsClient

EXAMPLE = Path(__file__).parents[3] / "examples" / "tls-passthrough" / "config"
PORTS = (8443, 18443, 18444)
"""The ports in the example: the Gateway's, and those of its two backends."""


@contextlib.asynccontextmanager
async def backend(folder: Path, name: str, port: int, authority: Authority) -> AsyncIterator[str]:
    """Run a server of TLS that says its name, for clients with a certificate of an authority; gives its certificate."""
    context, certificate = tls_server(folder, name, name, clients=authority)

    async def serve(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(name.encode())
        writer.close()

    async with await asyncio.start_server(serve, "127.0.0.1", port, ssl=context):
        yield certificate


async def test_the_example_passes_tls_through(headgate: Headgate, tmp_path: Path) -> None:
    """Client and backend validate each other's certificate; a name of no route is closed."""
    headgate.folder = tmp_path / "example"
    headgate.folder.mkdir()
    ports = {number: free_port() for number in PORTS}
    for each in EXAMPLE.iterdir():
        text = each.read_text()
        for number, port in ports.items():
            text = text.replace(f"port: {number}\n", f"port: {port}\n")
        headgate.write(each.stem, text)
    authority = Authority("clients")
    async with (
        backend(tmp_path, "shop.example.com", ports[18443], authority) as shop,
        backend(tmp_path, "a.b.tenants.example.com", ports[18444], authority) as tenants,
    ):
        client = authority.client(tmp_path)
        client.load_verify_locations(cadata=shop + tenants)
        client.check_hostname, client.verify_mode = True, ssl.CERT_REQUIRED
        await headgate.start()
        await headgate.condition("web", "Programmed", "True")
        for name in ("shop.example.com", "a.b.tenants.example.com"):
            connection = await TlsClient.connect(ports[8443], name, client)
            assert await connection.read() == name.encode()
            connection.close()
        with pytest.raises((ConnectionError, ssl.SSLEOFError)):
            await TlsClient.connect(ports[8443], "other.example.com", client)
