"""Connections to backends that begin with the addresses of the client (`upstreamProxyProtocol`)."""

from __future__ import annotations

import asyncio
import socket
import ssl
from pathlib import Path

import pytest

from tests.live.backend_tls import NAME, authorities
from tests.live.certificates import tls_server
from tests.live.objects import backend_config_policy, endpoints, route, rule, service
from tests.live.proxy import Proxy
from tests.live.raw_backend import EMPTY, raw_backend

SIGNATURE = b"\r\n\r\n\x00\r\nQUIT\n"
CLIENT = "127.0.0.77"


async def get(proxy: Proxy) -> bytes:
    """Return what a client at an address of its own gets, as it comes."""
    reader, writer = await asyncio.open_connection("127.0.0.1", proxy.port, local_addr=(CLIENT, 0))
    writer.write(b"GET / HTTP/1.1\r\nHost: example.com\r\nConnection: close\r\n\r\n")
    answer = await reader.read()
    writer.close()
    return answer


@pytest.mark.parametrize("version", ["V1", "V2"])
async def test_the_header_has_the_addresses(proxy: Proxy, version: str) -> None:
    """Each connection begins with a header of the version, and a connection is for one client only."""
    headers: list[bytes] = []

    async def serve(reader: asyncio.StreamReader, _: asyncio.StreamWriter) -> None:
        if version == "V1":
            headers.append(await reader.readuntil(b"\r\n"))
        else:
            begin = await reader.readexactly(16)
            headers.append(begin + await reader.readexactly(int.from_bytes(begin[14:], "big")))

    async with raw_backend(serve=serve) as backend:
        policy = backend_config_policy("raw", upstreamProxyProtocol={"version": version})
        await proxy.apply(service("raw"), endpoints("raw", [backend.port]), route(rule("raw")), policy)
        assert (await get(proxy)).startswith(b"HTTP/1.1 200")
        assert (await proxy.request()).status == 200
        assert backend.opened == 2
    if version == "V1":
        assert headers[0].startswith(b"PROXY TCP4 %s 127.0.0.1 " % CLIENT.encode())
        assert headers[1].startswith(b"PROXY TCP4 127.0.0.1 127.0.0.1 ")
    else:
        assert headers[0].startswith(SIGNATURE + b"\x21\x11")
        assert headers[0][16:20] == socket.inet_aton(CLIENT)


def answered(server: socket.socket, context: ssl.SSLContext) -> bytes:
    """Answer a request on a connection that begins with a header and goes on by TLS; return the header."""
    connection, _ = server.accept()
    connection.settimeout(15)
    header = b""
    while not header.endswith(b"\r\n"):
        header += connection.recv(1)
    with context.wrap_socket(connection, server_side=True) as encrypted:
        request = b""
        while not request.endswith(b"\r\n\r\n"):
            request += encrypted.recv(4096)
        encrypted.sendall(EMPTY)
    return header


async def test_the_header_is_before_tls(proxy: Proxy, tmp_path: Path) -> None:
    """Where the backend is connected to by TLS, the header is not encrypted, and all behind it is."""
    context, certificate = tls_server(tmp_path, "a", NAME)
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(15)
        tls = {"caCertificateRefs": [{"group": "", "kind": "ConfigMap", "name": "ca"}], "sni": NAME}
        policy = backend_config_policy("raw", upstreamProxyProtocol={}, tls=tls)
        port = server.getsockname()[1]
        objects = [service("raw"), *endpoints("raw", [port]), route(rule("raw")), authorities(certificate)]
        await proxy.apply(objects, policy)
        header = asyncio.create_task(asyncio.to_thread(answered, server, context))
        assert (await get(proxy)).startswith(b"HTTP/1.1 200")
    assert (await header).startswith(b"PROXY TCP4 %s 127.0.0.1 " % CLIENT.encode())
