"""A real OpenID provider, npm's `oidc-provider`, as a process on loopback."""

from __future__ import annotations

import asyncio
import contextlib
import json
import shutil
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.live.objects import Manifest
from tests.ports import free_port
from tests.skips import NO_NODE

ROOT = Path(__file__).parents[2]
MODULES = ROOT / ".e2e" / "node"
PROGRAM = Path(__file__).parent / "oidc_provider" / "provider.mjs"
CLIENT_ID = "shop"
CLIENT_SECRET = "do-not-tell-0123456789"
WITHIN = 30.0
"""Seconds within which it is to start, however busy the machine is."""
DOMAIN = "gateway.headgate.dev/v1alpha1"


def node() -> str:
    """Return the executable of Node.js; skip the test if that, or the provider, is not installed."""
    found = shutil.which("node")
    if found is None:
        pytest.skip(f"{NO_NODE}, in which the OpenID provider of this test runs")
    if not (MODULES / ".ready").exists():
        pytest.skip("the OpenID provider is not installed: `make node` does that")
    return found


@dataclass(frozen=True)
class Provider:
    """A provider that runs.

    Attributes:
        port: its port on loopback.
        process: it.
    """

    port: int
    process: asyncio.subprocess.Process

    @property
    def issuer(self) -> str:
        """Its issuer."""
        return issuer(self.port)


def issuer(port: int) -> str:
    """Return the issuer at a port."""
    return f"http://127.0.0.1:{port}"


def client(*redirects: str, **fields: Any) -> Manifest:
    """Return a client with the URLs to which the provider may send browsers back."""
    made: Manifest = {"client_id": CLIENT_ID, "client_secret": CLIENT_SECRET, "redirect_uris": list(redirects)}
    return {**made, "token_endpoint_auth_method": "client_secret_post", **fields}


@contextlib.asynccontextmanager
async def running_provider(clients: Sequence[Manifest], port: int = 0, **settings: Any) -> AsyncIterator[Provider]:
    """Run a provider that knows some clients; `settings` are others of the program."""
    port = port or free_port()
    given = {"issuer": issuer(port), "port": port, "clients": list(clients), "modules": str(MODULES), **settings}
    process = await asyncio.create_subprocess_exec(
        node(), PROGRAM, json.dumps(given), stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.DEVNULL
    )
    try:
        assert process.stdout is not None
        async with asyncio.timeout(WITHIN):
            while (line := await process.stdout.readline()) != b"ready\n":
                assert line, "the provider ended"
        yield Provider(port, process)
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        await process.wait()


def secret(name: str = "client", value: str = CLIENT_SECRET) -> Manifest:
    """Return the Secret of a client."""
    return {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": name}, "stringData": {"client-secret": value}}


def extension(issuer_uri: str, name: str = "login", **fields: Any) -> Manifest:
    """Return the GatewayExtension of a provider."""
    credentials = {"clientID": CLIENT_ID, "clientSecretRef": {"name": "client"}}
    spec = {"oauth2": {"issuerURI": issuer_uri, "credentials": credentials, **fields}}
    return {"apiVersion": DOMAIN, "kind": "GatewayExtension", "metadata": {"name": name}, "spec": spec}
