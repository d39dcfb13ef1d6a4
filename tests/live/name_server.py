"""Debian's dnsmasq, a DNS server of the names that a test wants."""

from __future__ import annotations

import asyncio
import contextlib
import shutil
from collections.abc import AsyncIterator, Iterable, Mapping

import pytest

from headgate_proto.envoy.config.bootstrap.v3.bootstrap_pb2 import Bootstrap
from headgate_proto.envoy.extensions.network.dns_resolver.cares.v3.cares_dns_resolver_pb2 import CaresDnsResolverConfig
from tests.ports import free_port

WITHIN = 15.0


def ask(bootstrap: Bootstrap, port: int) -> None:
    """Have an Envoy ask the DNS server at a port of loopback."""
    made = CaresDnsResolverConfig()
    address = made.resolvers.add().socket_address
    address.address, address.port_value = "127.0.0.1", port
    bootstrap.typed_dns_resolver_config.name = "envoy.network.dns_resolver.cares"
    bootstrap.typed_dns_resolver_config.typed_config.Pack(made)


@contextlib.asynccontextmanager
async def name_server(names: Mapping[str, Iterable[str]]) -> AsyncIterator[int]:
    """Run a DNS server, which answers each name with its addresses in this order; give its port."""
    program = shutil.which("dnsmasq") or shutil.which("dnsmasq", path="/usr/sbin")
    if program is None:
        pytest.skip("there is no dnsmasq: install Debian's package dnsmasq-base")
    port = free_port()
    arguments = (
        "--keep-in-foreground",
        "--no-resolv",
        "--no-hosts",
        "--conf-file=/dev/null",
        "--pid-file=",
        "--user=",
        f"--port={port}",
        "--listen-address=127.0.0.1",
        "--bind-interfaces",
        "--no-round-robin",
        *(f"--host-record={name},{address}" for name, addresses in names.items() for address in addresses),
    )
    quiet = asyncio.subprocess.DEVNULL
    process = await asyncio.create_subprocess_exec(program, *arguments, stdout=quiet, stderr=quiet)
    try:
        async with asyncio.timeout(WITHIN):
            while not await _listens(port):
                assert process.returncode is None, "dnsmasq has ended"
        yield port
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        await process.wait()


async def _listens(port: int) -> bool:
    try:
        _, writer = await asyncio.open_connection("127.0.0.1", port)
    except OSError:
        return False
    writer.close()
    return True
