"""Access to the xDS server of `headgate run`, and connections of the user's own Envoys."""

import asyncio
import json
import shlex
import subprocess
import sys
import time
from pathlib import Path

import grpc
import pytest
import structlog
from typer.testing import CliRunner

from bench import world as documents
from headgate.cli import app
from headgate.controlplane.publisher import SnapshotKeys
from headgate.security.proxy_tokens import ProxyTokens
from headgate.standalone.authentication import LOG_INTERVAL, MAX_LISTED, MAX_LOGGED, EnvoyAuthentication
from tests.headgate.running import GATEWAY, ROUTE, SERVICE, Headgate, free_port
from tests.headgate.waiting import eventually
from tests.live.proxyless import stream_status
from translator.inputs import Settings
from translator.translator import Translator
from xds import Peer, StreamRejected
from xds.resources.types import CLUSTER


async def test_without_envoy_the_log_has_the_bootstrap_command(headgate: Headgate) -> None:
    """With --no-envoy no Envoy is started, and the log has the command that prints a bootstrap."""
    headgate.arguments = ("--no-envoy",)
    await headgate.start()
    await headgate.condition("web", "Programmed", "False")
    await eventually(lambda: "headgate bootstrap --gateway default/web" in headgate.log)
    assert headgate.envoy_pid() is None


async def test_own_envoys_need_no_certificates(headgate: Headgate, tmp_path: Path) -> None:
    """With --xds-tls, Headgate's own Envoys need none, also without the authority's key or with long names."""
    assert CliRunner().invoke(app, ["certs", str(tmp_path / "tls")]).exit_code == 0
    (tmp_path / "tls" / "ca.key").unlink()
    long = "x" * 250
    headgate.write("long", GATEWAY.format(name=long, port=free_port()))
    headgate.arguments = ("--xds-tls", str(tmp_path / "tls"))
    await headgate.start()
    await headgate.condition("web", "Programmed", "True")
    await headgate.condition(long, "Programmed", "True")


def test_plain_text_off_loopback_is_an_error(tmp_path: Path) -> None:
    """Plain text on an address that other machines reach needs an option."""
    refused = CliRunner().invoke(app, ["run", str(tmp_path), "--xds-address", "0.0.0.0:0"])
    assert refused.exit_code == 1
    assert "--xds-tls" in refused.output
    assert "--xds-plain-text" in refused.output


async def asked(headgate: Headgate, gateway: str, token: str = "") -> tuple[grpc.StatusCode, str]:
    """Return the status of a stream on the xDS port that subscribes to a Gateway's clusters; OK if it is served."""
    channel = grpc.insecure_channel(f"127.0.0.1:{headgate.xds}")
    return await stream_status(channel, CLUSTER, gateway, token, names=(), within=10)


async def test_an_envoy_of_an_unknown_gateway_is_reported(headgate: Headgate) -> None:
    """An Envoy of an unknown Gateway gets an error status, and the log names the Gateway and the known ones."""
    await headgate.start()
    await headgate.condition("web", "Programmed", "True")
    token = ProxyTokens.load(headgate.state).token("default/wbe")
    code, details = await asked(headgate, "default/wbe", token)
    assert code is grpc.StatusCode.NOT_FOUND
    assert "no Gateway 'default/wbe'" in details
    await asked(headgate, "default/wbe", token)
    warnings = [line for line in headgate.log.splitlines() if "An Envoy of a Gateway" in line]
    assert len(warnings) == 1
    assert '"gateway":"default/wbe"' in warnings[0]
    assert '"there":"default/web"' in warnings[0]


def test_warnings_about_unknown_gateways_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """Warnings about unknown Gateways are limited in time, number, and listed Gateways."""
    now = 0.0
    monkeypatch.setattr(time, "monotonic", lambda: now)
    translator, tokens = Translator(Settings()), ProxyTokens(b"key")
    keys = SnapshotKeys(translator)
    keys.ready.set()
    authentication = EnvoyAuthentication(tokens, keys, translator, tls=False)

    def ask(gateway: str) -> None:
        """Authorise an Envoy for a Gateway that does not exist."""
        peer = Peer("ipv4:127.0.0.1:1", {}, {"authorization": f"Bearer {tokens.token(gateway)}"})
        with pytest.raises(StreamRejected, match=f"serves no Gateway '{gateway}'"):
            authentication.authorise(gateway, peer)

    for number in range(2 * MAX_LISTED):
        gateway = documents.gateway(port=10000 + number)
        gateway["metadata"]["name"] = f"{number:02}"
        translator.edit([documents.edit(gateway)])
    translator.evaluate()
    with structlog.testing.capture_logs() as logs:
        for number in range(2 * MAX_LOGGED):
            ask(f"default/{number}")
        assert [each["gateway"] for each in logs] == [f"default/{number}" for number in range(MAX_LOGGED)]
        assert logs[0]["there"] == " ".join(f"shop/{number:02}" for number in range(MAX_LISTED))
        for now, times in ((LOG_INTERVAL - 1, 1), (LOG_INTERVAL, 2)):  # noqa: B007 - the clock reads it
            ask("default/0")
            assert [each["gateway"] for each in logs].count("default/0") == times


async def test_the_port_requires_the_gateways_token(headgate: Headgate) -> None:
    """In plain text, nothing is served without the Gateway's token, not even on loopback."""
    await headgate.start()
    await headgate.condition("web", "Programmed", "True")
    tokens = ProxyTokens.load(headgate.state)
    assert (await asked(headgate, "default/web"))[0] is grpc.StatusCode.UNAUTHENTICATED
    assert (await asked(headgate, "default/web", tokens.token("default/other")))[0] is grpc.StatusCode.PERMISSION_DENIED
    assert (await asked(headgate, "default/web", tokens.token("default/web")))[0] is grpc.StatusCode.OK


@pytest.mark.parametrize("tls", [False, True])
async def test_an_envoy_of_the_user_s_own_connects_with_its_bootstrap(
    headgate: Headgate, envoy_path: Path, state_root: Path, tls: bool
) -> None:
    """The command in the log of `headgate run --no-envoy` prints a bootstrap with which an Envoy serves the Gateway."""
    headgate.arguments = ("--no-envoy",)
    if tls:
        assert CliRunner().invoke(app, ["certs", str(state_root / "tls")]).exit_code == 0
        headgate.arguments += ("--xds-tls", str(state_root / "tls"))
    await headgate.start()
    line = await eventually(lambda: next((each for each in headgate.log.splitlines() if "Start an Envoy" in each), ""))
    command = shlex.split(json.loads(line)["message"].partition(": ")[2])
    assert command[0] == "headgate"
    printed = await asyncio.to_thread(subprocess.run, [sys.executable, "-m", *command], capture_output=True, check=True)
    config = state_root / "envoy.yaml"
    config.write_text(printed.stdout.decode().replace("port_value: 19000", f"port_value: {free_port()}"))
    arguments = ("--config-path", str(config), "--disable-hot-restart", "--concurrency", "1", "--log-level", "error")
    envoy = await asyncio.create_subprocess_exec(str(envoy_path), *arguments)
    await headgate.answers("/a", 200)
    envoy.terminate()
    await envoy.wait()


@pytest.mark.parametrize("address", ["127.0.0.1", "0.0.0.0", "127.0.0.2"])
async def test_no_route_leads_to_headgate(headgate: Headgate, address: str) -> None:
    """Requests to a tenant's endpoints at Headgate's own ports, xDS and admin, fail."""
    for name, port in (("xds", headgate.xds), ("admin", headgate.admin)):
        steal = SERVICE.replace("shop", name).format(port=port).replace("[127.0.0.1]", f"[{address}]")
        headgate.write(f"service-{name}", steal)
        route = ROUTE.format(parent="web", path=f"/{name}").replace("name: shop", f"name: {name}")
        headgate.write(f"route-{name}", route)
    await headgate.start()
    await headgate.answers("/xds", 500)
    await headgate.answers("/admin", 500)
    await headgate.answers("/a", 200)
    assert "Headgate's own administration is or may be there" in headgate.log
