"""Backends with hosts of their own: addresses, names, sockets of Unix, and those that stand in for others."""

from __future__ import annotations

import ssl
import tempfile
from collections import Counter
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio
from aiohttp import web

from tests.certificates import self_signed
from tests.live.backend_tls import CA, NAME, asking_backend, authorities
from tests.live.backends import HEADGATE, reference, static, tcp_route, to_backend
from tests.live.objects import backend_config_policy, gateway, route
from tests.live.proxy import Proxy, free_port, running_proxy
from tests.live.upstream import Upstream
from translator.inputs import Settings
from xds import CLUSTER

MANY = 80


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def permissive(envoy_path: Path) -> AsyncIterator[Proxy]:
    """Run a proxy whose Backends may be on this machine."""
    async with running_proxy(envoy_path, Settings(local_backends=True)) as (proxy, _):
        await proxy.begin(gateway({"name": "http", "protocol": "HTTP", "port": proxy.port}))
        yield proxy


@pytest.fixture
def local(permissive: Proxy, upstreams: dict[str, Upstream]) -> Proxy:
    """Return that proxy, with no route."""
    for each in upstreams.values():
        each.reset()
    permissive.restore()
    return permissive


async def backends_of(proxy: Proxy, count: int = MANY) -> Counter[str]:
    """Send requests, and return how many each upstream answered."""
    return Counter([(await proxy.request()).backend for _ in range(count)])


async def test_hosts_share_requests_by_weight(local: Proxy, alpha: Upstream, beta: Upstream) -> None:
    """Requests go to all hosts, by their weights; an edit of the hosts replaces no cluster."""
    heavy = {"host": "127.0.0.1", "port": alpha.port, "weight": 100}
    await local.apply(to_backend(), static(heavy, beta.port))
    found = await backends_of(local)
    assert found["alpha"] > 10 * found["beta"] or not found["beta"]
    before = set(local.snapshot.resources(CLUSTER))
    await local.apply(static(beta.port))
    assert await backends_of(local, 4) == {"beta": 4}
    assert before == set(local.snapshot.resources(CLUSTER))


async def test_hosts_have_zones(local: Proxy, alpha: Upstream, beta: Upstream) -> None:
    """Envoy knows the zone of each host that has one, where a policy uses zones."""
    inside = {"host": "127.0.0.1", "port": alpha.port, "zone": "here"}
    policy = backend_config_policy(
        targetRefs=[{"group": HEADGATE, "kind": "Backend", "name": "hosts"}],
        loadBalancer={"localityType": "WeightedLb"},
    )
    await local.apply(to_backend(), static(inside, beta.port), policy)
    await backends_of(local, 1)
    found = await local.admin("/clusters")
    zones = {
        line.split("::")[1].rpartition(":")[2]: line.rpartition("::")[2]
        for line in found.splitlines()
        if "::zone::" in line
    }
    assert (zones[str(alpha.port)], zones[str(beta.port)]) == ("here", "")


async def test_a_fallback_stands_in(local: Proxy, alpha: Upstream, beta: Upstream) -> None:
    """A fallback gets requests only once no other host is left."""
    standing_in = {"host": "127.0.0.1", "port": beta.port, "fallback": True}
    await local.apply(to_backend(), static(alpha.port, standing_in))
    assert await backends_of(local, 20) == {"alpha": 20}


async def test_a_name_is_resolved(local: Proxy, alpha: Upstream) -> None:
    """A host may be a name, which Envoy resolves, beside addresses; Host stays that of the client."""
    await local.apply(to_backend(), static({"host": "localhost", "port": alpha.port}, alpha.port))
    assert await backends_of(local, 4) == {"alpha": 4}
    assert alpha.seen[0].host == "example.com"


async def test_a_socket_of_unix(local: Proxy, alpha: Upstream) -> None:
    """A host may be a socket of Unix, beside addresses."""

    async def answer(_: web.BaseRequest) -> web.Response:
        return web.json_response({"backend": "socket"})

    with tempfile.TemporaryDirectory(prefix="live") as folder:
        path = str(Path(folder) / "http")
        runner = web.ServerRunner(web.Server(answer))
        await runner.setup()
        await web.UnixSite(runner, path).start()
        try:
            await local.apply(to_backend(), static({"unix": path}, alpha.port))
            found = await backends_of(local)
            assert found["socket"]
            assert found["alpha"]
        finally:
            await runner.cleanup()


async def test_connections_are_forwarded(local: Proxy, alpha: Upstream) -> None:
    """A TCPRoute may name a Backend, whatever it says of the protocol of requests."""
    port = free_port()
    listeners = [
        {"name": "http", "protocol": "HTTP", "port": local.port},
        {"name": "tcp", "protocol": "TCP", "port": port},
    ]
    await local.apply(gateway(*listeners), tcp_route(), static(alpha.port, appProtocol="http2"))
    assert (await local.request(port=port)).backend == "alpha"


async def test_a_policy_gives_it_tls(local: Proxy, tmp_path: Path) -> None:
    """A BackendTLSPolicy for a Backend has its certificate validated; without one appProtocol https is refused."""
    async with asking_backend(tmp_path, ssl.CERT_OPTIONAL) as secured:
        policy = {
            "apiVersion": "gateway.networking.k8s.io/v1",
            "kind": "BackendTLSPolicy",
            "metadata": {"name": "tls"},
            "spec": {
                "targetRefs": [{"group": HEADGATE, "kind": "Backend", "name": "hosts"}],
                "validation": {"caCertificateRefs": [CA], "hostname": NAME},
            },
        }
        await local.apply(to_backend(), static(secured.upstream.port, appProtocol="https"))
        assert (await local.request()).status == 500
        await local.apply(policy, authorities(secured.certificate))
        assert (await local.request()).status == 200
        await local.apply(authorities(self_signed("b", NAME)[0]))
        assert (await local.request()).status == 503


async def test_another_namespace_has_to_permit_it(local: Proxy, alpha: Upstream) -> None:
    """A Backend of another namespace is refused with 500 until a ReferenceGrant there permits it."""
    other = static(alpha.port)
    other["metadata"]["namespace"] = "other"
    grant = {
        "apiVersion": "gateway.networking.k8s.io/v1beta1",
        "kind": "ReferenceGrant",
        "metadata": {"name": "routes", "namespace": "other"},
        "spec": {
            "from": [{"group": "gateway.networking.k8s.io", "kind": "HTTPRoute", "namespace": "default"}],
            "to": [{"group": HEADGATE, "kind": "Backend"}],
        },
    }
    await local.apply(route({"backendRefs": [reference(namespace="other")]}), other)
    assert (await local.request()).status == 500
    await local.apply(grant)
    assert (await local.request()).backend == "alpha"


async def test_this_machine_needs_an_option(proxy: Proxy, alpha: Upstream) -> None:
    """Without --local-backends no spelling of this machine reaches it: requests get 500, and nothing arrives."""
    for host in ("127.0.0.1", "localhost", "::1", "::ffff:127.0.0.1", "0.0.0.0", "127.1", "2130706433", "0x7f000001"):
        await proxy.apply(to_backend(), static({"host": host, "port": alpha.port}))
        assert (await proxy.request()).status == 500, host
    await proxy.apply(static({"unix": "/run/docker.sock"}))
    assert (await proxy.request()).status == 500
    assert alpha.seen == []
