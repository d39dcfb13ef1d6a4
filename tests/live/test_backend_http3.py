"""HTTP/3 to backends, by BackendConfigPolicies (`http3`)."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest_asyncio

from tests.certificates import self_signed
from tests.live.backend_tls import NAME, authorities
from tests.live.certificates import tls_server
from tests.live.http3_backend import http3_backend
from tests.live.objects import Manifest, backend_config_policy, endpoints, gateway, route, rule, service
from tests.live.proxy import Proxy, running_proxy
from tests.live.upstream import upstream
from translator.inputs import Settings

TLS = {"caCertificateRefs": [{"group": "", "kind": "ConfigMap", "name": "ca"}], "sni": NAME}
CONFIG: Manifest = backend_config_policy("quic", http3={}, tls=TLS)


def pair(folder: Path) -> tuple[tuple[Path, Path], str]:
    """Return files with a certificate and its key, and the certificate."""
    certificate, key = self_signed("a", NAME)
    paths = folder / "tls.crt", folder / "tls.key"
    for path, text in zip(paths, (certificate, key), strict=True):
        path.write_text(text)
    return paths, certificate


async def test_endpoints_are_spoken_to_by_http3(proxy: Proxy, tmp_path: Path) -> None:
    """Requests go by QUIC to a backend whose certificate is trusted, and otherwise nowhere."""
    files, certificate = pair(tmp_path)
    async with http3_backend(files) as backend:
        slices = endpoints("quic", [backend.port])
        await proxy.apply(service("quic"), slices, route(rule("quic")), authorities(certificate), CONFIG)
        for path in ("/one", "/two"):
            assert (await proxy.request(path)).backend == "http3"
        assert backend.seen == ["/one", "/two"]
        await proxy.apply(authorities(self_signed("nobody", NAME)[0]))
        await proxy.apply(backend_config_policy("quic", http3={}, tls=TLS, connectTimeout="2s"))
        assert (await proxy.request()).status == 503
        assert len(backend.seen) == 2


@pytest_asyncio.fixture(loop_scope="session")
async def named(envoy_path: Path) -> AsyncIterator[Proxy]:
    """Run a proxy that resolves names of Services."""
    async with running_proxy(envoy_path, Settings(external_names=True)) as (found, _):
        await found.begin(gateway({"name": "http", "protocol": "HTTP", "port": found.port}))
        yield found


async def test_a_host_without_http3_is_spoken_to_by_tcp(named: Proxy, tmp_path: Path) -> None:
    """A host that is resolved by name gets requests by HTTP/3, and by TCP where there is nothing at its UDP port."""
    context, certificate = tls_server(tmp_path, "b", NAME)
    async with upstream("tcp", tls=context) as tcp:
        external = service("quic", port=tcp.port, type="ExternalName", externalName="localhost")
        objects = [external, route({"backendRefs": [{"name": "quic", "port": tcp.port}]})]
        files, other = pair(tmp_path)
        async with http3_backend(files, port=tcp.port) as backend:
            await named.apply(*objects, authorities(certificate, other), CONFIG)
            assert (await named.request()).backend == "http3"
            assert backend.seen == ["/"]
        await named.apply(backend_config_policy("quic", http3={}, tls=TLS, connectTimeout="2s"))
        assert (await named.request()).backend == "tcp"
