"""The admin server: HTTP endpoints for operators, Prometheus and probes. Read-only, and without secrets."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from itertools import islice
from typing import TYPE_CHECKING, Any

import orjson
import prometheus_client
from aiohttp import web
from aiohttp.typedefs import Middleware
from multidict import MultiMapping

from headgate.admin.access import AccessCheck, Handler, known_hosts, require_token
from headgate.admin.connections import listening
from headgate.admin.streaming import JsonDocument, JsonPart, JsonSection, send
from headgate.admin.token import Token
from headgate.controlplane.nack_reports import nack_reports
from headgate.controlplane.plane import ControlPlane
from headgate.observability.encoding import to_text
from headgate.process.address import Address
from headgate.reporting.proto_json import SECTIONS
from translator.engine.memo import Trace
from translator.objects.gateway_api.gateway import gateway_of, key_of
from translator.refs import Ref
from watchers.diagnostics import Diagnostic
from xds import Client, FaultLog, Reference, Snapshot

if TYPE_CHECKING:
    from headgate.envoy.supervisor import Supervisor

#: The most lines of an explanation.
MAX_EXPLANATION_LINES = 2000

#: The seconds without progress of a due evaluation after which /healthz fails. A turn of the evaluation takes less than
#: one second; fetching referenced objects takes a few.
STALLED_SECONDS = 60.0

ENDPOINTS = {
    "/healthz": "liveness: the process evaluates changes: 200 or 503",
    "/readyz": "readiness: the objects that existed at the start are served: 200 or 503",
    "/metrics": "metrics for Prometheus",
    "/status": "the objects with their conditions, the Envoys, NACKs and problems of files, as JSON",
    "/config": "the subscriptions, pending and rejected resources of each xDS client, as JSON; "
    "?node=ID: of one client, also its versions",
    "/explain": "?kind=HTTPRoute&namespace=default&name=shop: the inputs of an object's status; "
    "?gateway=default/web&type=clusters&name=NAME: the inputs of a resource; "
    "?method=GET&url=http://example.com/: what becomes of a request, as `headgate explain` shows it",
}

#: The seconds that an explanation of a request waits for the evaluation of edits.
SETTLED_SECONDS = 5.0

#: The paths that show what is evaluated: of a replica that holds edits back, these are evaluated first.
EVALUATED = ("/status", "/config", "/explain")

RENAMED = {"/why": "/explain"}
"""Paths of earlier versions, and their present names."""


@dataclass(frozen=True, slots=True)
class AdminState:
    """The state that the endpoints read.

    Attributes:
        plane: the control plane.
        supervisors: returns the supervisors of Envoys, by Gateway.
        diagnostics: returns the diagnostics of the files or the cluster.
        place: returns "file:line" of an object, "" if it has none.
        address: the address of the admin server.
        hosts: further names in the Host header that the server accepts.
        may: authorises tokens of others for configuration, where other machines reach the address; None denies them.
        faults: logs bugs in handlers.
    """

    plane: ControlPlane
    supervisors: Callable[[], dict[str, Supervisor]]
    diagnostics: Callable[[], tuple[Diagnostic, ...]]
    place: Callable[[Ref], str]
    address: Address
    hosts: tuple[str, ...] = ()
    may: AccessCheck | None = None
    faults: FaultLog = field(default_factory=FaultLog)


@contextlib.asynccontextmanager
async def serving(state: AdminState) -> AsyncIterator[None]:
    """Serve the admin endpoints for as long as the context lasts.

    Raises:
        OSError: the address cannot be bound.
    """
    token = Token(state.address)
    if not state.address.is_loopback:
        token.write()
    async with listening(application(state, token), state.address):
        yield


def application(state: AdminState, token: Token | None = None) -> web.Application:
    """Return the application of the admin server; `token` authenticates on addresses other than loopback."""
    guards = [
        _log_faults(state.faults),
        known_hosts(state.address, state.hosts),
        _read_only,
        _known_paths,
        _caught_up(state),
    ]
    if not state.address.is_loopback:
        guards.insert(2, require_token(token or Token(state.address), state.may))
    app = web.Application(middlewares=guards)
    handlers: dict[str, Callable[[AdminState, web.Request], Awaitable[web.StreamResponse]]] = {
        "/healthz": _healthz,
        "/readyz": _readyz,
        "/metrics": _metrics,
        "/status": _status,
        "/config": _config,
        "/explain": _explain,
    }
    for path, handler in handlers.items():
        app.router.add_get(path, partial(handler, state))
    return app


def _log_faults(faults: FaultLog) -> Middleware:
    """Respond with 500 to a request whose handler has a bug, and log the bug."""

    @web.middleware
    async def check(request: web.Request, handler: Handler) -> web.StreamResponse:
        try:
            return await handler(request)
        except (web.HTTPException, ConnectionError):
            raise
        except Exception as error:
            faults.tell(f"The page {request.path}", error)
            return _text("a bug in Headgate: see its log", 500)

    return check


def _caught_up(state: AdminState) -> Middleware:
    """Evaluate edits that were held back before their evaluation is shown."""

    @web.middleware
    async def catch_up(request: web.Request, handler: Handler) -> web.StreamResponse:
        if request.path in EVALUATED:
            await state.plane.evaluator.catch_up()
        return await handler(request)

    return catch_up


@web.middleware
async def _read_only(request: web.Request, handler: Handler) -> web.StreamResponse:
    if request.method not in ("GET", "HEAD"):
        answer = _text("this server is read-only: use GET", 405)
        answer.headers["Allow"] = "GET, HEAD"
        return answer
    return await handler(request)


@web.middleware
async def _known_paths(request: web.Request, handler: Handler) -> web.StreamResponse:
    if request.path in ENDPOINTS:
        return await handler(request)
    renamed = RENAMED.get(request.path)
    moved = [f"{request.path} is now called {renamed}.", ""] if renamed else []
    lines = [f"{path:10} {text}" for path, text in ENDPOINTS.items()]
    return _text("\n".join([*moved, "Headgate's endpoints:", *lines]), 200 if request.path == "/" else 404)


def _text(text: str, status: int = 200) -> web.Response:
    return web.Response(body=to_text(f"{text}\n"), status=status, content_type="text/plain", charset="utf-8")


async def _healthz(state: AdminState, _request: web.Request) -> web.Response:
    stalled = state.plane.evaluator.stalled_seconds
    if stalled < STALLED_SECONDS:
        return _text("ok")
    return _text(f"no progress of the evaluation for {stalled:.0f} s, although there are changes", 503)


async def _readyz(state: AdminState, _request: web.Request) -> web.Response:
    if state.plane.keys.ready.is_set():
        return _text("ok")
    problems = [str(each) for each in state.diagnostics()]
    return _text("\n".join(["not all objects have been read and served since the start", *problems]), 503)


async def _metrics(state: AdminState, _request: web.Request) -> web.Response:
    headers = {"Content-Type": prometheus_client.CONTENT_TYPE_LATEST}
    return web.Response(body=state.plane.metrics.text(), headers=headers)


async def _status(state: AdminState, request: web.Request) -> web.StreamResponse:
    plane = state.plane

    def placed(ref: Ref) -> Iterator[dict[str, Any]]:
        if (found := plane.statuses.object(ref)) is not None:
            yield {**found, "place": state.place(ref)}

    supervisors, gateways = sorted(state.supervisors().items()), sorted(plane.translator.snapshots)
    sections = [
        JsonSection("objects", (JsonPart(str(ref), partial(placed, ref)) for ref in plane.statuses.refs())),
        JsonSection(
            "envoys", (JsonPart(f"the Envoy of {key}", partial(_envoy, key, each)) for key, each in supervisors)
        ),
        JsonSection(
            "refused",
            (
                JsonPart(f"NACKs of {each}", partial(nack_reports, plane.translator, plane.server, each))
                for each in gateways
            ),
        ),
    ]
    return await send(request, JsonDocument(sections, lambda: map(str, state.diagnostics()), state.faults))


def _envoy(gateway: str, supervisor: Supervisor) -> Iterator[dict[str, Any]]:
    process = supervisor.process
    yield {
        "gateway": gateway,
        "pid": process.pid if process else None,
        "started": process.started if process else None,
        "adopted": process.adopted if process else False,
        "restarts": supervisor.restarts,
        "failure": supervisor.failure,
        "log": str(supervisor.launch.state.log),
        "admin": str(supervisor.launch.state.admin_socket),
    }


async def _config(state: AdminState, request: web.Request) -> web.StreamResponse:
    clients = state.plane.server.iter_clients(request.query.get("node"))
    snapshots = sorted(state.plane.translator.snapshots.items())
    sections = [
        JsonSection("clients", (JsonPart(f"the xDS client {each.node}", partial(_client, each)) for each in clients)),
        JsonSection(
            "snapshots", (JsonPart(key_of(ref), partial(_versions, each)) for ref, each in snapshots), mapping=True
        ),
    ]
    return await send(request, JsonDocument(sections, tuple, state.faults))


def _client(client: Client) -> Iterator[dict[str, Any]]:
    yield dataclasses.asdict(client)


def _versions(snapshot: Snapshot) -> Iterator[dict[str, dict[str, str]]]:
    yield {
        section: {name: each.version for name, each in sorted(snapshot.resources(type_url).items())}
        for section, type_url in SECTIONS.items()
        if snapshot.resources(type_url)
    }


async def _explain(state: AdminState, request: web.Request) -> web.Response:
    """Explain a status or a resource by the names of its inputs, without their content: no secret is shown."""
    query = request.query
    if "url" in query:
        return await _explain_request(state, query)
    try:
        found = _explained(state, query)
    except KeyError as error:
        return _text(f"the parameter {error} is missing; examples: {ENDPOINTS['/explain']}", 400)
    if found is None:
        return _text("no such status or resource; `headgate status` lists the objects", 404)
    lines = list(islice(found.lines(), MAX_EXPLANATION_LINES + 1))
    if len(lines) > MAX_EXPLANATION_LINES:
        lines[-1] = "…"
    return _text("\n".join(lines))


def _explained(state: AdminState, query: Any) -> Trace | None:
    translator = state.plane.translator
    if "gateway" not in query:
        return translator.trace_status(Ref(query["kind"], query.get("namespace", ""), query["name"]))
    reference = Reference(SECTIONS.get(query["type"], query["type"]), query["name"])
    return translator.trace_resource(gateway_of(query["gateway"]), reference)


def _model(query: MultiMapping[str]) -> str | None:
    """Return the model that a body names: it comes with a sign before it; without one, no model can be read."""
    found = query.get("model", "=")
    return found.removeprefix("=") if found else None


async def _explain_request(state: AdminState, query: MultiMapping[str]) -> web.Response:
    """Explain what becomes of a request, by the resources that are served and the objects that they come from."""
    # Imported when first asked for: nothing else needs the messages that it reads.
    from headgate.reporting.explanation import to_json
    from translator.explain.explain import candidates, chosen
    from translator.explain.request import parse_request

    translator = state.plane.translator
    try:
        size = int(query["size"]) if "size" in query else None
        asked = parse_request(query.get("method", "GET"), query["url"], query.getall("header", []), size, _model(query))
    except ValueError as error:
        return _text(str(error), 400)
    # A large route configuration takes a moment to read, during which others are served.
    found = await asyncio.to_thread(candidates, dict(translator.snapshots), asked, query.get("gateway"))
    try:
        async with asyncio.timeout(SETTLED_SECONDS), state.plane.evaluator.settled():
            made = chosen(translator.reader, found, asked)
    except TimeoutError:
        return _text("objects keep changing, and are being evaluated: try again", 503)
    return web.Response(body=orjson.dumps(to_json(asked, made)), content_type="application/json")
