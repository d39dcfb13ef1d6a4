"""Edge hardening of a proxy (Envoy's "Configuring Envoy as an edge proxy", point by point)."""

from __future__ import annotations

import asyncio
import contextlib
import json
import ssl
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from tests.live.certificates import client, tls_secret
from tests.live.http2 import announced
from tests.live.objects import Manifest, gateway, route, rule
from tests.live.proxy import Proxy, free_port, running_proxy
from translator.envoy import filter_chain, overload

Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]
UNDERSCORES = [("x_real_ip", "1.2.3.4")]


def http(port: int) -> Manifest:
    """Return an HTTP listener on a port."""
    return {"name": f"http-{port}", "protocol": "HTTP", "port": port}


async def connect(port: int) -> Streams:
    """Return a plain connection."""
    return await asyncio.open_connection("127.0.0.1", port)


def hello() -> bytes:
    """Return the first message of a TLS handshake."""
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    with contextlib.suppress(ssl.SSLWantReadError):
        client().wrap_bio(incoming, outgoing, server_hostname="a.org").do_handshake()
    return outgoing.read()


async def ended(reader: asyncio.StreamReader) -> bytes:
    """Return what comes until the proxy ends the connection."""
    async with asyncio.timeout(10):
        try:
            return await reader.read()
        except ConnectionError:
            return b""


async def test_header_names_with_underscores_are_refused(proxy: Proxy) -> None:
    """Backends take them for what the proxy has cleaned, such as X-Real-Ip; so the request gets 400."""
    await proxy.apply(route(rule("alpha")))
    assert (await proxy.request(headers=UNDERSCORES)).status == 400
    assert (await proxy.request(headers=[("x-real-ip", "1.2.3.4")])).status == 200


async def test_a_gateway_may_let_underscores_in(proxy: Proxy) -> None:
    """Its annotation says so; then routes may match such headers, and backends get them."""
    allowing = gateway(http(proxy.port))
    allowing["metadata"]["annotations"] = {"gateway.headgate.dev/headers-with-underscores": "Allow"}
    match = {"headers": [{"name": "X_Real_Ip", "value": "1.2.3.4"}]}
    await proxy.apply(allowing, route(rule("alpha", matches=[match])))
    assert (await proxy.request(headers=UNDERSCORES)).sent("x_real_ip") == ["1.2.3.4"]


async def test_clients_that_are_slow_to_ask_are_let_go(proxy: Proxy, monkeypatch: pytest.MonkeyPatch) -> None:
    """A client that does not send all headers of a request in time gets 408; an endless handshake ends."""
    monkeypatch.setattr(filter_chain, "HEADERS_SECONDS", 1)
    monkeypatch.setattr(filter_chain, "HANDSHAKE_SECONDS", 1)
    plain, secure = free_port(), free_port()
    tls = {"certificateRefs": [{"name": "own"}]}
    https = {"name": "https", "protocol": "HTTPS", "port": secure, "tls": tls}
    await proxy.apply(tls_secret("own", "a.org"), gateway(http(plain), https), route(rule("alpha")))
    (slow, writer), (silent, other), (stuck, third) = [await connect(each) for each in (plain, secure, secure)]
    writer.write(b"GET / HTTP/1.1\r\nHost: a.org\r\nX-Slow: ")
    other.write(b"\x16\x03\x01")
    third.write(hello())
    answer, nothing, half = await asyncio.gather(ended(slow), ended(silent), ended(stuck))
    assert answer.startswith(b"HTTP/1.1 408")
    assert nothing == b""
    assert half.startswith(b"\x16\x03\x03")  # the proxy's part of the handshake
    for each in (writer, other, third):
        each.close()


async def test_no_listener_has_all_connections(proxy: Proxy, monkeypatch: pytest.MonkeyPatch) -> None:
    """Beyond its limit a listener closes new connections at once; those that are open, and other listeners, go on."""
    monkeypatch.setattr(filter_chain, "MAX_CHAIN_CONNECTIONS", 2)
    limited, other = free_port(), free_port()
    await proxy.apply(gateway(http(limited), http(other)), route(rule("alpha")))
    held = [await connect(limited) for _ in range(2)]
    for reader, writer in held:
        writer.write(b"GET / HTTP/1.1\r\nHost: a.org\r\n\r\n")
        assert (await reader.readline()).startswith(b"HTTP/1.1 200")
    refused, writer = await connect(limited)
    assert await ended(refused) == b""
    writer.close()
    assert (await proxy.request(port=other)).backend == "alpha"
    for _, writer in held:
        writer.close()


async def test_a_proxy_takes_so_many_connections(envoy_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Beyond the limit of all listeners together a proxy closes new connections at once; those that are open go on."""
    monkeypatch.setattr(overload, "MAX_DOWNSTREAM_CONNECTIONS", 2)
    async with running_proxy(envoy_path) as (full, _):
        other = free_port()
        await full.begin(gateway(http(full.port), http(other)))
        held = [await connect(each) for each in (full.port, other)]
        for _ in range(2):
            for reader, writer in held:
                writer.write(b"GET / HTTP/1.1\r\nHost: a.org\r\n\r\n")
                assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 404")
            for each in (full.port, other):
                refused, writer = await connect(each)
                assert await ended(refused) == b""
                writer.close()
        for _, writer in held:
            writer.close()


async def test_http_2_windows_and_streams_are_limited(proxy: Proxy) -> None:
    """The proxy says so to its clients as soon as they connect: 100 streams, 64 KiB each, 1 MiB for all."""
    await proxy.apply(route(rule("alpha")))
    settings, window = await announced(proxy.port)
    assert (settings[3], settings[4], window) == (100, 64 * 1024, 1024 * 1024)


async def configured(proxy: Proxy) -> dict[str, Any]:
    """Return the listener of the proxy's port, as Envoy has it."""
    found = json.loads(await proxy.admin("/config_dump?resource=dynamic_listeners"))
    listener: dict[str, Any]
    for each in found["configs"]:
        listener = each["active_state"]["listener"]
        if listener["name"] == f"port-{proxy.port}":
            return listener
    raise AssertionError(found)


async def test_buffers_and_silence_are_limited(proxy: Proxy) -> None:
    """A connection buffers 32 KiB; a silent stream ends after five minutes, an unused connection after an hour."""
    await proxy.apply(route(rule("alpha")))
    listener = await configured(proxy)
    manager = listener["filter_chains"][0]["filters"][-1]["typed_config"]
    assert listener["per_connection_buffer_limit_bytes"] == 32 * 1024
    assert manager["stream_idle_timeout"] == "300s"
    assert manager["common_http_protocol_options"]["idle_timeout"] == "3600s"
    assert manager["request_headers_timeout"] == "10s"


async def test_a_proxy_without_memory_sheds_load(envoy_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the heap is full it is shrunk, the largest streams are ended, and neither requests nor clients come in."""
    monkeypatch.setenv("HEADGATE_ENVOY_MAX_HEAP_BYTES", str(1024 * 1024))
    actions = [*(name for name, _ in overload.ACTIONS), overload.RESET_STREAMS[0]]
    async with running_proxy(envoy_path) as (full, _), asyncio.timeout(15):
        stats = ""
        while not all(f"overload.{each}.active: 1\n" in stats for each in actions):
            with contextlib.suppress(aiohttp.ClientConnectionError):  # until it listens
                stats = await full.admin("/stats?filter=overload")
        assert "overload.envoy.resource_monitors.fixed_heap.pressure" in stats


async def test_a_proxy_with_memory_serves(proxy: Proxy) -> None:
    """With memory left none of that happens."""
    stats = await proxy.admin("/stats?filter=overload.*active")
    assert [line for line in stats.splitlines() if not line.endswith(": 0")] == []
