"""How connections to backends are made, by BackendConfigPolicies."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from tests.live.clusters import counted, counts_to
from tests.live.objects import Manifest, backend_config_policy, endpoints, exact, gateway, route, rule, service
from tests.live.proxy import LONG, Proxy, running_proxy
from tests.live.raw_backend import raw_backend
from tests.live.sockets import socket_to
from tests.live.traffic import traffic
from tests.live.upstream import Seen, Upstream, upstream
from tests.ports import unaccepting
from translator.inputs import Settings
from translator.refs import Ref


def to(name: str, port: int) -> list[Manifest]:
    """Return a Service with an endpoint at a port, and a route to it."""
    return [service(name), *endpoints(name, [port]), route(rule(name))]


async def test_connect_timeout(proxy: Proxy) -> None:
    """A backend with a short timeout is given up, all retries included, before another that has the default one."""
    with unaccepting() as port:
        rules = [rule("patient", matches=[exact("/patient")]), rule("quick", matches=[exact("/quick")])]
        both = [*endpoints("patient", [port]), *endpoints("quick", [port])]
        policy = backend_config_policy("quick", connectTimeout="20ms")
        await proxy.apply(service("patient"), service("quick"), both, route(*rules), policy)
        patient = asyncio.create_task(proxy.request("/patient"))
        assert (await proxy.request("/quick")).status == 503
        assert await counted(proxy, "quick", "upstream_cx_connect_timeout") >= 1
        assert not patient.done()
        patient.cancel()


@pytest.mark.parametrize(("limit", "pauses"), [("4Ki", True), ("64Mi", False)])
async def test_connection_buffer(proxy: Proxy, limit: str, pauses: bool) -> None:
    """While a backend reads nothing, the proxy takes no more of a request than its buffers hold."""
    go_on = asyncio.Event()

    async def silent(reader: asyncio.StreamReader, _: asyncio.StreamWriter) -> None:
        reader._transport.pause_reading()  # type: ignore[attr-defined]
        await go_on.wait()
        raise ConnectionError

    async with raw_backend(serve=silent) as backend:
        settings = {"perConnectionBufferLimitBytes": limit, "socketBufferLimit": "4Ki"}
        await proxy.apply(to("silent", backend.port), backend_config_policy("silent", **settings))
        before = await counted(proxy, "silent", "upstream_flow_control_backed_up_total")
        request = asyncio.create_task(proxy.request(method="POST", body=bytes(8 * LONG)))
        await backend.until(lambda: backend.opened == 1)
        if pauses:
            await counts_to(proxy, "silent", "upstream_flow_control_backed_up_total", before + 1)
        else:
            await counts_to(proxy, "silent", "upstream_cx_tx_bytes_buffered", LONG)
        assert (await counted(proxy, "silent", "upstream_flow_control_backed_up_total") > before) == pauses
        go_on.set()
        request.cancel()
        await asyncio.gather(request, return_exceptions=True)


async def test_options_of_sockets(proxy: Proxy) -> None:
    """The kernel has the sizes of buffers and the probes that a policy asks for; Linux reports sizes doubled."""
    probes = {"keepAliveProbes": 4, "keepAliveTime": "90s", "keepAliveInterval": "1500ms"}
    async with raw_backend() as backend:
        policy = backend_config_policy("raw", socketBufferLimit="32Ki", tcpKeepalive=probes)
        await proxy.apply(to("raw", backend.port), policy)
        assert (await proxy.request()).status == 200
        with socket_to(proxy.process.pid, backend.port) as found:
            assert found.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE) == 1
            wanted = {socket.TCP_KEEPCNT: 4, socket.TCP_KEEPIDLE: 90, socket.TCP_KEEPINTVL: 2}
            assert {each: found.getsockopt(socket.IPPROTO_TCP, each) for each in wanted} == wanted
            for name in (socket.SO_RCVBUF, socket.SO_SNDBUF):
                assert found.getsockopt(socket.SOL_SOCKET, name) == 2 * 32 * 1024


async def test_connections_to_an_endpoint_ahead(proxy: Proxy) -> None:
    """With 300 percent for each endpoint, a request has three connections opened."""
    async with raw_backend() as backend:
        policy = backend_config_policy("raw", preconnect={"perEndpointPercent": 300})
        await proxy.apply(to("raw", backend.port), policy)
        assert (await proxy.request()).status == 200
        await backend.until(lambda: backend.opened == 3)
        assert backend.requests == 1


async def test_connections_to_other_endpoints_ahead(proxy: Proxy) -> None:
    """With 300 percent of all together, the endpoints that are next are connected to before there is a request."""
    async with raw_backend() as one, raw_backend() as two:
        objects = [service("raw"), *endpoints("raw", [one.port, two.port]), route(rule("raw"))]
        turns: Manifest = {"roundRobin": {}}
        policy = backend_config_policy("raw", preconnect={"predictivePercent": 300}, loadBalancer=turns)
        await proxy.apply(objects, policy)
        for _ in range(2):
            assert (await proxy.request()).status == 200
        await counts_to(proxy, "raw", "upstream_cx_total", 3)
        assert (one.requests, two.requests) == (1, 1)


@pytest_asyncio.fixture(loop_scope="session")
async def named(envoy_path: Path) -> AsyncIterator[Proxy]:
    """Run a proxy that resolves names of Services."""
    async with running_proxy(envoy_path, Settings(external_names=True)) as (found, _):
        await found.begin(gateway({"name": "http", "protocol": "HTTP", "port": found.port}))
        yield found


async def test_names(named: Proxy) -> None:
    """A name is resolved to addresses of the family that is asked for, and as often as that."""
    external = service("named", type="ExternalName", externalName="localhost")
    async with upstream("local") as found:
        external["spec"]["ports"] = [{"port": found.port}]
        await named.apply(external, route({"backendRefs": [{"name": "named", "port": found.port}]}))
        for family, status in (("V4Only", 200), ("V6Only", 503), ("All", 200), ("V4Preferred", 200)):
            policy = backend_config_policy("named", dns={"lookupFamily": family})
            await named.apply(policy)
            assert (await named.request()).status == status, family
        often = {"refreshRate": "1s", "jitter": "1ms", "respectTTL": False, "lookupFamily": "V4Only"}
        await named.apply(backend_config_policy("named", dns=often))
        async with asyncio.timeout(15):
            while await attempts(named) < 3:
                pass


async def attempts(proxy: Proxy) -> int:
    """Return how often the newest cluster has had its name resolved."""
    text = await proxy.admin("/stats?filter=^cluster.default/named.*update_attempt$")
    return max(int(each.rpartition(": ")[2]) for each in text.splitlines() if each)


async def test_an_edit_under_load(proxy: Proxy, alpha: Upstream, beta: Upstream) -> None:
    """Edits of what there is in a policy cost no request, in flight or new; nor do its creation and its end."""
    seen: list[Seen] = []

    async def answer(found: Seen) -> None:
        seen.append(found)
        await asyncio.sleep(0)

    alpha.answer = beta.answer = answer
    objects = [service("both"), *endpoints("both", [alpha.port, beta.port]), route(rule("both"))]
    await proxy.apply(objects)
    specs: list[Manifest] = [
        {"connectTimeout": "1s"},
        {"commonHttpProtocolOptions": {"maxRequestsPerConnection": 7}},
        {"circuitBreakers": {"maxConnections": 500}},
        {"preconnect": {"perEndpointPercent": 150}},
        {"tcpKeepalive": {"keepAliveTime": "10s"}},
        {"useClientProtocol": True},
        {"http1ProtocolOptions": {"enableTrailers": True}},
    ]
    async with traffic(proxy) as found:
        for spec in specs * 3:
            await proxy.apply(backend_config_policy("both", **spec))
            await found.more(50)
        await proxy.delete(Ref("BackendConfigPolicy", "default", "config"))
        await found.more(50)
    assert found.answers.keys() == {"alpha", "beta"}
    assert len(seen) == found.count >= 22 * 50
