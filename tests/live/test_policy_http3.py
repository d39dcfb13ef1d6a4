"""HTTP/3 of listeners, by the QUIC of aioquic: what a ListenerPolicy's `http3` gives, and where it gives nothing."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from tests.live.certificates import Authority, client, tls_secret
from tests.live.http3_client import ask, http3
from tests.live.objects import Manifest, gateway, listener_policy, route, rule, traffic_policy
from tests.live.processor import Processor
from tests.live.proxy import Proxy, Response
from tests.live.test_https import https
from tests.live.test_listener_filters import filtered, setting
from tests.ports import free_port

A, WILD = "a.org", "*.example.com"
CLIENT_PORT = {"name": "x-client-port", "value": "%DOWNSTREAM_REMOTE_PORT%", "format": True}
LONG = bytes(range(256)) * 4096


async def alt_svc(proxy: Proxy, host: str = A, path: str = "/") -> list[str]:
    """Return what a response by TCP says of HTTP/3."""
    response = await proxy.request(path, host=host, ssl=client(), server_hostname=host)
    return response.headers.getall("alt-svc", [])


def conditions(proxy: Proxy, name: str = "listeners") -> dict[str, Any]:
    """Return the conditions of a ListenerPolicy at the Gateway."""
    (ancestor,) = proxy.status("ListenerPolicy", name)["ancestors"]
    return {each["type"]: each for each in ancestor["conditions"]}


async def refused(port: int, host: str = A, certificate: Path | None = None) -> bool:
    """Whether nothing answers a client of HTTP/3; a port without a socket answers with an error, or not at all."""
    try:
        async with asyncio.timeout(3):
            await ask(port, host, certificate=certificate)
    except (ConnectionError, TimeoutError):
        return True
    return False


async def test_requests_by_http3_have_the_routes_of_the_listener(proxy: Proxy) -> None:
    """Clients hear of HTTP/3 in every response, and by it get the same routes, with bodies both ways."""
    await proxy.apply(
        tls_secret("own", A),
        gateway(https(proxy, "own")),
        listener_policy(http3={}),
        route(rule("alpha", matches=[{"path": {"value": "/alpha"}}])),
    )
    told = [f'h3=":{proxy.port}"; ma=86400']
    assert await alt_svc(proxy, path="/alpha") == told
    assert await alt_svc(proxy, path="/missing") == told
    async with http3(proxy.port, A) as connection:
        found = await connection.request(A, "/alpha?x=1", method="POST", body=LONG)
        assert (found.backend, found.path, found.headers["alt-svc"]) == ("alpha", "/alpha?x=1", *told)
        assert found.sent("x-forwarded-proto") == ["https"]
        assert (await connection.request(A, "/missing")).status == 404
        many = await asyncio.gather(*(connection.request(A, f"/alpha/{each}") for each in range(50)))
        assert [each.path for each in many] == [f"/alpha/{each}" for each in range(50)]
    assert conditions(proxy)["Accepted"]["status"] == "True"


async def test_policies_of_routes_hold(proxy: Proxy) -> None:
    """What protects a route protects it by HTTP/3 too: nobody comes past it by another protocol."""
    await proxy.apply(
        tls_secret("own", A),
        gateway(https(proxy, "own")),
        listener_policy(http3={}),
        traffic_policy("gateway", acl={"defaultAction": "Deny"}),
        route(rule("alpha")),
    )
    assert (await ask(proxy.port, A)).status == 403


async def test_each_hostname_has_its_own_certificate_and_routes(proxy: Proxy) -> None:
    """Listeners with HTTP/3 are told apart by server name; a request for the host of another one gets 421."""
    await proxy.apply(
        tls_secret("one", "a.example.com"),
        tls_secret("wild", WILD),
        gateway(https(proxy, "one", "a.example.com"), https(proxy, "wild", WILD)),
        listener_policy(http3={}),
        route(rule("alpha"), name="one", section="one"),
        route(rule("beta"), name="wild", section="wild"),
    )
    assert (await ask(proxy.port, "a.example.com")).backend == "alpha"
    assert (await ask(proxy.port, "b.example.com")).backend == "beta"
    async with http3(proxy.port, "b.example.com") as connection:
        assert (await connection.request("a.example.com")).status == 421
    assert await refused(proxy.port, "other.org")


async def test_one_listener_of_a_port_speaks_it(proxy: Proxy) -> None:
    """Of two listeners of a port only that of the policy speaks HTTP/3, and no connection goes to the other by it."""
    await proxy.apply(
        tls_secret("one", "a.example.com"),
        tls_secret("wild", WILD),
        gateway(https(proxy, "one", "a.example.com"), https(proxy, "wild", WILD)),
        listener_policy(section="wild", http3={"advertisedPort": 443, "maxAge": "1500ms"}),
        route(rule("alpha"), name="one", section="one"),
        route(rule("beta"), name="wild", section="wild"),
    )
    assert (await ask(proxy.port, "b.example.com")).headers["alt-svc"] == 'h3=":443"; ma=2'
    assert await alt_svc(proxy, "a.example.com") == []
    assert (await ask(proxy.port, "a.example.com")).status == 421


@pytest.mark.parametrize("mode", ["Require", "Optional", "AllowInsecureFallback"])
async def test_certificates_of_clients_are_validated(proxy: Proxy, tmp_path: Path, mode: str) -> None:
    """Whoever is refused by TLS is refused by QUIC: without a certificate, or with one of another authority."""
    known, other = Authority("known"), Authority("other")
    validation = {"mode": mode, "caCertificateRefs": [{"name": "ca"}]}
    await proxy.apply(
        tls_secret("own", A),
        known.config_map("ca"),
        gateway(https(proxy, "own")),
        listener_policy(http3={}, clientCertificateValidation=validation),
        route(rule("alpha")),
    )
    files = (known.client_file(tmp_path), None, other.client_file(tmp_path))
    expected = {
        "Require": [True, False, False],
        "Optional": [True, True, False],
        "AllowInsecureFallback": [True, True, True],
    }
    assert [not await refused(proxy.port, certificate=each) for each in files] == expected[mode]


async def test_certificates_by_hashes_alone_exclude_it(proxy: Proxy, tmp_path: Path) -> None:
    """Where no authority says whose certificates are valid HTTP/3 is not served, with the reason; TLS goes on."""
    known = Authority("known")
    await proxy.apply(
        tls_secret("own", A),
        gateway(https(proxy, "own")),
        listener_policy(http3={}, clientCertificateValidation={"certificateHashes": ["ab" * 32]}),
        route(rule("alpha")),
    )
    assert await refused(proxy.port, certificate=known.client_file(tmp_path))
    assert any("caCertificateRefs, which HTTP/3 needs" in each["message"] for each in conditions(proxy).values())


async def test_a_gateways_own_validation_holds(proxy: Proxy, tmp_path: Path) -> None:
    """Certificates that `spec.tls.frontend` of the Gateway asks for are asked for by QUIC too."""
    known = Authority("known")
    made = gateway(https(proxy, "own"))
    references = [{"group": "", "kind": "ConfigMap", "name": "ca"}]
    made["spec"]["tls"] = {"frontend": {"default": {"validation": {"caCertificateRefs": references}}}}
    await proxy.apply(
        tls_secret("own", A), known.config_map("ca"), made, listener_policy(http3={}), route(rule("alpha"))
    )
    assert await refused(proxy.port)
    assert (await ask(proxy.port, A, certificate=known.client_file(tmp_path))).backend == "alpha"


@pytest.mark.parametrize(
    ("beside", "reason"),
    [
        ({"tls": {"maxVersion": "1.2"}}, "tls.maxVersion is 1.2, and HTTP/3 needs 1.3"),
        ({"proxyProtocol": {"allowRequestsWithoutProxyProtocol": True}}, "HTTP/3 has no PROXY header"),
    ],
)
async def test_it_is_not_spoken_beside_what_excludes_it(proxy: Proxy, beside: Manifest, reason: str) -> None:
    """Where another field excludes HTTP/3, no client hears of it, nothing listens, and the status says why."""
    await proxy.apply(
        tls_secret("own", A), gateway(https(proxy, "own")), listener_policy(http3={}, **beside), route(rule("alpha"))
    )
    assert await alt_svc(proxy) == []
    assert await refused(proxy.port)
    assert reason in str(conditions(proxy)), conditions(proxy)


async def test_a_listener_of_udp_has_the_port(proxy: Proxy) -> None:
    """Where a UDP listener has the port, HTTP/3 is not spoken; once that listener is gone, it is."""
    udp = {"name": "udp", "protocol": "UDP", "port": proxy.port}
    await proxy.apply(
        tls_secret("own", A), gateway(https(proxy, "own"), udp), listener_policy(http3={}), route(rule("alpha"))
    )
    assert await alt_svc(proxy) == []
    assert f"has the UDP port {proxy.port}" in str(conditions(proxy))
    await proxy.apply(gateway(https(proxy, "own")))
    assert (await ask(proxy.port, A)).backend == "alpha"
    await proxy.apply(gateway(https(proxy, "own"), udp))
    assert await alt_svc(proxy) == []


async def test_it_comes_and_goes_without_a_new_listener_of_tcp(proxy: Proxy) -> None:
    """Switching HTTP/3 on and off at a listener drains no connection of the other listeners of its port."""
    hosts = {"one": "a.example.com", "wild": WILD}
    await proxy.apply(
        *(tls_secret(name, host) for name, host in hosts.items()),
        gateway(*(https(proxy, name, host) for name, host in hosts.items())),
        listener_policy(section="wild", http3={"disable": {}}),
        *(route(rule("alpha"), name=name, section=name) for name in hosts),
        traffic_policy("gateway", headerModifiers={"request": {"set": [CLIENT_PORT]}}),
    )
    async with aiohttp.ClientSession() as connection:
        where: dict[str, Any] = {
            "host": hosts["one"],
            "ssl": client(),
            "server_hostname": hosts["one"],
            "http": connection,
        }
        used = (await proxy.request(**where)).sent("x-client-port")
        for spoken in (True, False, True):
            await proxy.apply(listener_policy(section="wild", http3={} if spoken else {"disable": {}}))
            response = await proxy.request(**where)
            assert "connection" not in response.headers
            assert response.sent("x-client-port") == used
    assert (await ask(proxy.port, "b.example.com")).backend == "alpha"


async def test_filters_of_listeners_run(proxy: Proxy, one: Processor) -> None:
    """Filters of a listener see requests of HTTP/3 before a route is chosen, and so does the header for clients."""
    one.decide = setting(tenant="red")
    listener = filtered(proxy.port, "one", listener="own", protocol="HTTPS")
    listener |= {"tls": {"certificateRefs": [{"name": "own"}]}}
    red = rule("beta", matches=[{"headers": [{"name": "x-tenant", "value": "red"}]}])
    await proxy.apply(tls_secret("own", A), gateway(listener), listener_policy(http3={}), route(red, rule("alpha")))
    assert await alt_svc(proxy) == [f'h3=":{proxy.port}"; ma=86400']
    found: Response = await ask(proxy.port, A, "/x")
    assert (found.backend, found.path) == ("beta", "/x")


async def test_connections_are_limited(proxy: Proxy) -> None:
    """The limit of connections holds by QUIC too."""
    await proxy.apply(
        tls_secret("own", A),
        gateway(https(proxy, "own")),
        listener_policy(http3={}, connectionLimit={"value": 1}),
        route(rule("alpha")),
    )
    async with http3(proxy.port, A) as connection:
        assert (await connection.request(A)).backend == "alpha"
        assert await refused(proxy.port)


async def test_plain_http_has_none(proxy: Proxy) -> None:
    """A listener of HTTP has no HTTP/3: the status says that the field has no effect there."""
    port = free_port()
    await proxy.apply(
        gateway({"name": "http", "protocol": "HTTP", "port": port}), listener_policy(http3={}), route(rule("alpha"))
    )
    assert "alt-svc" not in (await proxy.request(port=port)).headers
    assert "http3 has no effect" in str(conditions(proxy))
