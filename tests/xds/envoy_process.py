"""A real Envoy as an xDS client, and small upstreams for it."""

import asyncio
import contextlib
import json
import tempfile
from collections.abc import AsyncIterator, Mapping, Sequence
from pathlib import Path

import aiohttp

from tests.ports import free_port as free_port


def bootstrap(
    xds_port: int, admin: Path, *, delta: bool, aggregated: bool = True, cluster: str = "gateway", clusters: str = ""
) -> dict[str, object]:
    """Return a static bootstrap with listeners and clusters from an xDS server on a loopback port."""
    service = {
        "api_type": "DELTA_GRPC" if delta else "GRPC",
        "transport_api_version": "V3",
        "set_node_on_first_message_only": True,
        "grpc_services": [
            {
                "envoy_grpc": {
                    "cluster_name": "xds",
                    "retry_policy": {"retry_back_off": {"base_interval": "0.1s", "max_interval": "0.2s"}},
                }
            }
        ],
    }
    source = {"resource_api_version": "V3", **({"ads": {}} if aggregated else {"api_config_source": service})}
    address = {"socket_address": {"address": "127.0.0.1", "port_value": xds_port}}
    options = {
        "@type": "type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions",
        "explicit_http_config": {
            "http2_protocol_options": {"connection_keepalive": {"interval": "30s", "timeout": "5s"}}
        },
    }
    return {
        "node": {"id": "envoy-1", "cluster": cluster},
        "admin": {"address": {"pipe": {"path": str(admin)}}},
        "dynamic_resources": {
            "lds_config": source,
            "cds_config": source,
            **({"cds_resources_locator": clusters} if clusters else {}),
            **({"ads_config": service} if aggregated else {}),
        },
        "static_resources": {
            "clusters": [
                {
                    "name": "xds",
                    "type": "STATIC",
                    "connect_timeout": "1s",
                    "typed_extension_protocol_options": {
                        "envoy.extensions.upstreams.http.v3.HttpProtocolOptions": options
                    },
                    "load_assignment": {
                        "cluster_name": "xds",
                        "endpoints": [{"lb_endpoints": [{"endpoint": {"address": address}}]}],
                    },
                }
            ]
        },
    }


class Envoy:
    """A running Envoy: its admin interface, and requests to its listeners."""

    def __init__(self, admin: Path, http: aiohttp.ClientSession) -> None:
        self._admin = admin
        self._http = http

    async def get(self, port: int, path: str = "/", headers: Mapping[str, str] | None = None) -> tuple[int, str]:
        """Return status and body of a request to a listener; status 0 if nothing listens."""
        try:
            async with self._http.get(f"http://127.0.0.1:{port}{path}", headers=headers) as response:
                return response.status, await response.text()
        except aiohttp.ClientError:
            return 0, ""

    async def answers(
        self,
        port: int,
        path: str,
        expected: tuple[int, str],
        within: float = 15,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        """Wait until a request has the expected answer; fails after `within` seconds."""
        end = asyncio.get_running_loop().time() + within
        while (got := await self.get(port, path, headers)) != expected:
            assert asyncio.get_running_loop().time() < end, f"{path} on {port}: {got}, not {expected}"
            await asyncio.sleep(0.02)

    async def holds(self, what: str, path: str, within: float = 15) -> None:
        """Wait until a page of the admin interface contains a text; fails after `within` seconds."""
        end, said = asyncio.get_running_loop().time() + within, ""
        while what not in said:
            assert asyncio.get_running_loop().time() < end, f"{path} does not hold {what}"
            await asyncio.sleep(0.02)
            with contextlib.suppress(aiohttp.ClientConnectorError):
                said = await self.admin(path)

    async def lacks(self, what: str, path: str, within: float = 15) -> None:
        """Wait until a page of the admin interface does not contain a text; fails after `within` seconds."""
        end = asyncio.get_running_loop().time() + within
        while what in await self.admin(path):
            assert asyncio.get_running_loop().time() < end, f"{path} holds {what}"
            await asyncio.sleep(0.02)

    async def admin(self, path: str) -> str:
        """Return a page of the admin interface."""
        connector = aiohttp.UnixConnector(path=str(self._admin))
        async with aiohttp.ClientSession(connector=connector) as http, http.get(f"http://admin{path}") as response:
            return await response.text()


@contextlib.asynccontextmanager
async def running_envoy(
    binary: Path,
    xds_port: int,
    *,
    delta: bool,
    aggregated: bool = True,
    cluster: str = "gateway",
    clusters: str = "",
    arguments: Sequence[str] = (),
) -> AsyncIterator[Envoy]:
    """Run an Envoy of a node cluster with the xDS server on a port; print its log if the test fails."""
    # A socket's path is limited to 108 bytes, which pytest's own directories may exceed.
    with tempfile.TemporaryDirectory(prefix="xds") as folder:
        where = Path(folder)
        config, log = where / "bootstrap.json", where / "log"
        how = {"delta": delta, "aggregated": aggregated}
        text = json.dumps(bootstrap(xds_port, where / "admin", **how, cluster=cluster, clusters=clusters))
        config.write_text(text)
        workers = () if "--concurrency" in arguments else ("--concurrency", "1")
        usual = ("-c", config, "--disable-hot-restart", *workers, "-l", "warning", "--log-path", log)
        quiet = asyncio.subprocess.DEVNULL
        process = await asyncio.create_subprocess_exec(binary, *usual, *arguments, stdout=quiet, stderr=quiet)
        connector = aiohttp.TCPConnector(force_close=True)
        try:
            async with aiohttp.ClientSession(connector=connector) as http:
                yield Envoy(where / "admin", http)
        except BaseException:
            print(log.read_text() if log.exists() else "Envoy wrote no log")
            raise
        finally:
            with contextlib.suppress(ProcessLookupError):
                process.kill()
            await process.wait()


@contextlib.asynccontextmanager
async def upstream(name: str, *, delay: float = 0.0) -> AsyncIterator[int]:
    """Run an HTTP server on a free loopback port that answers with its name, health checks after a delay."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
            while True:
                request = await reader.readuntil(b"\r\n\r\n")
                if request.startswith(b"GET /health "):
                    await asyncio.sleep(delay)
                writer.write(f"HTTP/1.1 200 OK\r\ncontent-length: {len(name)}\r\n\r\n{name}".encode())
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()


async def is_kept_served(http: aiohttp.ClientSession, url: str, text: str) -> None:
    """Assert that for half a second each request on an open connection is answered with a text."""
    for _ in range(10):
        await asyncio.sleep(0.05)
        async with http.get(url) as response:
            assert (response.status, await response.text()) == (200, text)
