"""TLS to backends: whom the proxy trusts, which names it asks for, and certificates that change under load."""

from __future__ import annotations

import contextlib
import ssl
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path

from aiohttp import web

from tests.certificates import self_signed
from tests.live.backend_tls import NAME, authorities, policy, system_policy
from tests.live.objects import Manifest, endpoints, route, rule, service
from tests.live.proxy import Proxy
from tests.live.traffic import traffic
from tests.live.upstream import Seen, Upstream, upstream


@dataclass
class Backend:
    """A backend that is served by TLS; each response closes its connection, so that each request has a handshake.

    Attributes:
        folder: where its key is.
        certificate: what it shows, by which it can be trusted, too.
        server_names: those of the handshakes so far.
    """

    upstream: Upstream
    folder: Path
    context: ssl.SSLContext
    certificate: str = ""
    server_names: list[str | None] = field(default_factory=list)

    def use(self, certificate: str, key: str) -> None:
        """Show a certificate from now on."""
        file = self.folder / "chain.pem"
        file.write_text(certificate + key)
        self.context.load_cert_chain(file)
        self.certificate = certificate

    @property
    def objects(self) -> list[Manifest]:
        """Its Service, with a port that asks for TLS, and a route to it."""
        return [
            service("tls", app_protocol="https"),
            *endpoints("tls", [self.upstream.port]),
            route(rule("tls")),
        ]


@contextlib.asynccontextmanager
async def tls_backend(folder: Path) -> AsyncIterator[Backend]:
    """Run a backend with a new certificate."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    async with upstream("tls", tls=context) as found:

        async def answer(_: Seen) -> web.Response:
            response = web.json_response({"backend": "tls"})
            response.force_close()
            return response

        found.answer = answer
        made = Backend(found, folder, context)
        context.sni_callback = lambda _, name, __: made.server_names.append(name)
        made.use(*self_signed("a", NAME))
        yield made


async def test_the_backend_proves_who_it_is(proxy: Proxy, tmp_path: Path) -> None:
    """Requests reach a backend whose certificate is trusted and has the hostname, which is the server name too."""
    async with tls_backend(tmp_path) as backend:
        await proxy.apply(*backend.objects, authorities(backend.certificate), policy())
        assert (await proxy.request()).backend == "tls"
        assert backend.server_names == [NAME]


async def test_another_name_is_refused(proxy: Proxy, tmp_path: Path) -> None:
    """A certificate without the hostname is refused; with subjectAltNames only these count."""
    async with tls_backend(tmp_path) as backend:
        await proxy.apply(*backend.objects, authorities(backend.certificate), policy("other.example.com"))
        assert (await proxy.request()).status == 503
        names = [{"type": "URI", "uri": "spiffe://example.com/a"}, {"type": "Hostname", "hostname": NAME}]
        await proxy.apply(policy("other.example.com", subjectAltNames=names))
        assert (await proxy.request()).backend == "tls"
        assert backend.server_names[-1] == "other.example.com"
        await proxy.apply(policy(subjectAltNames=names[:1]))
        assert (await proxy.request()).status == 503
        assert len(backend.upstream.seen) == 1


async def test_unknown_authorities_are_refused(proxy: Proxy, tmp_path: Path) -> None:
    """A certificate of nobody trusted is refused; without anybody to trust nothing is sent, nor in plain text."""
    async with tls_backend(tmp_path) as backend:
        other, _ = self_signed("b", NAME)
        await proxy.apply(*backend.objects, authorities(other), policy())
        assert (await proxy.request()).status == 503
        await proxy.apply(authorities(other, name="ca") | {"data": {}})
        assert (await proxy.request()).status == 500
        assert backend.upstream.seen == []


async def test_system_authorities(proxy: Proxy, tmp_path: Path) -> None:
    """With wellKnownCACertificates the authorities of the proxy's system are trusted, and no other."""
    async with tls_backend(tmp_path) as backend:
        await proxy.apply(*backend.objects, system_policy())
        assert (await proxy.request()).status == 503
        assert set(backend.server_names) == {NAME}
        assert backend.upstream.seen == []


async def test_authorities_change_under_load(proxy: Proxy, tmp_path: Path) -> None:
    """No request fails while a backend gets a certificate of another authority and trust moves there, step by step."""
    async with tls_backend(tmp_path) as backend:
        await proxy.apply(*backend.objects, authorities(backend.certificate), policy())
        async with traffic(proxy, kept=False, first=0) as seen:
            for number in range(3):
                # Authorities of one name are told apart by their keys' identifiers, which these do not have.
                old, (new, key) = backend.certificate, self_signed(f"authority {number}", NAME)
                await proxy.apply(authorities(old, new))
                await seen.more(20, within=20)
                backend.use(new, key)
                await seen.more(20, within=20)
                await proxy.apply(authorities(new))
                await seen.more(20, within=20)
        assert set(seen.answers) == {"tls"}
        # Nor is a session resumed from when the backend was trusted.
        await proxy.apply(authorities(self_signed("nobody", NAME)[0]))
        assert (await proxy.request()).status == 503
