"""How TLS is spoken to clients, by ListenerPolicies: versions, suites, curves, ALPN, sessions, fingerprints."""

from __future__ import annotations

import asyncio
import hashlib
import re
import shutil
import ssl
from typing import Any

import pytest

from tests.live.certificates import client, tls_secret
from tests.live.objects import Manifest, gateway, listener_policy, route, rule, traffic_policy
from tests.live.proxy import WITHIN, Proxy
from tests.live.test_https import https
from tests.live.test_tcp import backends as backends
from tests.live.test_tls import terminating, tls_route
from tests.live.tls_client import TlsClient
from tests.ports import free_port

A = "a.org"


async def begin(proxy: Proxy, **tls: Any) -> None:
    """Apply an HTTPS listener with a `tls` of its policy."""
    await proxy.apply(
        tls_secret("own", A), gateway(https(proxy, "own")), listener_policy(tls=tls), route(rule("alpha"))
    )


def of_version(version: ssl.TLSVersion, ciphers: str = "ALL:@SECLEVEL=0") -> ssl.SSLContext:
    """Return a client that speaks one version of TLS only, with whatever suites it has."""
    context = client()
    context.set_ciphers(ciphers)
    context.options &= ~(ssl.OP_NO_TLSv1 | ssl.OP_NO_TLSv1_1)
    context.minimum_version = context.maximum_version = version
    return context


async def spoken(proxy: Proxy, context: ssl.SSLContext) -> str:
    """Return the version that a client and the proxy agree on, "" if on none."""
    try:
        found = await TlsClient.connect(proxy.port, A, context)
    except OSError:
        return ""
    found.close()
    return found.tls.version() or ""


@pytest.mark.filterwarnings("ignore:ssl.TLSVersion:DeprecationWarning", "ignore:ssl.OP_NO:DeprecationWarning")
@pytest.mark.parametrize(
    ("tls", "versions"),
    [
        ({}, ["", "", "TLSv1.2", "TLSv1.3"]),
        ({"minVersion": "1.3"}, ["", "", "", "TLSv1.3"]),
        ({"maxVersion": "1.2"}, ["", "", "TLSv1.2", ""]),
        ({"maxVersion": "1.1", "cipherSuites": ["ECDHE-ECDSA-AES128-SHA"]}, ["", "TLSv1.1", "", ""]),
        (
            {"minVersion": "1.0", "cipherSuites": ["ECDHE-ECDSA-AES128-SHA"]},
            ["TLSv1", "TLSv1.1", "TLSv1.2", "TLSv1.3"],
        ),
    ],
)
async def test_versions(proxy: Proxy, tls: Manifest, versions: list[str]) -> None:
    """Handshakes end for the versions from `minVersion` to `maxVersion`, and for no others."""
    await begin(proxy, **tls)
    clients = (ssl.TLSVersion.TLSv1, ssl.TLSVersion.TLSv1_1, ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3)
    assert [await spoken(proxy, of_version(each)) for each in clients] == versions


async def test_cipher_suites(proxy: Proxy) -> None:
    """Below TLS 1.3, only suites of the policy are agreed on."""
    await begin(proxy, cipherSuites=["ECDHE-ECDSA-AES256-GCM-SHA384"])
    found = await TlsClient.connect(proxy.port, A, of_version(ssl.TLSVersion.TLSv1_2))
    assert found.tls.cipher() is not None
    assert found.tls.cipher()[0] == "ECDHE-ECDSA-AES256-GCM-SHA384"  # type: ignore[index]
    found.close()
    assert await spoken(proxy, of_version(ssl.TLSVersion.TLSv1_2, "ECDHE-ECDSA-AES128-GCM-SHA256")) == ""


async def openssl(proxy: Proxy, *arguments: str) -> str:
    """Return what a handshake of `openssl s_client` prints."""
    program = shutil.which("openssl")
    if program is None:
        pytest.skip("needs openssl")
    running = await asyncio.create_subprocess_exec(
        *(program, "s_client", "-connect", f"127.0.0.1:{proxy.port}", "-servername", A, *arguments),
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    return (await asyncio.wait_for(running.communicate(), WITHIN))[0].decode(errors="replace")


async def test_curves(proxy: Proxy) -> None:
    """Keys are exchanged by the groups of the policy: a client without one of them is refused."""
    await begin(proxy, ecdhCurves=["P-384", "P-256"])
    assert "ECDH, prime256v1" in await openssl(proxy, "-groups", "X25519:P-256")
    assert "ECDH, secp384r1" in await openssl(proxy, "-groups", "P-384:P-256")
    assert "alert handshake failure" in await openssl(proxy, "-groups", "X25519")


async def test_signature_algorithms(proxy: Proxy) -> None:
    """Handshakes are signed by an algorithm of the policy, or not at all."""
    await begin(proxy, signatureAlgorithms=["ecdsa_secp256r1_sha256"])
    assert "Peer signature type: ECDSA" in await openssl(proxy)
    await begin(proxy, signatureAlgorithms=["rsa_pss_rsae_sha256"])
    assert "alert handshake failure" in await openssl(proxy)


async def test_alpn(proxy: Proxy) -> None:
    """Only protocols of `alpnProtocols` are agreed on; without any, HTTP/1.1 is spoken to clients that ask for h2."""

    async def agreed() -> str | None:
        found = await TlsClient.connect(proxy.port, A, client("h2", "http/1.1"))
        found.close()
        return found.tls.selected_alpn_protocol()

    await begin(proxy)
    assert await agreed() == "h2"
    await begin(proxy, alpnProtocols=["http/1.1"])
    assert await agreed() == "http/1.1"
    await begin(proxy, alpnProtocols=[])
    assert await agreed() is None
    assert (await proxy.request(host=A, ssl=client("http/1.1"), server_hostname=A)).backend == "alpha"


async def test_forwarded_connections_have_alpn(proxy: Proxy, backends: list[Manifest]) -> None:
    """A listener of TLS that terminates it agrees on whatever protocols its policy names."""
    port = free_port()
    policy = listener_policy(tls={"alpnProtocols": ["mqtt"], "minVersion": "1.3"})
    await proxy.apply(
        tls_secret("own", A), gateway(terminating(port, "own")), backends, policy, tls_route("route", A, one=1)
    )
    found = await TlsClient.connect(port, A, client("mqtt"))
    assert found.tls.selected_alpn_protocol() == "mqtt"
    await found.write(b"hello")
    await found.end()
    assert await found.read(9) == b"one:hello"
    found.close()


async def resumed(proxy: Proxy, *options: str) -> list[bool]:
    """Return of further handshakes of one client whether each took up the first one's session."""
    found = await openssl(proxy, "-reconnect", *options)
    return [kind == "Reused" for kind in re.findall(r"^(New|Reused), TLS", found, re.MULTILINE)][1:]


async def test_sessions_are_taken_up(proxy: Proxy) -> None:
    """Clients take up sessions by tickets and by what the proxy remembers, unless the policy takes a way away."""
    by_ticket, by_memory = ("-tls1_2",), ("-tls1_2", "-no_ticket")
    for resumption, expected in (
        ({}, (True, True)),
        ({"stateless": False}, (True, True)),  # without tickets the proxy remembers
        ({"stateful": False}, (True, False)),
        ({"stateless": False, "stateful": False}, (False, False)),
    ):
        await begin(proxy, sessionResumption=resumption)
        found = [await resumed(proxy, *each) for each in (by_ticket, by_memory)]
        assert tuple(all(each) for each in found) == expected, resumption
        assert all(found)


async def test_fingerprints(proxy: Proxy) -> None:
    """Headers get the fingerprints that the policy asks for: equal ones of equal clients, others of others."""
    names = {"x-ja3": "%TLS_JA3_FINGERPRINT%", "x-ja4": "%TLS_JA4_FINGERPRINT%"}
    headers = [{"name": name, "value": value, "format": True} for name, value in names.items()]
    await proxy.apply(traffic_policy("gateway", headerModifiers={"request": {"set": headers}}))

    async def fingerprints(context: ssl.SSLContext) -> list[list[str]]:
        found = await proxy.request(host=A, ssl=context, server_hostname=A)
        return [found.sent(each) for each in names]

    await begin(proxy)
    assert [[each for each in values if each not in ("", "-")] for values in await fingerprints(client())] == [[], []]
    await begin(proxy, fingerprints=["JA3", "JA4"])
    (ja3,), (ja4,) = await fingerprints(client("http/1.1"))
    assert re.fullmatch(f"[0-9a-f]{{{2 * hashlib.md5().digest_size}}}", ja3)
    assert re.fullmatch(r"t13d\d{4}h1_[0-9a-f]{12}_[0-9a-f]{12}", ja4)
    assert await fingerprints(client("http/1.1")) == [[ja3], [ja4]]
    (other,), (older,) = await fingerprints(of_version(ssl.TLSVersion.TLSv1_2))
    assert other != ja3
    assert older.startswith("t12d")


async def test_a_policy_that_never_was_valid_closes(proxy: Proxy) -> None:
    """Where versions of two policies exclude each other, nobody is served by what is left, and the status says so."""
    await proxy.apply(
        tls_secret("own", A),
        gateway(https(proxy, "own")),
        listener_policy(name="wide", tls={"minVersion": "1.3"}),
        listener_policy(name="own", section="own", tls={"maxVersion": "1.2"}),
        route(rule("alpha")),
    )
    clients = (of_version(ssl.TLSVersion.TLSv1_2), of_version(ssl.TLSVersion.TLSv1_3))
    assert [await spoken(proxy, each) for each in clients] == ["", ""]
    (ancestor,) = proxy.status("ListenerPolicy", "own")["ancestors"]
    accepted = next(each for each in ancestor["conditions"] if each["type"] == "Accepted")
    assert accepted["status"] == "False"
    assert "tls.maxVersion must not be lower than minVersion" in accepted["message"]
