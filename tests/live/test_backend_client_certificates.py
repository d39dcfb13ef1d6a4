"""Certificates that a Gateway presents to its backends (`spec.tls.backend`), with backends that ask for one."""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path

from aiohttp import web
from cryptography import x509

from tests.certificates import self_signed
from tests.live.backend_tls import NAME, authorities, policy
from tests.live.certificates import Authority, serial
from tests.live.objects import Manifest, endpoints, gateway, route, rule, service
from tests.live.proxy import Proxy
from tests.live.upstream import Upstream, upstream
from translator.refs import Ref


@dataclass
class Backend:
    """A backend that takes only clients with a certificate; each response closes its connection.

    Attributes:
        certificate: its own, by which it can be trusted, too.
        trusted: the authorities of clients.
        presented: the serial number of the certificate of each request so far.
    """

    upstream: Upstream
    context: ssl.SSLContext
    certificate: str
    presented: list[int] = field(default_factory=list)

    def trust(self, authority: Authority) -> None:
        """Take clients of one more authority."""
        self.context.load_verify_locations(cadata=authority.certificate)

    async def answer(self, request: web.BaseRequest) -> web.StreamResponse:
        """Remember the client's certificate."""
        assert request.transport is not None
        shown = request.transport.get_extra_info("ssl_object").getpeercert(binary_form=True)
        self.presented.append(x509.load_der_x509_certificate(shown).serial_number)
        response = web.json_response({"backend": "tls"})
        response.force_close()
        return response

    @property
    def objects(self) -> list[Manifest]:
        """Its Service, with a policy, and a route to it."""
        return [
            service("tls"),
            *endpoints("tls", [self.upstream.port]),
            route(rule("tls")),
            authorities(self.certificate),
            policy(),
        ]


@contextlib.asynccontextmanager
async def strict_backend(folder: Path) -> AsyncIterator[Backend]:
    """Run a backend that trusts no client yet."""
    certificate, key = self_signed("a", NAME)
    (folder / "backend.pem").write_text(certificate + key)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "backend.pem")
    context.verify_mode = ssl.CERT_REQUIRED
    async with upstream("tls", tls=context) as found:
        made = Backend(found, context, certificate)
        found.raw = made.answer
        yield made


def presenting(proxy: Proxy, secret: str = "client") -> Manifest:
    """Return the Gateway, with a client certificate."""
    made = gateway({"name": "http", "protocol": "HTTP", "port": proxy.port})
    made["spec"]["tls"] = {"backend": {"clientCertificateRef": {"name": secret}}}
    return made


def resolved(proxy: Proxy) -> tuple[str, str]:
    """Return status and reason of the Gateway's ResolvedRefs."""
    (found,) = (each for each in proxy.status("Gateway", "live")["conditions"] if each["type"] == "ResolvedRefs")
    return found["status"], found["reason"]


async def test_a_backend_asks_for_a_certificate(proxy: Proxy, tmp_path: Path) -> None:
    """It gets the Gateway's; without one, or with one of an authority that it does not trust, it refuses."""
    clients, others = Authority("clients"), Authority("others")
    async with strict_backend(tmp_path) as backend:
        backend.trust(clients)
        await proxy.apply(*backend.objects)
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
    async with strict_backend(tmp_path) as backend:
        backend.trust(old)
        await proxy.apply(*backend.objects, old.client_secret("client"), presenting(proxy))
        before = await proxy.admin("/stats?filter=cluster_manager.cluster_(added|modified)|listener_modified")
        statuses: list[int] = []
        stop, news = asyncio.Event(), asyncio.Condition()

        async def presented(number: int) -> None:
            async with asyncio.timeout(20), news:
                await news.wait_for(lambda: backend.presented[-20:].count(number) == 20)

        async def load() -> None:
            while not stop.is_set():
                response = await proxy.request()
                async with news:
                    statuses.append(response.status)
                    news.notify_all()

        async with asyncio.TaskGroup() as group:
            for _ in range(4):
                group.create_task(load())
            for number in range(1, 5):
                new = Authority(f"authority {number}")
                backend.trust(new)
                secret = new.client_secret("client")
                await proxy.apply(secret)
                await presented(serial(secret))
            stop.set()
        assert set(statuses) == {200}
        assert len(statuses) >= 80
        after = await proxy.admin("/stats?filter=cluster_manager.cluster_(added|modified)|listener_modified")
        assert after == before


async def test_the_reference_changes_under_load(proxy: Proxy, tmp_path: Path) -> None:
    """Nor does one while the Gateway gets a certificate, another Secret's, and none."""
    clients = Authority("clients")
    async with strict_backend(tmp_path) as backend:
        backend.trust(clients)
        backend.context.verify_mode = ssl.CERT_OPTIONAL
        backend.upstream.raw = None
        secrets = [clients.client_secret(name) for name in ("one", "two")]
        await proxy.apply(*backend.objects, *secrets)
        statuses: list[int] = []
        stop, news = asyncio.Event(), asyncio.Condition()

        async def load() -> None:
            while not stop.is_set():
                response = await proxy.request()
                async with news:
                    statuses.append(response.status)
                    news.notify_all()

        async def more() -> None:
            wanted = len(statuses) + 20
            async with asyncio.timeout(20), news:
                await news.wait_for(lambda: len(statuses) >= wanted)

        async with asyncio.TaskGroup() as group:
            for _ in range(4):
                group.create_task(load())
            for name in ("one", "two", "nobody", "one"):
                await proxy.apply(presenting(proxy, name))
                await more()
            stop.set()
        assert set(statuses) == {200}
