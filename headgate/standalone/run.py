"""The wiring of `headgate run`: follow files, evaluate and publish in one task, run an Envoy per Gateway."""

from __future__ import annotations

import asyncio
import contextlib
import shlex
import shutil
from collections.abc import AsyncIterator
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path

import structlog

from headgate.admin.server import AdminState, serving
from headgate.controlplane.clients import GrpcClients
from headgate.controlplane.discovery import Discovery
from headgate.controlplane.inputs import Inputs
from headgate.controlplane.plane import ControlPlane
from headgate.controlplane.publisher import SnapshotKeys
from headgate.controlplane.sync_status import SyncStatusReporter
from headgate.envoy.descriptors import available, warn_if_few
from headgate.envoy.process import DRAIN_SECONDS, EnvoyProcess, Launch
from headgate.envoy.state import StateDirectory
from headgate.envoy.state_repair import StateRepair
from headgate.envoy.supervisor import Fleet, Supervisor, stop_all
from headgate.observability.metrics import Metrics, XdsGauges
from headgate.observability.tracing import Traces
from headgate.process.address import Address
from headgate.process.lifecycle import run_until_stopped
from headgate.process.memory import reading
from headgate.process.own_addresses import machine_addresses, own_addresses, own_folders
from headgate.process.ports import check_free
from headgate.reporting.condition_log import log_diagnostics, log_edits
from headgate.security.proxy_tokens import ProxyTokens
from headgate.security.tls_files import server_credentials
from headgate.security.tls_folder import keep_fresh, server_files
from headgate.standalone.authentication import EnvoyAuthentication
from headgate.standalone.events import RunEvents
from headgate.standalone.firewall import LocalFirewall
from headgate.standalone.port_retry import retry_listeners
from translator.inputs import ApplyResult
from translator.inputs import Settings as TranslatorSettings
from translator.objects.gateway_api.gateway import gateway_of, key_of
from translator.outcome import Problem
from translator.translator import Translator
from watchers.background import in_thread
from watchers.files.source import FileSource, SourceError
from watchers.files.store import FileStoreChange
from watchers.sources import SourceMux
from xds import FINGERPRINTS, Observers, Server

#: The seconds from a change of the files until it is evaluated at the latest.
SETTLE_SECONDS = 1.0

log = structlog.stdlib.get_logger("headgate")


@dataclass(frozen=True, slots=True)
class RunSettings:
    """The settings of `headgate run`.

    Attributes:
        paths: folders and files to follow.
        xds: the address of the xDS server.
        admin: the address of the admin server.
        state: the directory for state that outlives Headgate.
        envoy: the Envoy to run for every Gateway; None to run none.
        tls: the folder of `headgate certs` with the certificates of the xDS server; None for plain text.
        admin_hosts: further names in the Host header that the admin server accepts.
        translation: the settings of the translation, as far as options say them.
        waf_rules: the folder of the Core Rule Set; None to look in the usual places.
    """

    paths: tuple[Path, ...]
    xds: Address
    admin: Address
    state: Path
    envoy: Path | None
    tls: Path | None = None
    admin_hosts: tuple[str, ...] = ()
    translation: TranslatorSettings = field(default_factory=TranslatorSettings)
    waf_rules: Path | None = None


def run(settings: RunSettings) -> None:
    """Run until SIGINT or SIGTERM, then stop the Envoys; a second signal kills them.

    Raises:
        UserError: it cannot start; the message says how to correct that.
    """
    with StateDirectory(settings.state, settings.xds).lock():
        check_free(settings.xds, "--xds-address")
        check_free(settings.admin, "--admin-address")
        _Run(settings).until_stopped()


class _Run:
    """One run, wired from its parts."""

    def __init__(self, settings: RunSettings) -> None:
        self.settings = settings
        self.state = StateDirectory(settings.state, settings.xds)
        self.tokens = ProxyTokens.load(self.state.root)
        FINGERPRINTS.use_key(self.tokens.fingerprint_key)
        self.files_changed = asyncio.Event()
        self.running = EnvoyProcess.find_all(self.state.path) if settings.envoy else {}
        metrics = Metrics()
        # The user's own Envoys have limits that are not known here.
        descriptors = available() if settings.envoy else None
        warn_if_few(descriptors)
        own = own_addresses(settings.xds, settings.admin)
        translation = settings.translation
        self.firewall = None if translation.waf_service else LocalFirewall(settings.waf_rules)
        if self.firewall is not None:
            translation = replace(translation, waf_service=self.firewall.address)
            own += self.firewall.own_addresses()
        translator = Translator(
            replace(
                translation,
                own=own,
                machine=machine_addresses(),
                descriptors=descriptors,
                own_folders=own_folders(settings.state),
            )
        )
        keys = SnapshotKeys(translator)
        self.inputs = Inputs(translator)
        self.source = FileSource(settings.paths, partial(self.log_change, keys.ready))
        self.discovery = Discovery(self.inputs, allow_http=settings.translation.allow_http_issuers)
        self.events = RunEvents(
            self.source,
            self.state,
            self.tokens,
            settings.envoy,
            self.discovery,
            descriptors,
            settings.translation.zone,
            self.firewall,
        )
        sync_statuses, clients = SyncStatusReporter(self.inputs), GrpcClients(self.inputs)
        authentication = EnvoyAuthentication(self.tokens, keys, translator, tls=settings.tls is not None)
        server = Server(
            select=lambda node: node.cluster,
            address=str(settings.xds),
            socket=self.state.xds_socket if settings.envoy else None,
            credentials=server_credentials(server_files(settings.tls)) if settings.tls else None,
            authenticate=authentication.authenticate,
            authorise=authentication.authorise,
            admit=clients.admit,
            observer=Observers(metrics, Traces(), clients),
            on_sync_status=sync_statuses.report,
        )
        self.plane = ControlPlane.build(
            self.inputs,
            server,
            keys,
            sync_statuses,
            self.events,
            clients,
            metrics,
            drains=settings.envoy is not None,
        )

    def until_stopped(self) -> None:
        """Serve until a signal arrives; a second one kills the Envoys."""
        run_until_stopped(self.serve, self.kill, mistakes=(SourceError,))

    def kill(self) -> None:
        """Kill the Envoys at once."""
        if self.events.fleet:
            self.events.fleet.kill()

    def admin_state(self) -> AdminState:
        """Return the state that the admin server shows."""
        return AdminState(
            self.plane,
            supervisors=self.supervisors,
            diagnostics=lambda: self.source.diagnostics,
            place=self.events.place,
            address=self.settings.admin,
            hosts=self.settings.admin_hosts,
        )

    async def serve(self) -> None:
        """Serve until cancelled."""
        await in_thread(self.source.check)
        server, evaluator = self.plane.server, self.plane.evaluator
        async with server, serving(self.admin_state()), self.orphaned_processes(), asyncio.TaskGroup() as group:
            if self.settings.envoy:
                self.events.fleet = Fleet(group, self.running, self.report_envoy, self.plane.publisher.withdraw)
            self.plane.metrics.collect(
                XdsGauges(
                    server.clients,
                    self.supervisors,
                    lambda: (each.severity for each in self.source.diagnostics),
                )
            )
            log.info(
                "Headgate is starting",
                folders=" ".join(map(str, self.settings.paths)),
                xds=str(self.settings.xds),
                admin=f"http://{self.settings.admin.for_clients}",
            )
            feed = SourceMux([self.source])
            group.create_task(feed.run(), name="feed")
            group.create_task(evaluator.take(feed), name="edits")
            group.create_task(evaluator.run(), name="evaluation")
            group.create_task(self.discovery.run(), name="discovery")
            if self.settings.tls:
                group.create_task(keep_fresh(self.settings.tls), name="certificates")
            group.create_task(self.state_repair().run(), name="state directory")
            if self.firewall is not None:
                group.create_task(self.firewall.run(), name="web application firewall")
            group.create_task(retry_listeners(server, self.keys), name="taken ports")
            with reading():
                await self.plane.keys.ready.wait()
            await self.started()

    async def started(self) -> None:
        """Log that Headgate is ready, then stop Envoys of an earlier run whose Gateway was deleted."""
        gateways = sorted(map(key_of, self.plane.translator.snapshots))
        if gateways:
            log.info("Headgate is ready", gateways=" ".join(gateways))
        else:
            log.warning(
                "Headgate is ready, but there is no Gateway to serve: "
                "write one with `gatewayClassName: headgate` into the folder"
            )
        if self.events.fleet:
            await self.clean_up(self.events.fleet)
        elif gateways:
            log.info(f"Start an Envoy with the output of: {self.bootstrap_command(gateways[0])}")

    def bootstrap_command(self, gateway: str) -> str:
        """Return the command that prints a bootstrap for the user's own Envoy on this machine."""
        command = ["headgate", "bootstrap", "--gateway", gateway, "--xds-address", str(self.settings.xds.for_clients)]
        credentials = (
            ["--xds-tls", str(self.settings.tls)] if self.settings.tls else ["--state-dir", str(self.state.root)]
        )
        return shlex.join([*command, *credentials])

    async def clean_up(self, fleet: Fleet) -> None:
        """Stop the Envoys of Gateways that were deleted since an earlier run, once no file has errors."""
        if self.has_errors():
            log.warning("Envoys of an earlier run without a Gateway keep running until the files have no errors")
        while self.has_errors():
            self.files_changed.clear()
            await self.files_changed.wait()
            await asyncio.sleep(SETTLE_SECONDS)
        left = [each for each in self.state.existing(self.running) if each.gateway not in fleet.supervisors]
        running = [each for each in left if each.path in self.running]
        for each in running:
            log.info("Draining an Envoy of an earlier run", gateway=each.gateway)
            self.plane.publisher.drain(each.gateway)
        if running:
            await asyncio.sleep(DRAIN_SECONDS)
        for each in left:
            if each.gateway not in fleet.supervisors:
                await stop_all({each.path: fleet.take(each.path)})
                self.plane.publisher.withdraw(each.gateway)
                shutil.rmtree(each.path, ignore_errors=True)

    def has_errors(self) -> bool:
        """Return whether the files have errors."""
        return any(each.severity == "error" for each in self.source.diagnostics)

    @contextlib.asynccontextmanager
    async def orphaned_processes(self) -> AsyncIterator[None]:
        """On exit, stop the remaining Envoys of an earlier run."""
        try:
            yield
        finally:
            if self.events.fleet:
                await stop_all(self.events.fleet.untaken)

    def keys(self) -> list[str]:
        """Return the keys of the snapshots that are served."""
        return [key_of(each) for each in self.plane.translator.snapshots]

    def supervisors(self) -> dict[str, Supervisor]:
        """Return the supervisors of Envoys, by Gateway; none with `--no-envoy`."""
        return self.events.fleet.supervisors if self.events.fleet else {}

    def state_repair(self) -> StateRepair:
        """Return the task that restores removed files of the state directory."""

        def launches() -> list[Launch]:
            return [each.launch for each in self.supervisors().values() if each.process]

        open_socket = self.plane.server.open_socket if self.settings.envoy else None
        return StateRepair(self.state, self.tokens, launches, open_socket)

    def report_envoy(self, gateway: str, failure: str | None) -> None:
        """Set a problem of a Gateway whose Envoy fails; clear it if `failure` is None."""
        text = f"Envoy {failure}. Headgate tries again; its log: {self.state.gateway(gateway).log}"
        problems = (Problem("Programmed", "NoResources", text),) if failure else ()
        self.inputs.set_apply_result(gateway_of(gateway), ApplyResult(problems) if problems else None)

    def log_change(self, ready: asyncio.Event, change: FileStoreChange) -> None:
        """Log a change of the files; before Headgate is ready, only its diagnostics."""
        if ready.is_set():
            log_edits(change)
        log_diagnostics(change)
        self.files_changed.set()
