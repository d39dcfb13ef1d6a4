"""HTTPS: certificates by server name, misdirected requests, and certificates that change."""

from __future__ import annotations

import asyncio
import ssl
from typing import Any

import aiohttp
import pytest

from tests.live.certificates import client, serial, shown, tls_secret
from tests.live.http2 import statuses
from tests.live.objects import Manifest, gateway, route, rule
from tests.live.proxy import Proxy


def https(proxy: Proxy, name: str, hostname: str = "", *secrets: str) -> Manifest:
    """Return an HTTPS listener on the proxy's port; its certificate is in the Secret of its name by default."""
    references = [{"name": each} for each in secrets or (name,)]
    found: Manifest = {"name": name, "protocol": "HTTPS", "port": proxy.port, "tls": {"certificateRefs": references}}
    return {**found, "hostname": hostname} if hostname else found


async def handshake(proxy: Proxy, name: str, *protocols: str) -> ssl.SSLObject:
    """Connect for a server name; gives the finished handshake."""
    _, writer = await asyncio.open_connection("127.0.0.1", proxy.port, ssl=client(*protocols), server_hostname=name)
    found: ssl.SSLObject = writer.get_extra_info("ssl_object")
    writer.close()
    return found


async def ask(proxy: Proxy, name: str, host: str) -> str | int:
    """Who answers a request for a host on a connection for a server name: the backend, else the status."""
    response = await proxy.request(host=host, ssl=client(), server_hostname=name)
    return response.backend if response.status == 200 else response.status


async def test_each_listener_shows_its_own_certificate(proxy: Proxy) -> None:
    """The listener with the most specific hostname for the server name answers, with its certificate and routes."""
    hosts = {"any": "", "wild": "*.example.com", "exact": "a.example.com"}
    secrets = {name: tls_secret(name, hostname or "any.org") for name, hostname in hosts.items()}
    backends = {"any": "alpha", "wild": "beta", "exact": "gamma"}
    await proxy.apply(
        list(secrets.values()),
        gateway(*(https(proxy, name, hostname) for name, hostname in hosts.items())),
        *(route(rule(backends[each]), name=each, section=each) for each in hosts),
    )
    names = {"a.example.com": "exact", "b.example.com": "wild", "c.b.example.com": "wild", "other.org": "any"}
    for name, owner in names.items():
        assert shown(await handshake(proxy, name)) == serial(secrets[owner])
        assert await ask(proxy, name, name) == backends[owner]


async def test_http_2_is_offered(proxy: Proxy) -> None:
    """Clients that know HTTP/2 get it, others HTTP/1.1."""
    await proxy.apply(tls_secret("own", "a.org"), gateway(https(proxy, "own")), route(rule("alpha")))
    assert (await handshake(proxy, "a.org", "h2", "http/1.1")).selected_alpn_protocol() == "h2"
    assert (await handshake(proxy, "a.org", "http/1.1")).selected_alpn_protocol() == "http/1.1"


async def test_a_server_name_that_no_listener_has_is_refused(proxy: Proxy) -> None:
    """Without a listener for any host, a connection for an unknown server name fails in its handshake."""
    await proxy.apply(tls_secret("own", "a.org"), gateway(https(proxy, "own", "a.org")), route(rule("alpha")))
    with pytest.raises((ssl.SSLError, ConnectionError)):
        await handshake(proxy, "b.org")
    assert await ask(proxy, "a.org", "a.org") == "alpha"


# The server name, the host asked for, and who answers.
MISDIRECTED = [
    ("example.org", "example.org", "alpha"),
    ("example.org", "second-example.org", 421),
    ("example.org", "unknown-example.org", 404),
    ("second-example.org", "second-example.org", "beta"),
    ("second-example.org", "second-example.org:8443", "beta"),
    ("second-example.org", "example.org", 421),
    ("second-example.org", "unknown-example.org", 421),
    ("third-example.wildcard.org", "third-example.wildcard.org", "gamma"),
    ("third-example.wildcard.org", "fifth-example.wildcard.org", "gamma"),
    ("third-example.wildcard.org", "fourth-example.wildcard.org", 421),
    ("third-example.wildcard.org", "second-example.org", 421),
    ("third-example.wildcard.org", "unknown-example.org", 421),
    ("fourth-example.wildcard.org", "fourth-example.wildcard.org", "alpha"),
    ("fourth-example.wildcard.org", "fifth-example.wildcard.org", 421),
    ("unknown-example.org", "example.org", "alpha"),
    ("unknown-example.org", "unknown-example.org", 404),
]


async def test_misdirected_requests_are_sent_back(proxy: Proxy) -> None:
    """A host of another listener than the one of the server name gets 421, so that clients open another connection."""
    names = {"one": "", "two": "second-example.org", "three": "*.wildcard.org", "four": "fourth-example.wildcard.org"}
    await proxy.apply(
        tls_secret("all", "example.org"),
        gateway(*(https(proxy, name, hostname, "all") for name, hostname in names.items())),
        route(rule("alpha"), name="one", section="one", hostnames=["example.org"]),
        route(rule("beta"), name="two", section="two", hostnames=["second-example.org"]),
        route(rule("gamma"), name="three", section="three", hostnames=["*.wildcard.org"]),
        route(rule("alpha"), name="four", section="four", hostnames=["fourth-example.wildcard.org"]),
    )
    found = [(name, host, await ask(proxy, name, host)) for name, host, _ in MISDIRECTED]
    assert found == MISDIRECTED


async def test_a_host_that_no_listener_has_is_not_found(proxy: Proxy) -> None:
    """Where no other listener would serve the host either, another connection would not help: 404."""
    await proxy.apply(
        tls_secret("all", "a.org"),
        gateway(https(proxy, "a", "a.org", "all"), https(proxy, "b", "*.b.org", "all")),
        route(rule("alpha")),
    )
    expected = [("a.org", "alpha"), ("x.b.org", 421), ("unknown.org", 404), ("b.org", 404)]
    assert [(host, await ask(proxy, "a.org", host)) for host, _ in expected] == expected


async def test_one_connection_is_told_per_request(proxy: Proxy) -> None:
    """On one connection that is kept, each request is judged by its own Host, and 421 does not end it."""
    await proxy.apply(
        tls_secret("all", "a.org"),
        gateway(https(proxy, "a", "a.org", "all"), https(proxy, "b", "b.org", "all")),
        route(rule("alpha")),
    )
    opened = 0

    async def count(*_: object) -> None:
        nonlocal opened
        opened += 1

    trace = aiohttp.TraceConfig()
    trace.on_connection_create_end.append(count)
    async with aiohttp.ClientSession(trace_configs=[trace]) as http:
        options: dict[str, Any] = {"http": http, "ssl": client(), "server_hostname": "a.org"}
        found = [(await proxy.request(host=host, **options)).status for host in ("a.org", "b.org", "a.org")]
    assert (found, opened) == ([200, 421, 200], 1)


async def test_browsers_that_reuse_a_connection_are_told_so(proxy: Proxy) -> None:
    """The same over HTTP/2, whose clients ask one connection for every host that its certificate is good for."""
    await proxy.apply(
        tls_secret("all", "*.a.org"),
        gateway(https(proxy, "any", "*.a.org", "all"), https(proxy, "own", "own.a.org", "all")),
        route(rule("alpha"), hostnames=["x.a.org", "own.a.org"]),
    )
    hosts = ("x.a.org", "own.a.org", "y.a.org", "x.a.org:8443")
    assert await statuses(proxy.port, client("h2"), "x.a.org", *hosts) == [200, 421, 404, 200]


async def test_a_certificate_is_renewed_without_a_broken_request(proxy: Proxy) -> None:
    """New connections get the new certificate at once, open ones go on with the old; no request fails meanwhile."""
    old, new = tls_secret("own", "a.org"), tls_secret("own", "a.org")
    await proxy.apply(old, gateway(https(proxy, "own")), route(rule("alpha")))
    stop = asyncio.Event()

    async def keep_asking(**options: Any) -> int:
        count = 0
        while not stop.is_set():
            response = await proxy.request(ssl=context, **options)
            assert response.backend == "alpha"
            count += 1
        return count

    context = client()
    reader, writer = await asyncio.open_connection("127.0.0.1", proxy.port, ssl=context, server_hostname="a.org")
    async with aiohttp.ClientSession() as kept, asyncio.TaskGroup() as group:
        asking = [group.create_task(keep_asking()), group.create_task(keep_asking(http=kept))]
        for secret in (new, old, new):
            await proxy.apply(secret)
            assert shown(await handshake(proxy, "a.org")) == serial(secret)
        stop.set()
    assert all(each.result() for each in asking)
    writer.write(b"GET / HTTP/1.1\r\nHost: a.org\r\nConnection: close\r\n\r\n")
    assert (await reader.read()).startswith(b"HTTP/1.1 200")
    assert shown(writer.get_extra_info("ssl_object")) == serial(old)
    writer.close()


async def test_several_certificates_of_a_listener(proxy: Proxy) -> None:
    """A listener may have several certificates; the server name picks the one that is made for it."""
    secrets = [tls_secret("one", "a.org"), tls_secret("two", "b.org")]
    await proxy.apply(secrets, gateway(https(proxy, "https", "", "one", "two")), route(rule("alpha")))
    for name, secret in zip(("a.org", "b.org"), secrets, strict=True):
        assert shown(await handshake(proxy, name)) == serial(secret)


async def test_a_broken_certificate_costs_its_listener_only(proxy: Proxy) -> None:
    """A listener whose certificate is missing refuses connections; the others of its port, and other ports, go on."""
    await proxy.apply(
        tls_secret("good", "a.org"),
        gateway(https(proxy, "good", "a.org"), https(proxy, "missing", "b.org")),
        route(rule("alpha")),
    )
    assert await ask(proxy, "a.org", "a.org") == "alpha"
    with pytest.raises((ssl.SSLError, ConnectionError)):
        await handshake(proxy, "b.org")
    await proxy.apply(tls_secret("missing", "b.org"))
    assert await ask(proxy, "b.org", "b.org") == "alpha"


async def test_of_many_listeners_one_has_a_certificate_that_envoy_refuses(proxy: Proxy) -> None:
    """Exactly that listener is not programmed, and says why; all others of the port serve."""
    names = [f"l{number}" for number in range(43)]
    secrets = {name: tls_secret(name, f"{name}.org") for name in names}
    data = secrets["l7"]["stringData"]
    data["tls.crt"] = data["tls.crt"].rstrip() + data["tls.crt"]  # a chain without a line break in between
    listeners = [https(proxy, name, f"{name}.org") for name in names]
    await proxy.apply(list(secrets.values()), gateway(*listeners), route(rule("alpha")))
    found = {each["name"]: each["conditions"] for each in proxy.status("Gateway", "live")["listeners"]}
    programmed = {name: [each["status"] for each in found[name] if each["type"] == "Programmed"] for name in names}
    assert [name for name in names if programmed[name] != ["True"]] == ["l7"]
    [resolved] = [each for each in found["l7"] if each["type"] == "ResolvedRefs"]
    assert (resolved["status"], resolved["reason"]) == ("False", "InvalidCertificateRef")
    assert "Secret default/l7: tls.crt is not a certificate in PEM form" in resolved["message"]
    for name in ("l0", "l6", "l8", "l42"):
        assert await ask(proxy, f"{name}.org", f"{name}.org") == "alpha"
    with pytest.raises((ssl.SSLError, ConnectionError)):
        await handshake(proxy, "l7.org")


async def test_backends_are_told_of_https(proxy: Proxy) -> None:
    """The backend learns the scheme that the client used."""
    await proxy.apply(tls_secret("own", "a.org"), gateway(https(proxy, "own")), route(rule("alpha")))
    response = await proxy.request(ssl=client(), server_hostname="a.org")
    assert response.sent("x-forwarded-proto") == ["https"]
