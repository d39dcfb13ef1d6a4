"""`headgate run` end to end, with a real Envoy: edits, failures of its parts, and restarts."""

import asyncio
import json
import signal
import socket
import sys
from pathlib import Path

import psutil
import pytest

from tests.headgate.envoy.test_supervisor import is_alive, script
from tests.headgate.running import GATEWAY, ROUTE, Headgate, fetch, free_port
from tests.headgate.waiting import eventually


async def test_an_edit_changes_the_response(headgate: Headgate) -> None:
    """Requests reach the upstream; after an edit of the route's file, its new rules apply."""
    await headgate.start()
    assert await headgate.answers("/a/b", 200) == "/a/b"
    headgate.write("route", ROUTE.format(parent="web", path="/new"))
    await headgate.answers("/a/b", 404)
    assert await headgate.answers("/new", 200) == "/new"


async def test_requests_are_logged_to_a_file(headgate: Headgate) -> None:
    """Each Gateway has a file of requests in the state directory; Headgate's own output has none of them."""
    await headgate.start()
    await headgate.answers("/a/b", 200)
    log = headgate.state / f"127.0.0.1-{headgate.xds}" / "default.web" / "access.log"
    found = await eventually(
        lambda: next((each for each in _read(log).splitlines() if '"response_code":200' in each), "")
    )
    assert json.loads(found)["route"] == "HTTPRoute/default/shop/rule/0/match/0"
    assert "/a/b" not in headgate.log


async def test_edits_leave_a_working_gateway_programmed(headgate: Headgate) -> None:
    """Edits that proxies acknowledge quickly do not change the Gateway's conditions."""
    await headgate.start()
    await headgate.condition("web", "Programmed", "True")
    for edit in range(5):
        headgate.write("route", ROUTE.format(parent="web", path=f"/{edit}"))
        await headgate.answers(f"/{edit}", 200)
    assert headgate.log.count("Gateway default/web is programmed") == 1
    assert "not acknowledged" not in headgate.log


async def test_ctrl_c_stops_everything(headgate: Headgate) -> None:
    """After SIGINT, Headgate ends with exit status 0, and so does its Envoy."""
    await headgate.start()
    await headgate.answers("/a", 200)
    pid = headgate.envoy_pid()
    assert pid
    assert await headgate.end() == 0
    assert not is_alive(pid)


async def test_sigterm_stops_headgate_before_it_is_ready(headgate: Headgate, state_root: Path) -> None:
    """SIGTERM stops Headgate also while its Envoy cannot start."""
    headgate.envoy = script(state_root / "stubborn", "exec sleep 60")
    await headgate.start()
    pid = await eventually(headgate.envoy_pid)
    assert pid
    assert await headgate.end(signal.SIGTERM) == 0
    assert not is_alive(pid)


async def test_a_second_ctrl_c_kills_envoys(headgate: Headgate, state_root: Path) -> None:
    """The second SIGINT kills an Envoy that does not stop."""
    headgate.envoy = script(state_root / "deaf", "trap '' TERM; echo deaf >&2; while :; do sleep 0.05; done")
    await headgate.start()
    pid = await eventually(headgate.envoy_pid)
    await eventually(lambda: "deaf" in _read(state_root / f"127.0.0.1-{headgate.xds}/default.web/envoy.log"))
    assert headgate.process
    headgate.process.send_signal(signal.SIGINT)
    await eventually(lambda: "Stopping" in headgate.log)
    async with asyncio.timeout(3):
        assert await headgate.end() == 0
    assert pid
    assert not is_alive(pid)


def _read(path: Path) -> str:
    return path.read_text() if path.exists() else ""


async def test_the_next_run_adopts_the_envoy_of_a_killed_one(headgate: Headgate) -> None:
    """Envoy serves after Headgate is killed; the next run adopts it, and sends an up-to-date proxy nothing."""
    await headgate.start()
    await headgate.answers("/a", 200)
    await headgate.condition("web", "Programmed", "True")
    pid = headgate.envoy_pid()
    await headgate.end(signal.SIGKILL)
    await headgate.answers("/a", 200)
    await headgate.start()
    await headgate.condition("web", "Programmed", "True")
    (envoy,) = (await headgate.ask("/status"))["envoys"]
    assert (envoy["pid"], envoy["adopted"]) == (pid, True)
    assert "headgate_xds_requests_total{" in (metrics := await headgate.ask("/metrics"))
    assert "headgate_xds_responses_total{" not in metrics
    headgate.write("route", ROUTE.format(parent="web", path="/new"))
    await headgate.answers("/new", 200)


async def test_a_killed_envoy_is_reported_and_restarted(headgate: Headgate) -> None:
    """A killed Envoy is restarted within seconds, and the log reports it."""
    await headgate.start()
    await headgate.answers("/a", 200)
    pid = headgate.envoy_pid()
    assert pid
    psutil.Process(pid).kill()
    await eventually(lambda: headgate.envoy_pid() != pid, within=2)
    await headgate.answers("/a", 200)
    assert "Envoy was killed by SIGKILL; starting it again" in headgate.log


@pytest.mark.slow
async def test_envoys_start_and_stop_with_their_gateways(headgate: Headgate) -> None:
    """Each Gateway has its own Envoy, which ends after the Gateway's file is deleted; the others stay."""
    headgate.write("other", GATEWAY.format(name="other", port=free_port()))
    await headgate.start()
    await headgate.condition("other", "Programmed", "True")
    await headgate.answers("/a", 200)
    first, other = headgate.envoy_pid(), headgate.envoy_pid("default.other")
    (headgate.folder / "other.yaml").unlink()
    assert other
    await eventually(lambda: not is_alive(other), within=30)
    assert "Stopping Envoy" in headgate.log
    await headgate.answers("/a", 200)
    assert headgate.envoy_pid() == first


@pytest.mark.slow
async def test_the_envoy_of_a_gateway_deleted_between_runs_is_stopped(headgate: Headgate) -> None:
    """The Envoy of a Gateway that was deleted while no Headgate ran is stopped by the next one."""
    await headgate.start()
    await headgate.answers("/a", 200)
    pid = headgate.envoy_pid()
    await headgate.end(signal.SIGKILL)
    (headgate.folder / "gateway.yaml").unlink()
    await headgate.start()
    assert pid
    await eventually(lambda: not is_alive(pid), within=30)
    assert "there is no Gateway to serve" in headgate.log


@pytest.mark.slow
async def test_an_error_does_not_stop_the_envoy_of_an_earlier_run(headgate: Headgate) -> None:
    """While a file has an error, the Envoy of an earlier run goes on; it is adopted when the error is corrected."""
    await headgate.start()
    await headgate.answers("/a", 200)
    pid = headgate.envoy_pid()
    await headgate.end(signal.SIGKILL)
    good = (headgate.folder / "gateway.yaml").read_text()
    headgate.write("gateway", "kind: [")
    await headgate.start()
    await eventually(lambda: "keep running until the files have no errors" in headgate.log)
    await headgate.answers("/a", 200)
    headgate.write("gateway", good)
    await headgate.condition("web", "Programmed", "True")
    assert headgate.envoy_pid() == pid


@pytest.mark.slow
async def test_a_remaining_envoy_of_an_earlier_run_is_stopped(headgate: Headgate) -> None:
    """Ctrl-C also stops an Envoy of an earlier run that waits for the correction of an error."""
    await headgate.start()
    await headgate.answers("/a", 200)
    pid = headgate.envoy_pid()
    await headgate.end(signal.SIGKILL)
    headgate.write("gateway", "kind: [")
    await headgate.start()
    await eventually(lambda: "keep running until the files have no errors" in headgate.log)
    await headgate.end()
    assert pid
    assert not is_alive(pid)


async def test_an_envoy_is_started_within_its_descriptors(headgate: Headgate) -> None:
    """An Envoy has the hard limit of file descriptors, whatever the soft one, and fewer connections if that is low."""
    headgate.prefix = ("sh", "-c", 'ulimit -Sn 300 && ulimit -Hn 1000 && exec "$@"', "sh")
    await headgate.start()
    await headgate.answers("/a", 200)
    pid = headgate.envoy_pid()
    assert pid
    if sys.platform == "linux":
        assert psutil.Process(pid).rlimit(psutil.RLIMIT_NOFILE) == (1000, 1000)
    assert '"max_active_downstream_connections": "248"' in headgate.bootstrap()
    assert headgate.log.count("only 1,000 file descriptors") == 1


async def test_a_port_in_use_is_a_condition(headgate: Headgate) -> None:
    """The Gateway's condition reports a port that another program uses, with the way out."""
    with socket.create_server(("127.0.0.1", headgate.port)):
        await headgate.start()
        found = await headgate.condition("web", "Programmed", "False")
        while found["reason"] == "Pending":
            found = await headgate.condition("web", "Programmed", "False")
        assert found["reason"] == "AddressNotUsable"
        assert "Another program has the port" in found["message"]
    assert "Gateway default/web is not programmed: Another program has the port" in headgate.log


async def test_a_port_that_becomes_free_is_used(headgate: Headgate) -> None:
    """Once the port is free, the listener is sent again without any edit, and serves."""
    with socket.create_server(("127.0.0.1", headgate.port)):
        await headgate.start()
        while (await headgate.condition("web", "Programmed", "False"))["reason"] == "Pending":
            pass
    await headgate.condition("web", "Programmed", "True")
    await headgate.answers("/a", 200)


@pytest.mark.slow
async def test_a_broken_file_keeps_its_former_objects(headgate: Headgate) -> None:
    """A file that is no longer YAML is reported with its line, and its former objects stay served."""
    await headgate.start()
    await headgate.answers("/a", 200)
    headgate.write("route", "kind: [")
    await eventually(lambda: "route.yaml:" in headgate.log)
    await headgate.answers("/a", 200)
    (problem,) = (await headgate.ask("/status"))["problems"]
    assert "route.yaml:" in problem


@pytest.mark.slow
async def test_a_second_run_on_the_same_address_is_an_error(headgate: Headgate) -> None:
    """The error of a second run names the first, which goes on."""
    await headgate.start()
    await headgate.answers("/a", 200)
    second = Headgate(headgate.folder, headgate.state, headgate.envoy, xds=headgate.xds)
    await second.start()
    assert second.process
    assert await second.process.wait() == 1
    assert headgate.process
    assert f"another `headgate run` (process {headgate.process.pid}) serves" in headgate.log
    await headgate.answers("/a", 200)


@pytest.mark.parametrize("option", ["xds", "admin"])
async def test_an_address_in_use_is_an_error(headgate: Headgate, option: str) -> None:
    """An own address that another program uses is one error, with the port and the program."""
    with socket.create_server(("127.0.0.1", getattr(headgate, option))) as taken:
        await headgate.start()
        assert headgate.process
        assert await headgate.process.wait() == 1
        port = taken.getsockname()[1]
    assert f"cannot listen on 127.0.0.1:{port}: the port is taken by " in headgate.log
    assert f"choose another --{option}-address" in headgate.log
    assert "Traceback" not in headgate.log


async def test_a_missing_folder_is_an_error(headgate: Headgate, tmp_path: Path) -> None:
    """A folder that does not exist is one error, with exit status 1."""
    headgate.folder = tmp_path / "missing"
    await headgate.start()
    assert headgate.process
    assert await headgate.process.wait() == 1
    assert "missing' does not exist" in headgate.log
    assert "Traceback" not in headgate.log
    assert "is starting" not in headgate.log


async def test_endpoints_of_the_admin_server(headgate: Headgate) -> None:
    """Every endpoint of the admin server responds; an unknown one lists them; other methods than GET are rejected."""
    await headgate.start()
    await headgate.condition("web", "Programmed", "True")
    assert await headgate.ask("/healthz") == "ok\n"
    assert await headgate.ask("/readyz") == "ok\n"
    assert 'headgate_envoy_up{gateway="default/web"} 1.0' in await headgate.ask("/metrics")
    config = await headgate.ask("/config")
    assert [client["synced"] for client in config["clients"]] == [True]
    kinds = {"listeners", "routes", "clusters", "endpoints", "extension_configs"}
    assert set(config["snapshots"]["default/web"]) == kinds
    why = await headgate.ask("/explain?kind=HTTPRoute&namespace=default&name=shop")
    assert "input(HTTPRoute, HTTPRoute default/shop)" in why
    why = await headgate.ask(f"/explain?gateway=default/web&type=listeners&name=port-{headgate.port}")
    assert "input(Gateway, Gateway default/web)" in why
    assert "'name' is missing" in await headgate.ask("/explain?kind=HTTPRoute")
    assert "no such status" in await headgate.ask("/explain?kind=HTTPRoute&name=no")
    assert "/readyz" in await headgate.ask("/no-such-thing")


async def test_the_admin_server_rejects_foreign_hosts(headgate: Headgate) -> None:
    """A foreign host name is rejected, so that no web page can read responses."""
    await headgate.start()
    await headgate.condition("web", "Programmed", "True")
    reader, writer = await asyncio.open_connection("127.0.0.1", headgate.admin)
    writer.write(b"GET /status HTTP/1.1\r\nHost: evil.example\r\nConnection: close\r\n\r\n")
    assert (await reader.readline()).startswith(b"HTTP/1.1 403")
    writer.close()
    reader, writer = await asyncio.open_connection("127.0.0.1", headgate.admin)
    writer.write(b"POST /status HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
    assert (await reader.readline()).startswith(b"HTTP/1.1 405")
    writer.close()
    assert await fetch(f"http://localhost:{headgate.admin}/healthz") == "ok\n"
