"""TLS to backends: its objects, and a backend that asks for a certificate."""

from __future__ import annotations

import contextlib
import ssl
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from aiohttp import web
from cryptography import x509

from tests.live.certificates import Authority, tls_server
from tests.live.objects import ROUTES, Manifest, gateway
from tests.live.proxy import Proxy
from tests.live.upstream import Upstream, upstream

NAME: Final = "backend.example.com"
CA: Final = {"group": "", "kind": "ConfigMap", "name": "ca"}


def authorities(*certificates: str, name: str = "ca") -> Manifest:
    """Return a ConfigMap with CA certificates."""
    data = {"ca.crt": "".join(certificates)}
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}, "data": data}


def policy(hostname: str = NAME, **validation: Any) -> Manifest:
    """Return a BackendTLSPolicy for the Service `tls`, which trusts the ConfigMap `ca`."""
    target = {"group": "", "kind": "Service", "name": "tls"}
    return {
        "apiVersion": ROUTES,
        "kind": "BackendTLSPolicy",
        "metadata": {"name": "policy"},
        "spec": {
            "targetRefs": [target],
            "validation": {"caCertificateRefs": [CA], "hostname": hostname, **validation},
        },
    }


def system_policy() -> Manifest:
    """Return a BackendTLSPolicy for the Service `tls`, which trusts the authorities of the proxy's system."""
    made = policy(wellKnownCACertificates="System")
    del made["spec"]["validation"]["caCertificateRefs"]
    return made


def presenting(proxy: Proxy, secret: str = "client") -> Manifest:
    """Return the Gateway, with a client certificate."""
    made = gateway({"name": "http", "protocol": "HTTP", "port": proxy.port})
    made["spec"]["tls"] = {"backend": {"clientCertificateRef": {"name": secret}}}
    return made


@dataclass
class AskingBackend:
    """A backend that is served by TLS and asks for a client's certificate; each response closes its connection.

    Attributes:
        certificate: its own, by which it can be trusted, too.
        presented: the serial number of the certificate of each request so far, None where there was none.
    """

    upstream: Upstream
    context: ssl.SSLContext
    certificate: str
    presented: list[int | None] = field(default_factory=list)

    def trust(self, authority: Authority) -> None:
        """Take certificates of one more authority."""
        self.context.load_verify_locations(cadata=authority.certificate)

    async def answer(self, request: web.BaseRequest) -> web.StreamResponse:
        """Remember the client's certificate."""
        assert request.transport is not None
        shown = request.transport.get_extra_info("ssl_object").getpeercert(binary_form=True)
        self.presented.append(x509.load_der_x509_certificate(shown).serial_number if shown else None)
        response = web.json_response({"backend": "tls"})
        response.force_close()
        return response


@contextlib.asynccontextmanager
async def asking_backend(folder: Path, mode: ssl.VerifyMode) -> AsyncIterator[AskingBackend]:
    """Run a backend that trusts no client's certificate yet; the mode says whether it requires one."""
    context, certificate = tls_server(folder, "a", NAME)
    context.verify_mode = mode
    async with upstream("tls", tls=context) as found:
        made = AskingBackend(found, context, certificate)
        found.raw = made.answer
        yield made
