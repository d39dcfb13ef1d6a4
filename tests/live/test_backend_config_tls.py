"""TLS to backends by BackendConfigPolicies: whom the proxy trusts, what it shows, and what closes."""

from __future__ import annotations

import contextlib
import ssl
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from aiohttp import web
from cryptography import x509

from tests.certificates import self_signed
from tests.live.backend_tls import NAME, asking_backend, authorities, policy, presenting
from tests.live.certificates import secret, tls_server
from tests.live.objects import (
    Manifest,
    backend_config_policy,
    connection_route,
    endpoints,
    gateway,
    route,
    rule,
    service,
)
from tests.live.proxy import Proxy, free_port
from tests.live.traffic import traffic
from tests.live.upstream import Seen, Upstream, upstream
from translator.refs import Ref

CA = [{"group": "", "kind": "ConfigMap", "name": "ca"}]
TRUSTED: Manifest = {"caCertificateRefs": CA, "sni": NAME}


def config(**tls: Any) -> Manifest:
    """Return a policy for the Service `tls`."""
    return backend_config_policy("tls", tls=tls)


@dataclass
class TlsBackend:
    """A backend that is served by TLS; each connection has one request.

    Attributes:
        names: the server names of the handshakes.
        spoken: the versions and the protocols that were agreed on.
    """

    upstream: Upstream
    context: ssl.SSLContext
    certificate: str
    folder: Path
    names: list[str | None] = field(default_factory=list)

    @property
    def objects(self) -> list[Manifest]:
        """Its Service, a route to it, and its certificate as one to trust."""
        slices = endpoints("tls", [self.upstream.port])
        return [service("tls"), *slices, route(rule("tls")), authorities(self.certificate)]


@contextlib.asynccontextmanager
async def tls_backend(folder: Path, *names: str) -> AsyncIterator[TlsBackend]:
    """Run a backend with a certificate of these names."""
    context, certificate = tls_server(folder, "a", *(names or (NAME,)))
    async with upstream("tls", tls=context) as found:

        async def answer(_: Seen) -> web.Response:
            response = web.json_response({"backend": "tls"})
            response.force_close()
            return response

        found.answer = answer
        made = TlsBackend(found, context, certificate, folder)
        context.sni_callback = lambda _, name, __: made.names.append(name)
        yield made


async def test_whom_to_trust(proxy: Proxy, tmp_path: Path) -> None:
    """A certificate of a trusted authority is taken, wherever the policy has it from, and no other one."""
    async with tls_backend(tmp_path) as backend:
        file = tmp_path / "ca.pem"
        file.write_text(backend.certificate)
        data = {"ca.crt": backend.certificate}
        with_ca: Manifest = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "mine"}, "stringData": data}
        await proxy.apply(*backend.objects, with_ca)
        taken: list[Manifest] = [
            TRUSTED,
            {"secretRef": {"name": "mine"}, "sni": NAME},
            {"files": {"rootCA": str(file)}, "sni": NAME},
            {"insecureSkipVerify": True, "sni": NAME},
        ]
        for each in taken:
            await proxy.apply(config(**each))
            assert (await proxy.request()).backend == "tls", each
            assert backend.names[-1] == NAME
        await proxy.apply(config(wellKnownCACertificates="System", sni=NAME))
        assert (await proxy.request()).status == 503
        other = self_signed("nobody", NAME)[0]
        await proxy.apply(config(**TRUSTED), authorities(other))
        assert (await proxy.request()).status == 503
        file.write_text(other)
        await proxy.apply(config(files={"rootCA": str(file)}, sni=NAME, allowRenegotiation=True))
        assert (await proxy.request()).status == 503
        assert len(backend.upstream.seen) == len(taken)


async def test_names(proxy: Proxy, tmp_path: Path) -> None:
    """The certificate needs the server name, or one of the names that are said to be taken."""
    async with tls_backend(tmp_path) as backend:
        await proxy.apply(*backend.objects)
        for names, status in (
            ({"sni": "other.example.com"}, 503),
            ({"sni": "other.example.com", "verifySubjectAltNames": [NAME]}, 200),
            ({"verifySubjectAltNames": ["spiffe://example.com/a", "10.0.0.1", "a@example.com", NAME]}, 200),
            ({"verifySubjectAltNames": ["spiffe://example.com/a", "10.0.0.1", "a@example.com"]}, 503),
        ):
            await proxy.apply(config(caCertificateRefs=CA, **names))
            assert (await proxy.request()).status == status, names


async def test_the_server_name_of_requests(proxy: Proxy, tmp_path: Path) -> None:
    """With autoSni the server name is the Host, and the certificate needs it; names that are said count instead."""
    async with tls_backend(tmp_path, "one.example.com", "two.example.com") as backend:
        await proxy.apply(*backend.objects, config(caCertificateRefs=CA, autoSni=True))
        for host, status in (("one.example.com", 200), ("two.example.com", 200), ("three.example.com", 503)):
            assert (await proxy.request(host=host)).status == status
            assert backend.names[-1] == host
        await proxy.apply(config(caCertificateRefs=CA, autoSni=True, verifySubjectAltNames=["one.example.com"]))
        assert (await proxy.request(host="three.example.com")).status == 200


async def test_connections_have_no_host(proxy: Proxy, tmp_path: Path) -> None:
    """Connections that are forwarded are made for a server name that is said, and not with autoSni."""
    async with tls_backend(tmp_path) as backend:
        port = free_port()
        listeners = [
            {"name": "tcp", "protocol": "TCP", "port": port},
            {"name": "http", "protocol": "HTTP", "port": proxy.port},
        ]
        forwarding = connection_route("TCPRoute", "tcp", {"sectionName": "tcp"}, {"tls": 1})
        await proxy.apply(*backend.objects, gateway(*listeners), forwarding, config(**TRUSTED))
        assert (await proxy.request(port=port)).backend == "tls"
        await proxy.apply(config(caCertificateRefs=CA, autoSni=True))
        with pytest.raises(aiohttp.ClientError):
            await proxy.request(port=port, host=NAME)
        assert len(backend.upstream.seen) == 1


async def test_certificates_that_are_shown(proxy: Proxy, tmp_path: Path) -> None:
    """A backend that asks for a certificate gets that of the policy, else the Gateway's, unless none is wanted."""
    own, gateways = self_signed("own", "own.example.com"), self_signed("gateway", "gateway.example.com")
    certificate, key = tmp_path / "own.crt", tmp_path / "own.key"
    certificate.write_text(own[0])
    key.write_text(own[1])
    async with asking_backend(tmp_path, ssl.CERT_OPTIONAL) as backend:
        for each in (own, gateways):
            backend.context.load_verify_locations(cadata=each[0])
        objects = [service("tls"), *endpoints("tls", [backend.upstream.port]), route(rule("tls"))]
        await proxy.apply(objects, authorities(backend.certificate), secret("own", *own), secret("client", *gateways))
        await proxy.apply(presenting(proxy))
        files = {"tlsCertificate": str(certificate), "tlsKey": str(key)}
        serials = {name: _serial(pair[0]) for name, pair in (("own", own), ("gateway", gateways))}
        for fields, shown in (
            ({"secretRef": {"name": "own"}}, serials["own"]),
            ({"files": files}, serials["own"]),
            ({}, serials["gateway"]),
            ({"simpleTLS": True}, None),
            ({"secretRef": {"name": "own"}, "simpleTLS": True}, None),
        ):
            await proxy.apply(config(**TRUSTED, **fields))
            assert (await proxy.request()).status == 200, fields
            assert backend.presented[-1] == shown, fields


def _serial(certificate: str) -> int:
    return x509.load_pem_x509_certificate(certificate.encode()).serial_number


@pytest.mark.parametrize(
    ("parameters", "version", "cipher"),
    [
        ({}, "TLSv1.3", ""),
        ({"maxVersion": "1.2"}, "TLSv1.2", ""),
        ({"maxVersion": "1.2", "cipherSuites": ["ECDHE-ECDSA-CHACHA20-POLY1305"]}, "TLSv1.2", "CHACHA20"),
        ({"maxVersion": "1.2", "cipherSuites": ["ECDHE-ECDSA-AES256-GCM-SHA384"]}, "TLSv1.2", "AES256-GCM"),
        (
            {"minVersion": "1.3", "ecdhCurves": ["P-256"], "signatureAlgorithms": ["ecdsa_secp256r1_sha256"]},
            "TLSv1.3",
            "",
        ),
        ({"minVersion": "1.3", "signatureAlgorithms": ["rsa_pss_rsae_sha256"]}, "", ""),
    ],
)
async def test_parameters(proxy: Proxy, tmp_path: Path, parameters: Manifest, version: str, cipher: str) -> None:
    """Version, cipher suites, curves and algorithms are those of the policy; without a common one nothing is sent."""
    async with tls_backend(tmp_path) as backend:
        found: list[tuple[str, str]] = []

        async def note(request: Any) -> Any:
            connection = request.transport.get_extra_info("ssl_object")
            found.append((connection.version(), connection.cipher()[0]))
            return web.json_response({"backend": "tls"})

        backend.upstream.raw = note
        await proxy.apply(*backend.objects, config(**TRUSTED, parameters=parameters))
        assert (await proxy.request()).status == (200 if version else 503)
        assert [each[0] for each in found] == ([version] if version else [])
        assert all(cipher in each[1] for each in found)


async def test_the_protocols_that_are_offered(proxy: Proxy, tmp_path: Path) -> None:
    """The protocol that is spoken is offered unless others are said; of two the backend chooses."""
    async with tls_backend(tmp_path) as backend:
        found: list[str | None] = []

        async def note(request: web.BaseRequest) -> web.StreamResponse:
            assert request.transport is not None
            found.append(request.transport.get_extra_info("ssl_object").selected_alpn_protocol())
            return web.json_response({"backend": "tls"})

        backend.upstream.raw = note
        backend.context.set_alpn_protocols(["custom", "http/1.1"])
        await proxy.apply(*backend.objects)
        for offered, spoken in ({}, "http/1.1"), ({"alpnProtocols": ["custom"]}, "custom"):
            await proxy.apply(config(**TRUSTED, **offered))
            assert (await proxy.request()).status == 200
            assert found[-1] == spoken
        await proxy.apply(config(**TRUSTED, alpnProtocols=["h2", "http/1.1"]))
        assert (await proxy.request()).status == 200
        assert found[-1] == "http/1.1"


CLOSED: list[tuple[Manifest, str, str]] = [
    ({"secretRef": {"name": "absent"}, "sni": NAME}, "ResolvedRefs", "SecretNotFound"),
    ({"secretRef": {"name": "broken"}, "sni": NAME}, "ResolvedRefs", "InvalidCertificateRef"),
    ({"secretRef": {"name": "tls", "namespace": "other"}, "sni": NAME}, "ResolvedRefs", "RefNotPermitted"),
    ({"caCertificateRefs": [{"group": "", "kind": "ConfigMap", "name": "no"}], "sni": NAME}, "ResolvedRefs", ""),
    ({"caCertificateRefs": [{"group": "apps", "kind": "Deployment", "name": "a"}], "sni": NAME}, "ResolvedRefs", ""),
    ({"sni": NAME}, "Accepted", "Invalid"),
    ({"wellKnownCACertificates": "System"}, "Accepted", "Invalid"),
]


@pytest.mark.parametrize(("tls", "condition", "reason"), CLOSED)
async def test_nothing_is_sent_in_plain_text(
    proxy: Proxy, alpha: Upstream, tls: Manifest, condition: str, reason: str
) -> None:
    """Where connections cannot be encrypted as is said, requests get 500, and the status names the field."""
    certificate, _ = self_signed("a", NAME)
    broken = secret("broken", certificate, self_signed("b", NAME)[1])
    await proxy.apply(route(rule("alpha")), broken, backend_config_policy("alpha", tls=tls))
    assert (await proxy.request()).status == 500
    assert alpha.seen == []
    conditions = proxy.status("BackendConfigPolicy", "config")["ancestors"][0]["conditions"]
    found = next(each for each in conditions if each["type"] == condition)
    assert found["status"] == "False"
    assert found["reason"] == reason or not reason
    assert "spec.tls" in found["message"]


async def test_a_renewed_authority_under_load(proxy: Proxy, tmp_path: Path) -> None:
    """Certificates and authorities that are renewed, and edits of the TLS, cost no request."""
    async with tls_backend(tmp_path) as backend:
        one, two = self_signed("a", NAME), self_signed("b", NAME)
        mine = secret("mine", *one)
        mine["stringData"]["ca.crt"] = backend.certificate
        await proxy.apply(*backend.objects, mine, config(secretRef={"name": "mine"}, sni=NAME))
        async with traffic(proxy) as found:
            for pair in (two, one) * 3:
                mine = secret("mine", *pair)
                mine["stringData"]["ca.crt"] = backend.certificate + pair[0]
                await proxy.apply(mine)
                await found.more(30)
            for tls in (TRUSTED, {"insecureSkipVerify": True}, {**TRUSTED, "parameters": {"minVersion": "1.3"}}) * 2:
                await proxy.apply(config(**tls))
                await found.more(30)
        assert found.answers.keys() == {"tls"}
        assert found.count >= 12 * 30


async def test_a_policy_of_the_gateway_api_takes_precedence(proxy: Proxy, tmp_path: Path) -> None:
    """With a BackendTLSPolicy for the backend, the TLS of a BackendConfigPolicy has no effect, and the rest has."""
    async with tls_backend(tmp_path) as backend:
        await proxy.apply(*backend.objects, config(insecureSkipVerify=True, sni="ours.example.com"), policy())
        assert (await proxy.request()).status == 200
        assert backend.names == [NAME]
        await proxy.delete(Ref("BackendTLSPolicy", "default", "policy"))
        assert (await proxy.request()).status == 200
        assert backend.names == [NAME, "ours.example.com"]
