"""Authorisation by who makes a request: addresses, and certificates of clients."""

from __future__ import annotations

import asyncio
import ssl
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509

from tests.live.certificates import Authority, client, tls_secret
from tests.live.clients import client_at
from tests.live.objects import Manifest, route, rule, traffic_policy
from tests.live.proxy import Proxy
from tests.live.test_client_certificates import validating, validation
from tests.live.test_https import https

GOOD = "spiffe://cluster.local/ns/shop/sa/cart"
Names = tuple[x509.GeneralName, ...]


def allowing(**principal: Any) -> Manifest:
    """Return a policy that allows who is meant, and nobody else."""
    return traffic_policy("gateway", rbac={"rules": [{"action": "Allow", "principal": principal}]})


def denying(**principal: Any) -> Manifest:
    """Return a policy that allows all but who is meant."""
    rules = [{"action": "Deny", "principal": principal}]
    return traffic_policy("gateway", rbac={"rules": rules, "defaultAction": "Allow"})


async def test_addresses(proxy: Proxy) -> None:
    """A rule for ranges of addresses looks at the connection, and at no header."""
    for make, inside, outside in ((allowing, 200, 403), (denying, 403, 200)):
        await proxy.apply(make(clientCIDRs=["127.0.0.2/31", "::1", "127.1.0.0/16"]), route(rule("alpha")))
        for address in ("127.0.0.2", "127.0.0.3", "127.1.2.3", "127.0.0.1", "127.2.0.1"):
            expected = inside if address in ("127.0.0.2", "127.0.0.3", "127.1.2.3") else outside
            async with client_at(address) as http:
                for headers in ({}, {"X-Forwarded-For": "127.0.0.2"}, {"X-Forwarded-For": "10.0.0.1, 127.2.0.1"}):
                    assert (await proxy.request(http=http, headers=headers)).status == expected, address


async def status(proxy: Proxy, context: ssl.SSLContext) -> int:
    """Return the status of the response to a request by TLS."""
    return (await proxy.request(ssl=context, server_hostname="a.org", host="a.org")).status


def uri(*values: str) -> Names:
    """Return URIs, as names of a certificate."""
    return tuple(x509.UniformResourceIdentifier(each) for each in values)


def dns(*values: str) -> Names:
    """Return DNS names, as names of a certificate."""
    return tuple(x509.DNSName(each) for each in values)


@pytest.mark.parametrize("mode", ["AllowValidOnly", "AllowInsecureFallback"])
async def test_certificates(proxy: Proxy, tmp_path: Path, mode: str) -> None:
    """A certificate counts if it is valid, and one of its names is exactly one of those of the rule."""
    trusted, other = Authority("trusted"), Authority("other")
    lets_in = mode == "AllowInsecureFallback"
    await proxy.apply(
        tls_secret("own", "a.org"),
        trusted.config_map("ca"),
        validating(validation("ca", mode=mode), https(proxy, "own")),
        route(rule("alpha")),
        allowing(mtls={"sans": [GOOD, "cart.shop.example"]}),
    )
    good: tuple[Names, ...] = (uri(GOOD), dns("cart.shop.example"), uri("spiffe://x", GOOD), (*dns("a"), *uri(GOOD)))
    bad: tuple[Names, ...] = ((), uri(f"{GOOD}x"), uri(f"spiffe://x,{GOOD}"), dns("a,cart.shop.example"))
    for names in good:
        assert await status(proxy, trusted.client(tmp_path, names=names)) == 200, names
    for names in bad:
        assert await status(proxy, trusted.client(tmp_path, names=names)) == 403, names
    if lets_in:
        assert await status(proxy, other.client(tmp_path, names=uri(GOOD))) == 403
        assert await status(proxy, client()) == 403
    await proxy.apply(allowing(mtls={}))
    assert await status(proxy, trusted.client(tmp_path)) == 200
    if lets_in:
        assert await status(proxy, other.client(tmp_path)) == 403
        assert await status(proxy, client()) == 403
    await proxy.apply(denying(mtls={"sans": [GOOD]}))
    assert await status(proxy, trusted.client(tmp_path, names=uri("spiffe://x", GOOD))) == 403
    assert await status(proxy, trusted.client(tmp_path)) == 200


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
async def test_a_client_that_comes_back(proxy: Proxy, tmp_path: Path, version: ssl.TLSVersion) -> None:
    """A client that connects again is known by its certificate again, and none by a session of TLS alone."""
    authority = Authority("trusted")
    await proxy.apply(
        tls_secret("own", "a.org"),
        authority.config_map("ca"),
        validating(validation("ca"), https(proxy, "own")),
        route(rule("alpha")),
        allowing(mtls={"sans": [GOOD]}),
    )
    context = authority.client(tmp_path, names=uri(GOOD))
    context.minimum_version = context.maximum_version = version
    loop = asyncio.get_running_loop()
    found = await loop.run_in_executor(None, _twice, context, proxy.port)
    assert found == [b"HTTP/1.1 200", b"HTTP/1.1 200"]


def _twice(context: ssl.SSLContext, port: int) -> list[bytes]:
    """Return the beginnings of the responses on two connections, the second with the session of the first."""
    import socket

    answers, session = [], None
    for _ in range(2):
        with (
            socket.create_connection(("127.0.0.1", port)) as plain,
            context.wrap_socket(plain, server_hostname="a.org", session=session) as found,
        ):
            found.sendall(b"GET / HTTP/1.1\r\nHost: a.org\r\n\r\n")
            answers.append(found.recv(12))
            session = found.session
    return answers
