"""Certificates that a Gateway presents to its backends (`spec.tls.backend`), with backends that ask for one."""

from __future__ import annotations

import functools
import ssl
from pathlib import Path

from tests.live.backend_tls import AskingBackend, asking_backend, authorities, policy, presenting
from tests.live.certificates import Authority, serial
from tests.live.objects import Manifest, endpoints, route, rule, service
from tests.live.proxy import Proxy
from tests.live.traffic import traffic
from translator.refs import Ref


def objects(backend: AskingBackend) -> list[Manifest]:
    """Return a backend's Service, with a policy, and a route to it."""
    return [
        service("tls"),
        *endpoints("tls", [backend.upstream.port]),
        route(rule("tls")),
        authorities(backend.certificate),
        policy(),
    ]


def resolved(proxy: Proxy) -> tuple[str, str]:
    """Return status and reason of the Gateway's ResolvedRefs."""
    (found,) = (each for each in proxy.status("Gateway", "live")["conditions"] if each["type"] == "ResolvedRefs")
    return found["status"], found["reason"]


async def test_a_backend_asks_for_a_certificate(proxy: Proxy, tmp_path: Path) -> None:
    """It gets the Gateway's; without one, or with one of an authority that it does not trust, it refuses."""
    clients, others = Authority("clients"), Authority("others")
    async with asking_backend(tmp_path, ssl.CERT_REQUIRED) as backend:
        backend.trust(clients)
        await proxy.apply(*objects(backend))
        assert (await proxy.request()).status == 503
        secret = clients.client_secret("client")
        await proxy.apply(secret, presenting(proxy))
        assert (await proxy.request()).backend == "tls"
        assert backend.presented == [serial(secret)]
        assert resolved(proxy) == ("True", "ResolvedRefs")
        await proxy.apply(others.client_secret("client"))
        assert (await proxy.request()).status == 503
        await proxy.delete(Ref("Secret", "default", "client"))
        assert (await proxy.request()).status == 503
        assert resolved(proxy) == ("False", "InvalidClientCertificateRef")
        assert len(backend.presented) == 1


async def test_certificates_are_renewed_under_load(proxy: Proxy, tmp_path: Path) -> None:
    """No request fails while the certificate is replaced by one of another authority, and that by others."""
    old = Authority("authority 0")
    async with asking_backend(tmp_path, ssl.CERT_REQUIRED) as backend:
        backend.trust(old)
        await proxy.apply(*objects(backend), old.client_secret("client"), presenting(proxy))
        before = await proxy.admin("/stats?filter=cluster_manager.cluster_(added|modified)|listener_modified")

        def presented(number: int) -> bool:
            return backend.presented[-20:].count(number) == 20

        async with traffic(proxy, kept=False, first=0) as seen:
            for number in range(1, 5):
                new = Authority(f"authority {number}")
                backend.trust(new)
                secret = new.client_secret("client")
                await proxy.apply(secret)
                await seen.until(functools.partial(presented, serial(secret)), within=20)
        assert set(seen.answers) == {"tls"}
        assert seen.count >= 80
        assert None not in backend.presented
        after = await proxy.admin("/stats?filter=cluster_manager.cluster_(added|modified)|listener_modified")
        assert after == before


async def test_the_reference_changes_under_load(proxy: Proxy, tmp_path: Path) -> None:
    """Nor does one while the Gateway gets a certificate, another Secret's, and none."""
    clients = Authority("clients")
    async with asking_backend(tmp_path, ssl.CERT_OPTIONAL) as backend:
        backend.trust(clients)
        backend.upstream.raw = None
        secrets = [clients.client_secret(name) for name in ("one", "two")]
        await proxy.apply(*objects(backend), *secrets)
        async with traffic(proxy, kept=False, first=0) as seen:
            for name in ("one", "two", "nobody", "one"):
                await proxy.apply(presenting(proxy, name))
                await seen.more(20, within=20)
        assert set(seen.answers) == {"tls"}
