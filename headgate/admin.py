"""Headgate's own HTTP endpoints, for people, Prometheus and orchestrators. Read-only, and without secrets."""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from functools import partial
from itertools import islice
from typing import Any

import orjson
import prometheus_client
from aiohttp import web

from headgate.address import Address
from headgate.controlplane import ControlPlane, gateway_of
from headgate.envoy.supervisor import Supervisor
from headgate.plain import SECTIONS
from headgate.refused import refused
from translator.cell import Why
from translator.refs import Ref
from watchers.diagnostic import Diagnostic
from xds.resource import Reference

#: How many lines of an explanation are shown.
MAX_WHY_LINES = 2000

#: Who has something to evaluate and does not come on for so many seconds never will. A turn takes less than one; what
#: is still being fetched is waited for for a few.
STUCK_SECONDS = 60.0

ENDPOINTS = {
    "/healthz": "whether the process lives, and evaluates what changes: 200 or 503",
    "/readyz": "whether everything that was there at the start is served: 200 or 503",
    "/metrics": "for Prometheus",
    "/status": "the objects with their conditions, the Envoys and the problems in files, as JSON",
    "/config": "for each xDS client what it wants, what is pending and what it refused, as JSON; "
    "?node=ID: of one, also what it has",
    "/why": "?kind=HTTPRoute&namespace=default&name=shop: what the status of an object was derived from; "
    "?gateway=default/web&type=clusters&name=NAME: the same of a resource",
}

FOR_ALL = frozenset({"/", "/healthz", "/readyz", "/metrics"})
"""What is told to whoever reaches the address, where that is not of this machine alone."""


@dataclass(frozen=True, slots=True)
class Sight:
    """What the endpoints look at.

    Attributes:
        plane: the control plane.
        supervisors: gives the supervisors of Envoys, by Gateway.
        diagnostics: gives the problems in the files.
        place: gives "file:line" of an object, "" if it has none.
        address: where the endpoints are.
    """

    plane: ControlPlane
    supervisors: Callable[[], dict[str, Supervisor]]
    diagnostics: Callable[[], tuple[Diagnostic, ...]]
    place: Callable[[Ref], str]
    address: Address


@contextlib.asynccontextmanager
async def serving(sight: Sight) -> AsyncIterator[None]:
    """Answers on the admin address for as long as the context lasts.

    Raises:
        OSError: the address cannot be bound.
    """
    runner = web.AppRunner(application(sight), access_log=None)
    await runner.setup()
    try:
        await web.TCPSite(runner, sight.address.host, sight.address.port).start()
        yield
    finally:
        await runner.cleanup()


def application(sight: Sight) -> web.Application:
    """Makes the application that answers on the admin address."""
    guards = [_only_reading, _known_paths]
    guards.insert(0, _only_this_machine if sight.address.is_loopback else _only_health)
    app = web.Application(middlewares=guards)
    handlers: dict[str, Callable[[Sight, web.Request], web.Response]] = {
        "/healthz": _healthz,
        "/readyz": _readyz,
        "/metrics": _metrics,
        "/status": _status,
        "/config": _config,
        "/why": _why,
    }
    for path, handler in handlers.items():
        app.router.add_get(path, _asynchronous(partial(handler, sight)))
    return app


def _asynchronous(answer: Callable[[web.Request], web.Response]) -> Callable[[web.Request], Awaitable[web.Response]]:
    async def handler(request: web.Request) -> web.Response:
        return answer(request)

    return handler


Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


@web.middleware
async def _only_this_machine(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Refuses foreign host names, which a web page can have lead to loopback (DNS rebinding) to read what is here."""
    host = request.url.host or ""
    if not Address(host, 0).is_loopback:
        return _text(f"this address answers for localhost only, not for the host {host!r}", 403)
    return await handler(request)


@web.middleware
async def _only_health(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Tells others of a cluster no more than whether it is well: what there is of other tenants is not for them."""
    host = (request.remote or "").partition("%")[0]
    if request.path in FOR_ALL or (host and Address(host, 0).is_loopback):
        return await handler(request)
    return _text("only this machine is told that: `kubectl port-forward` leads here by way of it", 403)


@web.middleware
async def _only_reading(request: web.Request, handler: Handler) -> web.StreamResponse:
    if request.method not in ("GET", "HEAD"):
        answer = _text("there is nothing to change here: use GET", 405)
        answer.headers["Allow"] = "GET, HEAD"
        return answer
    return await handler(request)


@web.middleware
async def _known_paths(request: web.Request, handler: Handler) -> web.StreamResponse:
    if request.path in ENDPOINTS:
        return await handler(request)
    lines = [f"{path:10} {text}" for path, text in ENDPOINTS.items()]
    return _text("\n".join(["Headgate's endpoints:", *lines]), 200 if request.path == "/" else 404)


def _text(text: str, status: int = 200) -> web.Response:
    return web.Response(text=f"{text}\n", status=status)


def _json(data: Any) -> web.Response:
    return web.Response(body=orjson.dumps(data, default=str), content_type="application/json")


def _healthz(sight: Sight, _request: web.Request) -> web.Response:
    stuck = sight.plane.stuck_for
    if stuck < STUCK_SECONDS:
        return _text("ok")
    return _text(f"nothing has been evaluated for {stuck:.0f} s, though something has changed", 503)


def _readyz(sight: Sight, _request: web.Request) -> web.Response:
    if sight.plane.ready.is_set():
        return _text("ok")
    problems = [str(each) for each in sight.diagnostics()]
    return _text("\n".join(["the objects that are there at the start are still being read", *problems]), 503)


def _metrics(sight: Sight, _request: web.Request) -> web.Response:
    headers = {"Content-Type": prometheus_client.CONTENT_TYPE_LATEST}
    return web.Response(body=sight.plane.metrics.text(), headers=headers)


def _status(sight: Sight, _request: web.Request) -> web.Response:
    objects = sight.plane.statuses.objects()
    for each in objects:
        metadata = each["metadata"]
        each["place"] = sight.place(Ref(each["kind"], metadata.get("namespace", ""), metadata["name"]))
    envoys = [_envoy(gateway, supervisor) for gateway, supervisor in sorted(sight.supervisors().items())]
    problems = [str(each) for each in sight.diagnostics()]
    refusals = list(map(dataclasses.asdict, refused(sight.plane.translator, sight.plane.server)))
    return _json({"objects": objects, "envoys": envoys, "problems": problems, "refused": refusals})


def _envoy(gateway: str, supervisor: Supervisor) -> dict[str, Any]:
    process = supervisor.process
    return {
        "gateway": gateway,
        "pid": process.pid if process else None,
        "started": process.started if process else None,
        "adopted": process.adopted if process else False,
        "restarts": supervisor.restarts,
        "failure": supervisor.failure,
        "log": str(supervisor.launch.state.log),
        "admin": str(supervisor.launch.state.admin_socket),
    }


def _config(sight: Sight, request: web.Request) -> web.Response:
    clients = [dataclasses.asdict(each) for each in sight.plane.server.clients(request.query.get("node"))]
    snapshots = {
        f"{gateway.namespace}/{gateway.name}": {
            section: {name: each.version for name, each in sorted(snapshot.resources(type_url).items())}
            for section, type_url in SECTIONS.items()
            if snapshot.resources(type_url)
        }
        for gateway, snapshot in sorted(sight.plane.translator.snapshots.items())
    }
    return _json({"clients": clients, "snapshots": snapshots})


def _why(sight: Sight, request: web.Request) -> web.Response:
    """Explains an object's status or a resource; names what was read, not its content, so no secret is shown."""
    query = request.query
    try:
        found = _explained(sight, query)
    except KeyError as error:
        return _text(f"the parameter {error} is missing; as in {ENDPOINTS['/why']}", 400)
    if found is None:
        return _text("nothing is derived from that; `headgate status` names what there is", 404)
    lines = list(islice(found.lines(), MAX_WHY_LINES + 1))
    if len(lines) > MAX_WHY_LINES:
        lines[-1] = "…"
    return _text("\n".join(lines))


def _explained(sight: Sight, query: Any) -> Why | None:
    translator = sight.plane.translator
    if "gateway" not in query:
        return translator.why_status(Ref(query["kind"], query.get("namespace", ""), query["name"]))
    reference = Reference(SECTIONS.get(query["type"], query["type"]), query["name"])
    return translator.why_resource(gateway_of(query["gateway"]), reference)
