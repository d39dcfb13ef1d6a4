"""Validation of client certificates by HTTPS listeners, with real clients."""

from __future__ import annotations

import ssl
from pathlib import Path

import aiohttp
import pytest

from tests.live.certificates import Authority, client, tls_secret
from tests.live.objects import Manifest, gateway, route, rule
from tests.live.proxy import Proxy
from tests.live.test_https import https
from tests.ports import free_port
from translator.refs import Ref

REFUSED = (ssl.SSLError, ConnectionError, aiohttp.ClientError)


def validation(*config_maps: str, mode: str = "AllowValidOnly") -> Manifest:
    """Return the validation of client certificates with the CA certificates of ConfigMaps."""
    references = [{"group": "", "kind": "ConfigMap", "name": each} for each in config_maps]
    return {"validation": {"caCertificateRefs": references, "mode": mode}}


def validating(default: Manifest, *listeners: Manifest, ports: dict[int, Manifest] | None = None) -> Manifest:
    """Return the Gateway with these listeners, which validates client certificates."""
    made = gateway(*listeners)
    frontend: Manifest = {"default": default}
    if ports:
        frontend["perPort"] = [{"port": port, "tls": tls} for port, tls in ports.items()]
    made["spec"]["tls"] = {"frontend": frontend}
    return made


async def served(proxy: Proxy, context: ssl.SSLContext, port: int = 0) -> bool:
    """Whether a client gets its request answered by the backend; if not, the connection is refused."""
    try:
        response = await proxy.request(ssl=context, server_hostname="a.org", host="a.org", port=port or proxy.port)
    except REFUSED:
        return False
    assert response.backend == "alpha"
    return True


async def test_only_valid_certificates_are_let_in(proxy: Proxy, tmp_path: Path) -> None:
    """A client with a certificate of one of the authorities is served; any other client is refused."""
    one, two, other = Authority("one"), Authority("two"), Authority("other")
    await proxy.apply(
        tls_secret("own", "a.org"),
        one.config_map("one"),
        two.config_map("two"),
        validating(validation("one", "two"), https(proxy, "own")),
        route(rule("alpha")),
    )
    assert [await served(proxy, each.client(tmp_path)) for each in (one, two, other)] == [True, True, False]
    assert not await served(proxy, client())


async def test_an_authority_is_rotated(proxy: Proxy, tmp_path: Path) -> None:
    """A renewed ConfigMap counts for new connections at once, and no listener is replaced."""
    old, new = Authority("old"), Authority("new")
    objects = [tls_secret("own", "a.org"), validating(validation("ca"), https(proxy, "own")), route(rule("alpha"))]
    await proxy.apply(*objects, old.config_map("ca"))
    clients = [old.client(tmp_path), new.client(tmp_path)]
    listeners = await proxy.admin("/stats?filter=listener_modified|listener_added")
    for authorities, expected in (
        ((old,), [True, False]),
        ((old, new), [True, True]),
        ((new,), [False, True]),
    ):
        await proxy.apply(authorities[0].config_map("ca", *authorities[1:]))
        assert [await served(proxy, each) for each in clients] == expected
    assert await proxy.admin("/stats?filter=listener_modified|listener_added") == listeners


async def test_the_insecure_fallback_lets_everybody_in(proxy: Proxy, tmp_path: Path) -> None:
    """With AllowInsecureFallback clients are asked for a certificate, and served with any, or without one."""
    known, unknown = Authority("known"), Authority("unknown")
    await proxy.apply(
        tls_secret("own", "a.org"),
        known.config_map("ca"),
        validating(validation("ca", mode="AllowInsecureFallback"), https(proxy, "own")),
        route(rule("alpha")),
    )
    for context in (known.client(tmp_path), unknown.client(tmp_path), client()):
        assert await served(proxy, context)


async def test_a_port_overrides_the_default(proxy: Proxy, tmp_path: Path) -> None:
    """Each port has the authorities that its entry names, and a port whose entry asks for nothing takes all clients."""
    default, special = Authority("default"), Authority("special")
    strict, lax = free_port(), free_port()
    listeners = [https(proxy, "own"), {**https(proxy, "own"), "name": "strict", "port": strict}]
    listeners.append({**https(proxy, "own"), "name": "lax", "port": lax})
    await proxy.apply(
        tls_secret("own", "a.org"),
        default.config_map("default"),
        special.config_map("special"),
        validating(validation("default"), *listeners, ports={strict: validation("special"), lax: {}}),
        route(rule("alpha")),
    )
    clients = [default.client(tmp_path), special.client(tmp_path), client()]
    found = {port: [await served(proxy, each, port) for each in clients] for port in (proxy.port, strict, lax)}
    assert found == {proxy.port: [True, False, False], strict: [False, True, False], lax: [True, True, True]}


@pytest.mark.parametrize("mode", ["AllowValidOnly", "AllowInsecureFallback"])
async def test_without_an_authority_nobody_is_let_in(proxy: Proxy, tmp_path: Path, mode: str) -> None:
    """An HTTPS listener whose ConfigMap goes refuses all clients until it is back; an HTTP listener goes on."""
    authority, plain = Authority("ca"), free_port()
    http = {"name": "http", "protocol": "HTTP", "port": plain}
    await proxy.apply(
        tls_secret("own", "a.org"),
        authority.config_map("ca"),
        validating(validation("ca", mode=mode), https(proxy, "own"), http),
        route(rule("alpha")),
    )
    known = authority.client(tmp_path)
    assert await served(proxy, known)
    await proxy.delete(Ref("ConfigMap", "default", "ca"))
    assert [await served(proxy, each) for each in (known, client())] == [False, False]
    assert (await proxy.request(port=plain)).backend == "alpha"
    await proxy.apply(authority.config_map("ca"))
    assert await served(proxy, known)


async def test_a_client_cannot_name_a_certificate(proxy: Proxy, tmp_path: Path) -> None:
    """The header by which proxies tell backends of client certificates is not taken from clients."""
    authority = Authority("ca")
    await proxy.apply(
        tls_secret("own", "a.org"),
        authority.config_map("ca"),
        validating(validation("ca"), https(proxy, "own")),
        route(rule("alpha")),
    )
    headers = {"x-forwarded-client-cert": "Subject=admin"}
    response = await proxy.request(headers=headers, ssl=authority.client(tmp_path), server_hostname="a.org")
    assert response.sent("x-forwarded-client-cert") == []
