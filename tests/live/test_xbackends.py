"""XBackends of type ExternalHostname: backends that Envoy finds by name, in plain text and by TLS."""

from __future__ import annotations

import ssl
from pathlib import Path
from typing import Any

import pytest

from tests.certificates import self_signed
from tests.live.backend_tls import CA, NAME, asking_backend, authorities, presenting
from tests.live.certificates import Authority, serial
from tests.live.objects import Manifest, route
from tests.live.proxy import Proxy
from tests.live.test_backends_static import local as local
from tests.live.test_backends_static import permissive as permissive
from tests.live.upstream import Upstream

GROUP = "gateway.networking.x-k8s.io"
EXTERNAL = {"group": GROUP, "kind": "XBackend", "name": "external"}


@pytest.fixture
def proxy(local: Proxy) -> Proxy:
    """Return a proxy whose backends may be on this machine: XBackends have names, of which `localhost` leads there."""
    return local


def xbackend(port: int, hostname: str = "localhost", **spec: Any) -> Manifest:
    """Return the XBackend `external`, at a port of a host."""
    host = {"type": "ExternalHostname", "externalHostname": {"hostname": hostname}}
    return {
        "apiVersion": f"{GROUP}/v1alpha1",
        "kind": "XBackend",
        "metadata": {"name": "external"},
        "spec": {**host, "port": {"number": port}, **spec},
    }


def tls(mode: str = "ServerOnly", **fields: Any) -> Manifest:
    """Return the TLS of an XBackend, which trusts the ConfigMap `ca`."""
    return {"mode": mode, "validation": {"caCertificateRefs": [CA], "hostname": NAME}, **fields}


def to_external() -> Manifest:
    """Return the route to it."""
    return route({"backendRefs": [EXTERNAL]})


def accepted(proxy: Proxy) -> tuple[str, str]:
    """Return status and reason of the XBackend's Accepted."""
    (ancestor,) = proxy.status("XBackend", "external")["ancestors"]
    assert ancestor["ancestorRef"]["name"] == "live"
    (found,) = (each for each in ancestor["conditions"] if each["type"] == "Accepted")
    return found["status"], found["reason"]


async def test_a_name_is_resolved(proxy: Proxy, alpha: Upstream, beta: Upstream) -> None:
    """Requests reach the port of a hostname with the client's Host; an edit of the port leads to another backend."""
    await proxy.apply(to_external(), xbackend(alpha.port))
    found = await proxy.request(host="shop.example.com")
    assert (found.backend, alpha.seen[0].host) == ("alpha", "shop.example.com")
    assert accepted(proxy) == ("True", "Accepted")
    await proxy.apply(xbackend(beta.port))
    assert (await proxy.request()).backend == "beta"


async def test_a_selector_of_pods_is_refused(proxy: Proxy) -> None:
    """An XBackend that selects pods gets no requests, which the client sees as 500, and says why."""
    selector = {"type": "EndpointSelector", "endpointSelector": {"matchLabels": {"app": "shop"}}}
    made = xbackend(80)
    made["spec"] = {**selector, "port": {"number": 80}}
    await proxy.apply(to_external(), made)
    assert (await proxy.request()).status == 500
    assert accepted(proxy) == ("False", "UnsupportedValue")


async def test_its_tls_proves_who_it_is(proxy: Proxy, tmp_path: Path) -> None:
    """Requests are sent by TLS to whom is trusted; without anybody to trust nothing is sent, nor in plain text."""
    async with asking_backend(tmp_path, ssl.CERT_OPTIONAL) as backend:
        await proxy.apply(to_external(), authorities(backend.certificate), xbackend(backend.upstream.port, tls=tls()))
        assert (await proxy.request()).status == 200
        await proxy.apply(authorities(self_signed("b", NAME)[0]))
        assert (await proxy.request()).status == 503
        await proxy.apply(authorities() | {"data": {}})
        assert (await proxy.request()).status == 500
        assert accepted(proxy) == ("False", "NoValidCACertificate")
        assert backend.presented == [None]


async def test_it_is_presented_its_own_certificate(proxy: Proxy, tmp_path: Path) -> None:
    """The Gateway's certificate is not presented with mode ServerOnly; with ClientAndServer the XBackend's is."""
    clients = Authority("clients")
    of_gateway, own = clients.client_secret("gateway"), clients.client_secret("external")
    async with asking_backend(tmp_path, ssl.CERT_OPTIONAL) as backend:
        backend.trust(clients)
        port = backend.upstream.port
        await proxy.apply(presenting(proxy, "gateway"), of_gateway, own, authorities(backend.certificate))
        await proxy.apply(to_external(), xbackend(port, tls=tls()))
        assert (await proxy.request()).status == 200
        mutual = tls("ClientAndServer", clientCertificateRef={"name": "external"})
        await proxy.apply(xbackend(port, tls=mutual))
        assert (await proxy.request()).status == 200
        assert backend.presented == [None, serial(own)]
