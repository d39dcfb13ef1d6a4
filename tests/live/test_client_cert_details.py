"""The header X-Forwarded-Client-Cert: what backends are told of the certificate of a client."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.live.certificates import Authority, client, tls_secret
from tests.live.listener_policies import apply
from tests.live.objects import Manifest, gateway, listener_policy, route, rule
from tests.live.processor import Processor
from tests.live.proxy import Proxy
from tests.live.test_client_certificates import validating, validation
from tests.live.test_https import https
from tests.live.test_listener_filters import filtered

HEADER = "x-forwarded-client-cert"
FORGED = 'Hash=00;Subject="CN=admin"'
ALL = {"subject": True, "cert": True, "chain": True, "dns": True, "uri": True}


async def told(proxy: Proxy, **options: Any) -> list[str]:
    """Return what the backend gets of a request with a forged header."""
    headers = {HEADER: FORGED}
    return (await proxy.request(host="a.org", headers=headers, server_hostname="a.org", **options)).sent(HEADER)


async def serve(proxy: Proxy, authority: Authority, details: Manifest | None) -> None:
    """Serve clients with certificates of an authority, and others."""
    settings = {"forwardClientCertDetails": details} if details is not None else {}
    await apply(
        proxy,
        tls_secret("own", "a.org"),
        authority.config_map("ca"),
        validating(validation("ca", mode="AllowInsecureFallback"), https(proxy, "own")),
        listener_policy(httpSettings=settings),
        route(rule("alpha")),
    )


@pytest.mark.parametrize(
    ("mode", "with_certificate", "without"),
    [
        (None, [], []),
        ("Sanitize", [], []),
        ("ForwardOnly", [FORGED], []),
        ("AlwaysForwardOnly", [FORGED], [FORGED]),
    ],
)
async def test_modes_that_write_nothing(
    proxy: Proxy, tmp_path: Path, mode: str | None, with_certificate: list[str], without: list[str]
) -> None:
    """By default nobody is told anything; what clients send passes only if that is asked for."""
    authority = Authority("one")
    await serve(proxy, authority, {"mode": mode} if mode else None)
    assert await told(proxy, ssl=authority.client(tmp_path)) == with_certificate
    assert await told(proxy, ssl=client()) == without


async def test_the_certificate_of_the_connection(proxy: Proxy, tmp_path: Path) -> None:
    """SanitizeSet puts the certificate of the connection in place of what a client sends; without one there is none."""
    authority = Authority("one")
    await serve(proxy, authority, {"mode": "SanitizeSet", "details": ALL})
    (found,) = await told(proxy, ssl=authority.client(tmp_path))
    assert "admin" not in found
    for part in ("Hash=", "Subject=", "Cert=", "Chain="):
        assert part in found
    assert await told(proxy, ssl=client()) == []
    await serve(proxy, authority, {"mode": "AppendForward"})
    (found,) = await told(proxy, ssl=authority.client(tmp_path))
    assert found.startswith(FORGED)
    assert 'Subject="CN=admin"' in found
    assert found.count("Hash=") == 2
    assert await told(proxy, ssl=client()) == []


async def test_behind_filters_of_the_listener(proxy: Proxy, one: Processor) -> None:
    """Behind a listener with filters the same holds, which has two connection managers one after the other."""
    for mode, expected in (("AlwaysForwardOnly", [FORGED]), ("ForwardOnly", []), ("SanitizeSet", [])):
        settings = {"forwardClientCertDetails": {"mode": mode}}
        await apply(
            proxy, gateway(filtered(proxy.port, "one")), listener_policy(httpSettings=settings), route(rule("alpha"))
        )
        assert (await proxy.request(headers={HEADER: FORGED})).sent(HEADER) == expected
