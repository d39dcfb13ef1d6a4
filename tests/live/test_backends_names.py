"""Where names lead: Backends of names and the forward proxy, of which no request reaches what trusts the proxies."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from tests.live.backends import backend, reference, static, tcp_route, to_backend
from tests.live.name_server import name_server
from tests.live.objects import Manifest, endpoints, gateway, route, service, traffic_policy
from tests.live.proxy import Proxy, free_port, running_proxy
from tests.live.test_tcp import exchange
from tests.live.test_xbackends import EXTERNAL, to_external, xbackend
from tests.live.upstream import Upstream
from translator.inputs import Settings
from translator.own_addresses import OwnAddress


def problem(proxy: Proxy, kind: str, name: str) -> str:
    """Return what the conditions of a policy that are not as they should be say."""
    (ancestor,) = proxy.status(kind, name)["ancestors"]
    return " ".join(each["message"] for each in ancestor["conditions"] if each["status"] == "False")


NAMES = {
    "here.test": ["127.0.0.1"],
    "both.test": ["192.0.2.1", "127.0.0.1"],
    "mapped.test": ["::ffff:127.0.0.1"],
    "six.test": ["::1"],
    "metadata.test": ["169.254.169.254"],
    "any.test": ["0.0.0.0"],
    "a.apis.test": ["127.0.0.1"],
    "apis.test": ["127.0.0.1"],
}
LITERALS = (
    "127.0.0.1",
    "127.9.9.9",
    "0.0.0.0",
    "[::1]",
    "[::]",
    "[::ffff:127.0.0.1]",
    "[::ffff:7f00:1]",
    "[64:ff9b::7f00:1]",
    "127.1",
    "2130706433",
    "0x7f000001",
    "0177.0.0.1",
    "localhost",
    "LOCALHOST.",
)


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def dns() -> AsyncIterator[int]:
    """Run a DNS server of `NAMES`."""
    async with name_server(NAMES) as port:
        yield port


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def resolving(envoy_path: Path, dns: int, upstreams: dict[str, Upstream]) -> AsyncIterator[Proxy]:
    """Run a proxy that asks it."""
    async with running_proxy(envoy_path, dns=dns) as (proxy, _):
        listener = {"name": "http", "protocol": "HTTP", "port": proxy.port}
        await proxy.begin(gateway(listener), service("beta"), endpoints("beta", [upstreams["beta"].port]))
        yield proxy


@pytest.fixture
def careful(resolving: Proxy, upstreams: dict[str, Upstream]) -> Proxy:
    """Return that proxy, with no route."""
    for each in upstreams.values():
        each.reset()
    resolving.restore()
    return resolving


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def opened(envoy_path: Path, dns: int, upstreams: dict[str, Upstream]) -> AsyncIterator[Proxy]:
    """Run a proxy that asks it, whose Backends may be on this machine, but not at the port of `beta`."""
    own = OwnAddress(upstreams["beta"].port, "the administration", ("127.0.0.1",))
    async with running_proxy(envoy_path, Settings(local_backends=True, own=(own,)), dns=dns) as (proxy, _):
        await proxy.begin(gateway({"name": "http", "protocol": "HTTP", "port": proxy.port}))
        yield proxy


@pytest.fixture
def local(opened: Proxy, upstreams: dict[str, Upstream]) -> Proxy:
    """Return that proxy, with no route."""
    for each in upstreams.values():
        each.reset()
    opened.restore()
    return opened


@pytest.mark.parametrize("name", ["here.test", "any.test", "metadata.test", "both.test"])
async def test_a_name_of_a_backend_leads_nowhere_local(careful: Proxy, alpha: Upstream, name: str) -> None:
    """A name of a Backend that leads to the proxies' machine is denied with 403, each time, and is no such backend."""
    await careful.apply(to_backend(), static({"host": name, "port": alpha.port}))
    found = {(await careful.request()).status for _ in range(6)}
    assert found <= ({403} if name != "both.test" else {403, 503})
    assert alpha.seen == []


@pytest.mark.parametrize("name", ["here.test", "any.test", "metadata.test", "both.test"])
async def test_a_name_of_an_xbackend_leads_nowhere_local(careful: Proxy, alpha: Upstream, name: str) -> None:
    """Who may write XBackends, and no Backends, gets no further: the same names are denied with 403."""
    await careful.apply(to_external(), xbackend(alpha.port, name))
    found = {(await careful.request()).status for _ in range(6)}
    assert found <= ({403} if name != "both.test" else {403, 503})
    assert alpha.seen == []


async def test_connections_go_to_no_name_of_an_xbackend(careful: Proxy, alpha: Upstream) -> None:
    """Connections, of which Envoy checks nothing, are closed."""
    port = free_port()
    tcp = {"name": "tcp", "protocol": "TCP", "port": port}
    await careful.apply(gateway(tcp), tcp_route(backend=EXTERNAL), xbackend(alpha.port, "here.test"))
    assert await exchange(port, b"GET / HTTP/1.1\r\nhost: a.org\r\n\r\n") == b""
    assert alpha.seen == []


async def test_the_function_of_a_name_leads_nowhere_local(careful: Proxy, alpha: Upstream) -> None:
    """The endpoint of Lambda that a Backend names is denied as well, where its name leads to this machine."""
    function = {"functionName": "f", "endpointURL": f"http://here.test:{alpha.port}"}
    made = backend(aws={"accountId": "000000000000", "lambda": function})
    await careful.apply(to_backend(), made)
    assert (await careful.request()).status == 403
    assert alpha.seen == []


async def test_copies_and_calls_go_to_no_name(careful: Proxy, alpha: Upstream, beta: Upstream) -> None:
    """A Backend of names is no target of mirrors, by filters and by policies: Envoy would check nothing there."""
    mirror = {"type": "RequestMirror", "requestMirror": {"backendRef": reference("names")}}
    await careful.apply(
        route({"backendRefs": [{"name": "beta", "port": 80}], "filters": [mirror]}),
        static({"host": "here.test", "port": alpha.port}, name="names"),
    )
    assert (await careful.request()).backend == "beta"
    (parent,) = careful.status("HTTPRoute", "route")["parents"]
    (condition,) = (each for each in parent["conditions"] if each["type"] == "ResolvedRefs")
    assert "may get requests of clients only" in condition["message"]
    await careful.apply(
        route({"backendRefs": [{"name": "beta", "port": 80}]}),
        traffic_policy("route", requestMirror={"backendRef": reference("names")}),
    )
    assert (await careful.request()).backend == "beta"
    assert alpha.seen == []


def checking(**check: Any) -> Manifest:
    """Return a policy that has the hosts of the Backend checked."""
    return {
        "apiVersion": "gateway.headgate.dev/v1alpha1",
        "kind": "BackendConfigPolicy",
        "metadata": {"name": "checking"},
        "spec": {
            "targetRefs": [{"group": "gateway.headgate.dev", "kind": "Backend", "name": "hosts"}],
            "healthCheck": {"http": {"path": "/quitquitquit", "method": "POST"}, **check},
        },
    }


async def test_no_check_goes_where_requests_may_not(careful: Proxy, alpha: Upstream) -> None:
    """Hosts by their names are not checked, at no port: checks pass no filter that sees where a name leads."""
    await careful.apply(to_backend(), static({"host": "here.test", "port": 1}), checking(port=alpha.port))
    assert (await careful.request()).status == 403
    assert await careful.admin("/stats?filter=health_check[.]attempt") == ""
    assert alpha.seen == []


@pytest.mark.parametrize("host", ["127.0.0.1", "here.test"])
async def test_no_check_goes_to_headgate_s_own_ports(local: Proxy, alpha: Upstream, beta: Upstream, host: str) -> None:
    """A policy that has a port of Headgate's own checked has nothing checked, and says why."""
    await local.apply(to_backend(), static({"host": host, "port": alpha.port}), checking(port=beta.port))
    assert (await local.request()).backend == "alpha"
    assert "the administration is or may be at port" in problem(local, "BackendConfigPolicy", "checking")
    assert beta.seen == []


@pytest.mark.parametrize("allowed", [{}, {"allowedHosts": ["*"]}, {"allowPrivate": ["10.0.0.0/8"]}])
async def test_the_forward_proxy_reaches_nothing_local(
    careful: Proxy, alpha: Upstream, allowed: dict[str, list[str]]
) -> None:
    """No host that leads to this machine is reached, as a name, as one of several addresses or in any spelling."""
    await careful.apply(to_backend("proxy"), backend("proxy", dynamicForwardProxy=allowed))
    for host in (*NAMES, *LITERALS):
        found = await careful.request(host=f"{host}:{alpha.port}")
        assert found.status in (400, 403, 404, 503), (host, found.status)
    assert alpha.seen == []


async def test_the_host_chooses(local: Proxy, alpha: Upstream) -> None:
    """Requests go to the host that they name if it is allowed, whatever its case; others are denied with 403."""
    options = {"allowedHosts": ["here.test", "*.apis.test"], "allowPrivate": ["127.0.0.0/8"]}
    await local.apply(to_backend("proxy"), backend("proxy", dynamicForwardProxy=options))
    for host in ("here.test", "HERE.test", "a.apis.test"):
        found = await local.request(host=f"{host}:{alpha.port}")
        assert found.backend == "alpha"
        assert alpha.seen[-1].host.lower() == f"{host.lower()}:{alpha.port}"
    count = len(alpha.seen)
    for host in ("apis.test", "127.0.0.1", "both.test", "here.test.apis.test.any.test", "xhere.test", "here.testx"):
        assert (await local.request(host=f"{host}:{alpha.port}")).status in (403, 503), host
    for host in (f"here.test@127.0.0.1:{alpha.port}", f"127.0.0.1:{alpha.port}#here.test", "here.test:1:2"):
        assert (await local.request(host=host)).status in (400, 403, 503), host
    assert len(alpha.seen) == count


async def test_headgate_s_own_ports_are_denied(local: Proxy, beta: Upstream) -> None:
    """No request reaches a port of Headgate's own, even where its address is allowed."""
    options = {"allowPrivate": ["127.0.0.0/8"]}
    await local.apply(to_backend("proxy"), backend("proxy", dynamicForwardProxy=options))
    for host in ("here.test", "127.0.0.1"):
        assert (await local.request(host=f"{host}:{beta.port}")).status == 403
    assert beta.seen == []


async def test_the_host_of_a_rewrite_is_the_one(local: Proxy, alpha: Upstream) -> None:
    """Where the Host is rewritten it is the new one that is allowed or not, and that requests go to."""
    options = {"allowedHosts": ["here.test"], "allowPrivate": ["127.0.0.0/8"]}
    policy = traffic_policy("route", hostRewrite={"literal": "apis.test"})
    await local.apply(to_backend("proxy"), backend("proxy", dynamicForwardProxy=options), policy)
    assert (await local.request(host=f"here.test:{alpha.port}")).status in (403, 503)
    assert alpha.seen == []


async def test_tls_is_by_the_name_of_the_host(local: Proxy, alpha: Upstream) -> None:
    """With `enableTls` nothing is sent to a host that does not prove its name, least of all in plain text."""
    options = {"enableTls": True, "allowPrivate": ["127.0.0.0/8"]}
    await local.apply(to_backend("proxy"), backend("proxy", dynamicForwardProxy=options))
    assert (await local.request(host=f"here.test:{alpha.port}")).status == 503
    assert alpha.seen == []


async def test_a_network_may_be_allowed(local: Proxy, alpha: Upstream) -> None:
    """Of private addresses those in an allowed range are reached, and no others."""
    await local.apply(to_backend("proxy"), backend("proxy", dynamicForwardProxy={"allowPrivate": ["127.9.0.0/16"]}))
    assert (await local.request(host=f"127.0.0.1:{alpha.port}")).status == 503
    assert alpha.seen == []


async def test_policies_do_not_break_it(local: Proxy, alpha: Upstream) -> None:
    """What a BackendConfigPolicy says of endpoints is left out, and requests are served."""
    policy = {
        "apiVersion": "gateway.headgate.dev/v1alpha1",
        "kind": "BackendConfigPolicy",
        "metadata": {"name": "balanced"},
        "spec": {
            "targetRefs": [{"group": "gateway.headgate.dev", "kind": "Backend", "name": "proxy"}],
            "connectTimeout": "2s",
        },
    }
    options = {"allowPrivate": ["127.0.0.0/8"]}
    await local.apply(to_backend("proxy"), backend("proxy", dynamicForwardProxy=options), policy)
    assert (await local.request(host=f"here.test:{alpha.port}")).backend == "alpha"
