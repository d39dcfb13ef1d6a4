"""A real Envoy accepts the bootstrap of a proxy in a cluster, connects, reports readiness and drains."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import time
from collections.abc import AsyncIterator, Mapping
from pathlib import Path

import aiohttp
import pytest

from tests.ports import free_port
from tests.translator.infrastructure.authority import Authority, Volume
from tests.translator.infrastructure.gateways import GATEWAY as SHOP
from tests.translator.infrastructure.gateways import Cluster, gateway, service
from translator.infrastructure import bootstrap
from translator.infrastructure.bootstrap import (
    BOOTSTRAP_FILE,
    CA_FILE,
    TOKEN_FILE,
    Folders,
    files,
)
from translator.inputs import ProxyDefaults
from translator.objects.headgate.gatewayparameters import GatewayParametersSpec
from translator.proxy import ADMIN_PORT, METRICS_PORT, READINESS_PORT
from xds.resources.snapshot import Snapshot
from xds.server.server import Peer, Server

GATEWAY = "web/shop"


def has_ipv6() -> bool:
    """Return whether this machine has an IPv6 address."""
    try:
        with socket.socket(socket.AF_INET6) as probe:
            probe.bind(("::1", 0))
    except OSError:
        return False
    return True


LOOPBACK = ("127.0.0.1", "::1") if has_ipv6() else ("127.0.0.1",)


class Proxy:
    """An Envoy with the files of a pod, and the server that it connects to."""

    def __init__(self, folder: Path, parameters: GatewayParametersSpec) -> None:
        self.authority = Authority("first")
        self.seen: list[str] = []
        self.xds, self.ready, self.metrics, self.admin, self.served = (free_port() for _ in range(5))
        self._folders = Folders(str(folder / "config"), str(folder / "token"))
        self._parameters = parameters
        self.config = Volume(folder / "config", self.files())
        self.token = Volume(folder / "token", {TOKEN_FILE: "token-1"})
        self.http = aiohttp.ClientSession()

    def files(self) -> dict[str, str]:
        """Return the files, with free ports."""
        defaults = ProxyDefaults(xds_host="localhost", xds_port=self.xds, ca=self.authority.pem, addresses=LOOPBACK)
        made = files(defaults, self._parameters, "/drain/secret", self._folders)
        assert isinstance(made, Mapping)
        text = made[BOOTSTRAP_FILE]
        for usual, port in ((ADMIN_PORT, self.admin), (READINESS_PORT, self.ready), (METRICS_PORT, self.metrics)):
            text = text.replace(f'"port_value": {usual}', f'"port_value": {port}')
        # Without the margins, a proxy that was not stopped becomes ready soon after its second of draining.
        delay = f'"fixed_delay": "{self._parameters.drain_seconds + 40}s"'
        assert delay in text
        return {**made, BOOTSTRAP_FILE: text.replace(delay, '"fixed_delay": "3s"')}

    @contextlib.asynccontextmanager
    async def server(self, authority: Authority) -> AsyncIterator[Server]:
        """Serve an empty configuration with a certificate of an authority."""
        server = Server(
            lambda node: str(node.cluster),
            address=f"127.0.0.1:{self.xds}",
            credentials=authority.credentials("localhost"),
            authorise=self._authorise,
        )
        async with server:
            server.publish(GATEWAY, Snapshot.of([]))
            yield server

    def _authorise(self, key: str, peer: Peer) -> None:
        self.seen.append(f"{key}: {peer.metadata.get('authorization')!s}")

    async def until_seen(self, text: str) -> None:
        """Wait until the server has seen a stream with a key and a token."""
        async with asyncio.timeout(20):
            while text not in self.seen:  # noqa: ASYNC110 (another process)
                await asyncio.sleep(0.02)

    async def get(self, port: int, path: str, host: str = "127.0.0.1") -> tuple[int, str]:
        """Return status and body of a response; status 0 if nothing listens."""
        try:
            async with self.http.get(f"http://{host}:{port}{path}") as response:
                return response.status, await response.text()
        except aiohttp.ClientError:
            return 0, ""

    async def until_ready(self) -> None:
        """Wait until the proxy is ready."""
        async with asyncio.timeout(20):
            while (await self.get(self.ready, "/ready"))[0] != 200:  # noqa: ASYNC110 (another process)
                await asyncio.sleep(0.05)


@pytest.fixture
async def proxy(envoy_path: Path, tmp_path: Path) -> AsyncIterator[Proxy]:
    """Return a running Envoy that is not connected yet."""
    async with running(envoy_path, tmp_path) as proxy:
        yield proxy


@contextlib.asynccontextmanager
async def running(envoy_path: Path, tmp_path: Path, drain_seconds: int = 1) -> AsyncIterator[Proxy]:
    """Run an Envoy that is not connected yet."""
    parameters = GatewayParametersSpec.model_validate(
        {"drainSeconds": drain_seconds, "stats": {"excludePrefixes": ["cluster.xds"]}}
    )
    proxy = Proxy(tmp_path, parameters)
    process = await asyncio.create_subprocess_exec(
        envoy_path,
        *("--config-path", tmp_path / "config" / BOOTSTRAP_FILE, "--disable-hot-restart", "--concurrency", "1"),
        *("--service-cluster", GATEWAY, "--service-node", f"{GATEWAY}/pod", "--log-level", "warning"),
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.DEVNULL,
    )
    try:
        yield proxy
    finally:
        await proxy.http.close()
        process.kill()
        await process.wait()


async def test_a_proxy_is_ready_once_it_has_its_configuration(proxy: Proxy) -> None:
    """Without a server it is not ready; then it is, authenticates by its token, and has metrics."""
    assert (await proxy.get(proxy.ready, "/ready"))[0] != 200
    async with proxy.server(proxy.authority):
        await proxy.until_seen(f"{GATEWAY}: Bearer token-1")
        await proxy.until_ready()
        status, metrics = await proxy.get(proxy.metrics, "/stats/prometheus")
        assert status == 200
        assert "envoy_server_live" in metrics
        assert 'envoy_cluster_name="xds"' not in metrics
        assert (await proxy.get(proxy.metrics, "/quitquitquit"))[0] == 404


@pytest.mark.skipif(len(LOOPBACK) < 2, reason="this machine has no IPv6")
async def test_a_proxy_listens_on_both_ip_families(proxy: Proxy) -> None:
    """Readiness is served on both; the Gateway's listeners are, once its Service has both, without an interruption."""
    cluster = Cluster(gateway(ports=(proxy.served,)))
    async with proxy.server(proxy.authority) as server:
        server.publish(GATEWAY, cluster.translator.snapshots[SHOP])
        await proxy.until_ready()
        assert (await proxy.get(proxy.ready, "/ready", "[::1]"))[0] == 200
        assert (await proxy.get(proxy.served, "/"))[0] == 404
        assert (await proxy.get(proxy.served, "/", "[::1]"))[0] == 0
        cluster.apply(service("").replace("spec: {", "spec: {ipFamilies: [IPv4, IPv6], "))
        server.publish(GATEWAY, cluster.translator.snapshots[SHOP])
        async with asyncio.timeout(20):
            while (await proxy.get(proxy.served, "/", "[::1]"))[0] != 404:
                assert (await proxy.get(proxy.served, "/"))[0] == 404


async def test_a_renewed_token_is_used(proxy: Proxy) -> None:
    """A token that the kubelet has renewed is used for the next stream."""
    async with proxy.server(proxy.authority):
        await proxy.until_seen(f"{GATEWAY}: Bearer token-1")
    proxy.token.replace({TOKEN_FILE: "token-2"})
    async with proxy.server(proxy.authority):
        await proxy.until_seen(f"{GATEWAY}: Bearer token-2")


async def test_a_new_authority_is_trusted(proxy: Proxy) -> None:
    """A server of an unknown authority is not trusted; once the files contain it, the same Envoy connects."""
    other = Authority("other")
    async with proxy.server(other):
        await asyncio.sleep(2)
        assert proxy.seen == []
        proxy.config.replace({**proxy.files(), CA_FILE: proxy.authority.pem + other.pem})
        await proxy.until_seen(f"{GATEWAY}: Bearer token-1")
        await proxy.until_ready()


async def test_a_proxy_drains_before_it_stops(proxy: Proxy) -> None:
    """GET of the secret path makes it unready at once, and is answered after the drain time."""
    async with proxy.server(proxy.authority):
        await proxy.until_ready()
        assert (await proxy.get(proxy.ready, "/drain/guess"))[0] == 404
        begun = time.monotonic()
        drain = asyncio.create_task(proxy.get(proxy.ready, "/drain/secret"))
        while (await proxy.get(proxy.ready, "/ready"))[0] != 503:
            assert not drain.done()
            await asyncio.sleep(0.02)
        assert (await drain)[0] == 200
        assert time.monotonic() - begun >= 0.9


async def test_a_proxy_that_is_not_stopped_serves_again(proxy: Proxy) -> None:
    """A proxy that is drained but not stopped becomes ready again at the time at which it should have ended."""
    async with proxy.server(proxy.authority):
        await proxy.until_ready()
        drain = asyncio.create_task(proxy.get(proxy.ready, "/drain/secret"))
        while (await proxy.get(proxy.ready, "/ready"))[0] != 503:  # noqa: ASYNC110 (another process)
            await asyncio.sleep(0.02)
        drain.cancel()
        await proxy.until_ready()


async def test_a_drain_request_has_a_timeout(envoy_path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The proxy ends a drain request that is not answered in time."""
    monkeypatch.setattr(bootstrap, "_MOST_SECONDS", 1)
    async with running(envoy_path, tmp_path, drain_seconds=60) as proxy, proxy.server(proxy.authority):
        await proxy.until_ready()
        async with asyncio.timeout(20):
            assert (await proxy.get(proxy.ready, "/drain/secret"))[0] == 504
