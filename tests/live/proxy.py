"""A gateway end to end: objects go through the translator and the xDS server to a real Envoy."""

from __future__ import annotations

import asyncio
import contextlib
import io
import json
import os
import tempfile
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
from google.protobuf.json_format import MessageToJson
from multidict import CIMultiDict
from yarl import URL

from headgate.envoy.bootstrap import bootstrap
from headgate.process.address import Address
from headgate.reporting.proto_json import resources
from tests.live.access_logs import LogFile
from tests.live.leaks import secret_texts, told
from tests.live.name_server import ask
from tests.live.objects import GATEWAY, Manifest, manifests
from tests.ports import free_port as free_port
from translator.inputs import Edit, GatewaySyncStatus, Settings
from translator.ir.aws import FoundInstances
from translator.ir.modules import FetchedModule
from translator.ir.oidc import Discovered
from translator.kinds import Registry
from translator.objects.parse import Kinds
from translator.refs import Ref
from translator.registry import REGISTRY
from translator.status.nacks import attribute_nacks
from translator.translator import Translator
from watchers.ec2.client import InstanceClient
from watchers.modules.client import ModuleClient
from watchers.oidc.client import DiscoveryClient
from watchers.oidc.document import DiscoveryError
from watchers.polling import PollError
from xds import Reference
from xds.resources.snapshot import Snapshot
from xds.server.server import Server, SyncStatus, Timeouts

KEY = f"default/{GATEWAY}"
OWN = Ref("Gateway", "default", GATEWAY)
LONG = 500_000
"""Bodies of so many bytes are sent in pieces."""
DEFAULTS = Settings()
WITHIN = 15.0
"""Seconds within which a proxy is to take a configuration, however busy the machine is."""


@dataclass(frozen=True)
class Response:
    """What a client got."""

    status: int
    headers: CIMultiDict[str]
    body: bytes

    @property
    def echo(self) -> dict[str, Any]:
        """What the upstream saw, if it answered with its echo."""
        assert self.status == 200, f"{self.status}: {self.body!r}"
        found: dict[str, Any] = json.loads(self.body)
        return found

    @property
    def backend(self) -> str:
        """The upstream that answered."""
        return str(self.echo["backend"])

    @property
    def path(self) -> str:
        """The path and query that the upstream saw."""
        return str(self.echo["path"])

    def sent(self, name: str) -> list[str]:
        """Return the values of a header that the upstream saw."""
        return [value for key, value in self.echo["headers"] if key == name.lower()]


class Proxy:
    """One Gateway, its Envoy, and a client of it.

    Attributes:
        secret_texts: the texts of all Secrets that it has had.
        process: Envoy.
        settings: those of the translation.
        port: the port that plain requests go to unless they say otherwise.
        access_log: what Envoy has written to its standard output.
    """

    def __init__(
        self,
        server: Server,
        admin: Path,
        http: aiohttp.ClientSession,
        process: asyncio.subprocess.Process,
        settings: Settings,
        registry: Registry = REGISTRY,
        access_log: LogFile | None = None,
    ) -> None:
        self.process = process
        self.settings = settings
        self.port = free_port()
        self.access_log = access_log or LogFile(Path(os.devnull))
        self._server = server
        self._admin = admin
        self._http = http
        self._translator = Translator(settings, registry=registry)
        self._kinds = registry.kinds
        self.secret_texts: dict[str, None] = {}
        self._base: dict[Ref, Edit] = {}
        self._applied: dict[Ref, Edit] = {}
        self._news = asyncio.Event()

    async def apply(self, *objects: str | Manifest | list[Manifest], refused: bool = False) -> None:
        """Apply objects, and waits until the proxy works by them, or `refused` a part of what came of them."""
        given = [*manifests(objects)]
        self.secret_texts |= dict.fromkeys(text for each in given for text in secret_texts(each))
        edits = [_edit(self._kinds, each) for each in given]
        self._applied |= {each.ref: each for each in edits}
        self._translator.edit(edits)
        await self._settle(refused)

    async def discover(self) -> None:
        """Fetch what is asked for of OpenID issuers, and wait until the proxy works by that."""
        async with DiscoveryClient(allow_http=True) as client:
            for issuer in self._translator.issuers:
                try:
                    found = Discovered(await client.fetch(issuer))
                except DiscoveryError as error:
                    found = Discovered(error=str(error))
                self._translator.set_discovered(issuer, found)
        await self._settle()

    async def discover_instances(self) -> None:
        """Ask EC2 what is asked for, and wait until the proxy works by that."""
        for asked in self._translator.instance_queries:
            try:
                found = await InstanceClient().fetch(asked)
            except PollError as error:
                found = FoundInstances(error=str(error))
            self._translator.set_instances(asked, found)
        await self._settle()

    async def fetch_modules(self) -> None:
        """Fetch the modules that are asked for, and wait until the proxy works by that."""
        async with ModuleClient(allow_http=True) as client:
            for source in self._translator.module_sources:
                try:
                    found = await client.fetch(source)
                except PollError as error:
                    found = FetchedModule(error=str(error))
                self._translator.set_module(source, found)
        await self._settle()

    async def delete(self, *refs: Ref) -> None:
        """Delete objects, and waits until the proxy works without them."""
        self._translator.edit(Edit(each, None) for each in refs)
        await self._settle()

    async def begin(self, *objects: str | Manifest | list[Manifest]) -> None:
        """Apply what every test starts with."""
        await self.apply(*objects)
        self._base, self._applied = self._applied, {}

    def restore(self) -> None:
        """Restore what every test starts with; the proxy hears of it with the next objects."""
        self._translator.edit(self._base.get(ref, Edit(ref, None)) for ref in self._applied)
        self._applied = {}

    async def leaks(self, log: str) -> list[str]:
        """Return where texts of Secrets are told: by Envoy, of which `log` is the log, by statuses or by traces."""
        if not self.secret_texts:
            return []
        places = {"the log of Envoy": log, "the statuses": repr(dict(self._translator.statuses))}
        for path in ("/config_dump?include_eds", "/stats", "/clusters", "/listeners", "/certs", "/server_info"):
            places[f"{path} of Envoy"] = await self.admin(path)
        snapshot = self._translator.snapshots.get(OWN)
        if snapshot is not None:
            places["the resources, as they are shown"] = json.dumps(resources(snapshot))
            for type_url in snapshot.types():
                for name in snapshot.resources(type_url):
                    trace = self._translator.trace_resource(OWN, Reference(type_url, name))
                    places[f"the trace of {name}"] = "\n".join(trace.lines()) if trace is not None else ""
        for ref in self._translator.statuses:
            trace = self._translator.trace_status(ref)
            places[f"the trace of {ref}"] = "\n".join(trace.lines()) if trace is not None else ""
        return told(self.secret_texts, places)

    @property
    def snapshot(self) -> Snapshot:
        """The resources that the proxy works by."""
        return self._translator.snapshots[OWN]

    def status(self, kind: str, name: str) -> dict[str, Any]:
        """Return the status of an object."""
        return self._translator.statuses[Ref(kind, "default", name)]

    def hear(self, _key: str, status: SyncStatus) -> None:
        """Take what the proxy said to its configuration."""
        refused = attribute_nacks(status.snapshot, status.nacks)
        current = status.clients > 0 and status.clients == status.acked
        self._translator.set_sync_status(OWN, GatewaySyncStatus(status.clients, current, refused))
        self._news.set()

    async def _settle(self, refused: bool = False) -> None:
        changes = self._translator.evaluate()
        assert not changes.failures, changes.failures
        snapshot = self._translator.snapshots[OWN]
        assert not snapshot.dangling()
        self._server.publish(KEY, snapshot)
        async with asyncio.timeout(WITHIN):
            while not self._current(refused):
                self._news.clear()
                await self._news.wait()
            # A listener is accepted before it listens: it waits for its routes and secrets.
            while "listeners_warming: 0\n" not in await self.admin("/stats?filter=total_listeners_warming"):  # noqa: ASYNC110
                await asyncio.sleep(0.005)
        self._translator.evaluate()

    def _current(self, refused: bool) -> bool:
        status = self._server.sync_status(KEY)
        assert status is not None
        assert refused or not status.nacks, status.nacks
        return bool(status.nacks) if refused else status.clients == status.synced == 1

    async def admin(self, path: str, method: str = "GET") -> str:
        """Return what Envoy's admin interface says."""
        connector = aiohttp.UnixConnector(path=str(self._admin))
        async with (
            aiohttp.ClientSession(connector=connector) as http,
            http.request(method, f"http://admin{path}") as response,
        ):
            return await response.text()

    async def quiet(self, cluster: str) -> None:
        """Wait until nothing is on its way to a cluster, whose name begins so."""
        async with asyncio.timeout(WITHIN):
            while any(  # noqa: ASYNC110
                each["value"]
                for each in json.loads(await self.admin("/stats?format=json&filter=upstream_rq_active"))["stats"]
                if each.get("name", "").startswith(f"cluster.{cluster}")
            ):
                await asyncio.sleep(0.005)

    async def request(
        self,
        path: str = "/",
        *,
        method: str = "GET",
        host: str = "example.com",
        headers: Mapping[str, str] | list[tuple[str, str]] = (),  # type: ignore[assignment]
        port: int = 0,
        address: str = "127.0.0.1",
        body: bytes | None = None,
        http: aiohttp.ClientSession | None = None,
        **options: Any,
    ) -> Response:
        """Send a request, on a connection of its own unless `http` keeps some; the path goes out as it is written."""
        scheme = "https" if "ssl" in options else "http"
        url = URL(f"{scheme}://{address}:{port or self.port}{path}", encoded=True)
        fields = CIMultiDict([("Host", host), *(headers.items() if isinstance(headers, Mapping) else headers)])
        async with (http or self._http).request(
            method, url, headers=fields, data=_stream(body), allow_redirects=False, **options
        ) as response:
            return Response(response.status, CIMultiDict(response.headers), await response.read())


def _stream(body: bytes | None) -> bytes | io.BytesIO | None:
    return body if body is None or len(body) < LONG else io.BytesIO(body)


def _edit(kinds: Kinds, manifest: Manifest) -> Edit:
    parsed = kinds.parse(manifest)
    assert parsed.object is not None, parsed.problems
    return Edit(parsed.object.ref, parsed.object)


@contextlib.asynccontextmanager
async def running_proxy(
    binary: Path,
    settings: Settings = DEFAULTS,
    prefix: Sequence[str] = (),
    registry: Registry = REGISTRY,
    dns: int = 0,
    zone: str = "",
    removal_delay: float = 0.1,
) -> AsyncIterator[tuple[Proxy, Path]]:
    """Run an Envoy with its xDS server; gives the proxy and the file of Envoy's log.

    `prefix` is a command that executes the one in its arguments; `registry` has the kinds that the translator knows;
    `dns` is the port of the DNS server that Envoy asks, of loopback; `zone` is the zone that Envoy is in;
    `removal_delay` is how long what nothing uses any more stays, in seconds.
    """
    # A socket's path is limited to 108 bytes, which pytest's own directories exceed at times.
    with tempfile.TemporaryDirectory(prefix="live") as folder:
        where = Path(folder)
        config, log, admin = where / "bootstrap.json", where / "log", where / "admin"
        access_log = where / "access.log"
        heard: list[Proxy] = []
        server = Server(
            lambda node: node.cluster,
            on_sync_status=lambda key, status: heard[0].hear(key, status),
            timeouts=Timeouts(removal_delay=removal_delay),
        )
        connector = aiohttp.TCPConnector(force_close=True)
        timeout = aiohttp.ClientTimeout(total=WITHIN)
        async with server, aiohttp.ClientSession(connector=connector, timeout=timeout) as http:
            xds = Address("127.0.0.1", server.port)
            made = bootstrap(KEY, "1", xds, admin, descriptors=settings.descriptors, zone=zone)
            if dns:
                ask(made, dns)
            config.write_text(MessageToJson(made))
            arguments = (
                "-c",
                config,
                "--disable-hot-restart",
                "--concurrency",
                "1",
                "-l",
                "warning",
                "--log-path",
                log,
                "--file-flush-interval-msec",
                "20",
            )
            quiet = asyncio.subprocess.DEVNULL
            with access_log.open("ab") as lines:
                process = await asyncio.create_subprocess_exec(*prefix, binary, *arguments, stdout=lines, stderr=quiet)
            try:
                proxy = Proxy(server, admin, http, process, settings, registry, LogFile(access_log))
                heard.append(proxy)
                yield proxy, log
            finally:
                with contextlib.suppress(ProcessLookupError):
                    process.kill()
                await process.wait()
