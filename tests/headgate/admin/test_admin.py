"""The admin server: no object, client or bug breaks an endpoint, and configuration requires a token."""

from __future__ import annotations

import asyncio
import contextlib
import json
import socket
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from aiohttp import web

import headgate.admin.connections as connections
from bench.world import world
from headgate.admin.client import fetch_explanation
from headgate.admin.server import AdminState, serving
from headgate.admin.token import Token
from headgate.controlplane.plane import ControlPlane
from headgate.observability.metrics import OTHERS, Metrics, XdsGauges
from headgate.process.address import Address
from headgate.process.errors import UserError
from headgate_proto.envoy.config.core.v3 import base_pb2
from tests.headgate.controlplane.planes import batches, make
from tests.headgate.running import free_port
from tests.headgate.waiting import eventually
from tests.xds.calls import Dial
from tests.xds.conftest import dial
from translator.refs import Ref
from xds.resources.types import CLUSTER
from xds.server.server import Server

__all__ = ["dial"]

GATEWAY = "shop/web"


class Fault(Exception):
    """A bug."""


class Admin:
    """A running admin server."""

    def __init__(self, plane: ControlPlane, port: int) -> None:
        self.plane = plane
        self.port = port

    async def get(self, path: str, **headers: str) -> tuple[int, str]:
        """Return the status and the body of a response."""
        async with (
            asyncio.timeout(10),
            aiohttp.request("GET", f"http://127.0.0.1:{self.port}{path}", headers=headers) as response,
        ):
            return response.status, await response.text()


@contextlib.asynccontextmanager
async def running(
    host: str = "127.0.0.1", place: Callable[[Ref], str] = lambda _: "", **kwargs: Any
) -> AsyncIterator[Admin]:
    """Yield an admin server with 20 routes."""
    metrics = Metrics()
    async with Server(lambda node: node.cluster, observer=metrics) as server:
        plane, _ = make(server, metrics=metrics)
        metrics.collect(XdsGauges(server.clients, dict, tuple))
        evaluating = asyncio.create_task(plane.evaluator.run())
        await plane.evaluator.take(batches(*world(20, hosts=5, services=3)))
        await plane.keys.ready.wait()
        address = Address(host, free_port())
        async with serving(AdminState(plane, dict, kwargs.pop("diagnostics", tuple), place, address, **kwargs)):
            yield Admin(plane, address.port)
        evaluating.cancel()


PAGES = {
    "/healthz": "ok",
    "/readyz": "ok",
    "/metrics": "headgate_build_info",
    "/status": '"objects"',
    "/config": '"snapshots"',
    "/explain?kind=HTTPRoute&namespace=shop&name=route-0": "input(HTTPRoute",
}


def broken(*_: object, **__: object) -> Any:
    """Fails."""
    raise Fault


FAULTS = {
    "/healthz": "headgate.controlplane.evaluator.Evaluator.stalled_seconds",
    "/metrics": "headgate.observability.metrics.Metrics.text",
    "/status": "headgate.controlplane.status_store.StatusStore.refs",
    "/config": "xds.server.server.Server.iter_clients",
    "/explain": "translator.translator.Translator.trace_status",
}


@pytest.mark.parametrize("page", FAULTS)
async def test_a_bug_in_an_endpoint_affects_it_only(
    page: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """An endpoint with a bug responds with 500, and the log says why; all other endpoints respond."""
    async with running() as admin:
        monkeypatch.setattr(FAULTS[page], property(broken) if page == "/healthz" else broken)
        for path, expected in PAGES.items():
            status, text = await admin.get(path)
            if path.startswith(page):
                assert (status, text) == (500, "a bug in Headgate: see its log\n")
            else:
                assert status == 200
                assert expected in text
    assert f"The page {page}" in caplog.text


async def test_only_an_object_with_a_bug_is_left_out(caplog: pytest.LogCaptureFixture) -> None:
    """An object that cannot be encoded is listed in `problems`; all others are shown."""

    def place(ref: Ref) -> str:
        if ref.name == "route-3":
            raise Fault
        return ""

    async with running(place=place) as admin:
        status, text = await admin.get("/status")
        assert status == 200
        found = json.loads(text)
        names = {each["metadata"]["name"] for each in found["objects"] if each["kind"] == "HTTPRoute"}
        assert names == {f"route-{number}" for number in range(20)} - {"route-3"}
        assert ["route-3" in each for each in found["problems"]] == [True]
    assert "route-3 cannot be shown" in caplog.text


async def test_no_value_breaks_an_endpoint() -> None:
    """Values without a form in UTF-8 or JSON (file names, large numbers) are escaped."""
    odd = "\udcff.yaml:1: no such \ud800 thing"
    problems: Any = lambda: (odd, 2**70, {1: {2**64 - 1}}, [[]])  # noqa: E731
    async with running(place=lambda _: "/tmp/\udcff.yaml:3", diagnostics=problems) as admin:
        status, text = await admin.get("/status")
        assert status == 200
        found = json.loads(text)
        assert {each["place"] for each in found["objects"]} == {r"/tmp/\udcff.yaml:3"}
        assert found["problems"][0] == r"\udcff.yaml:1: no such \ud800 thing"
        admin.plane.keys.ready.clear()
        status, text = await admin.get("/readyz")
        assert status == 503
        assert r"\udcff.yaml:1" in text


async def test_a_failing_collector_affects_its_metrics_only(caplog: pytest.LogCaptureFixture) -> None:
    """Metrics that cannot be collected are missing, counted and logged; all others are exported."""

    class Broken(XdsGauges):
        """Fails."""

        def collect(self) -> Any:
            """Fails."""
            raise Fault

    async with running() as admin:
        admin.plane.metrics.collect(Broken(tuple, dict, tuple))
        assert (await admin.get("/metrics"))[0] == 200
        status, text = await admin.get("/metrics")
        assert status == 200
        assert "headgate_xds_clients_synced" in text
        assert "headgate_policy_targets_missing 0.0" in text
        assert 'headgate_collector_failures_total{collector="Broken"} 1.0' in text
        assert "process_resident_memory_bytes" in text
    assert "The metrics of Broken" in caplog.text


async def test_unknown_types_share_a_series(dial: Dial) -> None:
    """The metrics have a label for each known resource type, and one for all unknown ones."""
    async with running() as admin:
        for number in range(3):
            call = dial(admin.plane.server)
            for other in range(20):
                await call.request(f"type.googleapis.com/{number}.{other}", node=base_pb2.Node(id="a", cluster=GATEWAY))
            await call.request(CLUSTER)
            await call.response()
        expected = f'headgate_xds_requests_total{{type="{OTHERS}"}} 60.0'
        await eventually(lambda: expected in admin.plane.metrics.text().decode())
        text = admin.plane.metrics.text().decode()
        assert text.count("headgate_xds_requests_total{") == 2
        found = json.loads((await admin.get("/config"))[1])
        assert len(found["clients"]) == 3


@pytest.mark.parametrize(
    ("host", "expected"),
    [
        ("127.0.0.1", 200),
        ("localhost:1", 200),
        ("10.1.2.3:19080", 200),
        ("[::1]", 200),
        ("headgate.example.com", 200),
        ("headgate.headgate-system.svc:19080", 200),
        ("evil.example", 403),
        ("127.0.0.1.evil.example", 403),
        ("localhost.evil.example:19080", 403),
        ("svc.evil.example", 403),
        ("[", 403),
    ],
)
@pytest.mark.usefixtures("state")
async def test_foreign_host_names_are_rejected(host: str, expected: int) -> None:
    """A foreign Host header is rejected by every endpoint, also through a port-forward (DNS rebinding)."""
    async with running("0.0.0.0", hosts=("headgate.example.com",)) as admin:
        for path in ("/healthz", "/metrics"):
            status, _ = await admin.get(path, Host=host)
            assert status in ((expected,) if host != "[" else (400, 403))


@pytest.fixture
def state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return the directory for state."""
    monkeypatch.setenv("HEADGATE_STATE_DIR", str(tmp_path))
    return tmp_path


async def test_configuration_requires_a_token(state: Path) -> None:
    """Off loopback, a request for configuration needs loopback and a token: the process' own, or an authorised one."""
    asked: list[tuple[str, str]] = []

    async def may(token: str, path: str) -> str:
        asked.append((token, path))
        return "" if token == "reader" else "no"

    async with running("0.0.0.0", may=may) as admin:
        own = Token(Address("0.0.0.0", admin.port)).read()
        assert (state / f"admin-{admin.port}.token").stat().st_mode & 0o777 == 0o600
        for path in ("/status", "/config", "/explain?kind=HTTPRoute&namespace=shop&name=route-0"):
            assert (await admin.get(path))[0] == 401
            assert (await admin.get(path, Authorization="Basic eDp5"))[0] == 401
            assert (await admin.get(path, Authorization="Bearer \u00e9"))[0] == 403
            assert (await admin.get(path, Authorization="Bearer reader"))[0] == 200
            assert (await admin.get(path, Authorization=f"Bearer {own}"))[0] == 200
        assert ("reader", "/explain") in asked
        assert not any(own in each for each in asked)
        for path in ("/", "/healthz", "/readyz", "/metrics"):
            assert (await admin.get(path))[0] == 200


async def test_an_explanation_is_cut(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of a long explanation, the first lines are shown, and an ellipsis."""
    async with running() as admin:
        _, whole = await admin.get("/explain?kind=HTTPRoute&namespace=shop&name=route-0")
        monkeypatch.setattr("headgate.admin.server.MAX_EXPLANATION_LINES", 3)
        _, cut = await admin.get("/explain?kind=HTTPRoute&namespace=shop&name=route-0")
        assert cut.splitlines() == [*whole.splitlines()[:3], "…"]


async def test_a_request_is_explained(monkeypatch: pytest.MonkeyPatch) -> None:
    """The running Headgate explains requests by what it serves, and refuses what is none."""
    async with running() as admin:
        status, text = await admin.get("/explain?method=GET&url=http://host-0.example.com/&header=x:%20y&size=3")
        assert status == 200
        (gateway,) = json.loads(text)["gateways"]
        assert gateway["gateway"] == GATEWAY
        address = Address("127.0.0.1", admin.port)
        told = await asyncio.to_thread(fetch_explanation, address, "GET", "http://x.test/", ["a: b"], 3, GATEWAY)
        assert told["gateways"][0]["gateway"] == GATEWAY
        with pytest.raises(UserError, match="serves no Gateway a/b"):
            await asyncio.to_thread(fetch_explanation, address, "GET", "http://x.test/", [], None, "a/b")
        with pytest.raises(UserError, match="has no scheme"):
            await asyncio.to_thread(fetch_explanation, address, "GET", "x.test", [], None, None)
        assert (await admin.get("/explain?url=http://x.test/&size=many"))[0] == 400
        monkeypatch.setattr("headgate.admin.server.SETTLED_SECONDS", 0.05)
        monkeypatch.setattr(admin.plane.evaluator, "_changed", asyncio.Event())
        admin.plane.evaluator._changed.set()
        status, text = await admin.get("/explain?url=http://x.test/")
        assert (status, "try again" in text) == (503, True)


async def test_a_renamed_path_has_its_new_name() -> None:
    """A path of an earlier version responds with 404 and its new name."""
    async with running() as admin:
        status, text = await admin.get("/why?kind=HTTPRoute&namespace=shop&name=route-0")
        assert status == 404
        assert text.startswith("/why is now called /explain.\n")


async def test_idle_connections_do_not_block_others(monkeypatch: pytest.MonkeyPatch) -> None:
    """Above the limit, the oldest connection is closed, so that a probe succeeds with any number of open ones."""
    monkeypatch.setattr(connections, "MAX_CONNECTIONS", 3)
    async with running() as admin:
        silent = [await asyncio.open_connection("127.0.0.1", admin.port) for _ in range(10)]
        assert (await admin.get("/healthz"))[0] == 200
        for reader, _ in silent[:7]:
            with contextlib.suppress(ConnectionError):
                assert await reader.read() == b""
        for _, writer in silent:
            writer.close()


async def test_a_burst_of_connections_is_not_dropped() -> None:
    """The backlog has room for some hundred connections, so that the SYN of a probe is not dropped."""
    async with running() as admin:
        with contextlib.ExitStack() as burst:
            for _ in range(300):  # nothing is accepted meanwhile: this blocks the event loop
                burst.enter_context(socket.create_connection(("127.0.0.1", admin.port), timeout=0.5))
            assert (await admin.get("/healthz"))[0] == 200


@pytest.mark.parametrize(
    "request_bytes",
    [
        b"GET http:///config HTTP/1.1\r\nHost: localhost\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: localhost\r\nHost: other\r\n\r\n",
        b"\x16\x03\x01\x00\xff\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: localhost\r\nX: " + b"a" * 100_000 + b"\r\n\r\n",
    ],
)
async def test_malformed_requests_are_not_logged(request_bytes: bytes, caplog: pytest.LogCaptureFixture) -> None:
    """A malformed request gets a 400 and no line in the log, which any client could fill."""
    async with running() as admin:
        caplog.clear()
        reader, writer = await asyncio.open_connection("127.0.0.1", admin.port)
        writer.write(request_bytes)
        async with asyncio.timeout(10):
            assert b" 400 " in await reader.readline()
        writer.close()
    assert caplog.records == []


async def test_the_lifetime_of_a_connection_is_limited(monkeypatch: pytest.MonkeyPatch) -> None:
    """A client that does not finish a request is disconnected."""
    monkeypatch.setattr(connections, "CONNECTION_SECONDS", 0.2)
    async with running() as admin, asyncio.timeout(10):
        reader, writer = await asyncio.open_connection("127.0.0.1", admin.port)
        writer.write(b"GET /healthz HTTP/1.1\r\nX: ")
        with contextlib.suppress(ConnectionError):
            assert await reader.read() == b""
        writer.close()


async def test_an_idle_connection_of_the_admin_server_is_closed(monkeypatch: pytest.MonkeyPatch) -> None:
    """A client without a further request is disconnected."""
    monkeypatch.setattr(connections, "IDLE_SECONDS", 0.1)
    async with running() as admin, asyncio.timeout(10):
        reader, writer = await asyncio.open_connection("127.0.0.1", admin.port)
        writer.write(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n")
        assert (await reader.read()).startswith(b"HTTP/1.1 200")
        writer.close()


async def test_a_slow_response_does_not_delay_a_shutdown(monkeypatch: pytest.MonkeyPatch) -> None:
    """At a shutdown, responses in progress are awaited for a moment, and then cut off."""
    monkeypatch.setattr(connections, "STOP_SECONDS", 0.1)
    asked = asyncio.Event()

    async def endless(_: web.Request) -> web.Response:
        asked.set()
        await asyncio.Event().wait()
        raise AssertionError

    application, address = web.Application(), Address("127.0.0.1", free_port())
    application.router.add_get("/", endless)
    async with asyncio.timeout(10):
        async with connections.listening(application, address):
            reader, writer = await asyncio.open_connection("127.0.0.1", address.port)
            writer.write(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
            await asked.wait()
        assert await reader.read() == b""
        writer.close()


async def test_a_head_has_no_body() -> None:
    """The response to HEAD has no body, for JSON as well."""
    async with running() as admin, aiohttp.request("HEAD", f"http://127.0.0.1:{admin.port}/status") as response:
        assert (response.status, response.content_type) == (200, "application/json")
        assert await response.read() == b""
