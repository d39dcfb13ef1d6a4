"""`headgate status` shows what `kubectl get` and `kubectl describe` would."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any

import pytest
import yaml
from typer.testing import CliRunner

from headgate.cli import app
from headgate.status import age
from tests.headgate.running import free_port

TIME = "2026-01-01T12:00:00Z"


def condition(kind: str, status: str, message: str = "All is well.") -> dict[str, Any]:
    """A condition with its time."""
    return {"type": kind, "status": status, "reason": "Because", "message": message, "lastTransitionTime": TIME}


def described(kind: str, name: str, spec: dict[str, Any], status: dict[str, Any]) -> dict[str, Any]:
    """An object as `/status` gives it."""
    metadata = {"name": name, "namespace": "default"}
    return {"kind": kind, "metadata": metadata, "spec": spec, "status": status, "place": f"{name}.yaml:1"}


STATUS = {
    "objects": [
        described(
            "Gateway",
            "web",
            {"gatewayClassName": "headgate"},
            {
                "addresses": [{"type": "IPAddress", "value": "127.0.0.1"}],
                "conditions": [condition("Accepted", "True"), condition("Programmed", "True")],
                "listeners": [{"name": "http", "attachedRoutes": 2, "conditions": [condition("Accepted", "True")]}],
            },
        ),
        described(
            "HTTPRoute",
            "shop",
            {"parentRefs": [{"name": "web"}, {"name": "wbe", "sectionName": "http"}], "hostnames": ["a.example"]},
            {
                "parents": [
                    {"parentRef": {"name": "web"}, "conditions": [condition("Accepted", "True")]},
                    {
                        "parentRef": {"name": "wbe", "sectionName": "http"},
                        "conditions": [condition("Accepted", "False", "[There] is no such Gateway.")],
                    },
                ]
            },
        ),
    ],
    "envoys": [{"gateway": "default/web", "pid": 4711, "restarts": 1, "failure": "was killed", "log": "/envoy.log"}],
    "problems": ["services.yaml:7: error: this is not YAML"],
}


@contextmanager
def served(body: bytes, code: int = 200) -> Iterator[str]:
    """Something that answers every request alike; gives its address."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(code)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Says nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield f"127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


def status(*arguments: str, body: bytes | None = None, code: int = 200) -> Any:
    """Runs `headgate status` against a Headgate that tells `STATUS`."""
    with served(json.dumps(STATUS).encode() if body is None else body, code) as address:
        return CliRunner().invoke(app, ["status", "--admin-address", address, *arguments])


def test_objects_and_envoys_are_shown_in_tables() -> None:
    """There is one table for each kind, as of `kubectl get`, and one of the Envoys."""
    rows = [line.split() for line in status().stdout.splitlines()]
    assert rows[0] == ["GATEWAY", "CLASS", "ADDRESS", "ROUTES", "ACCEPTED", "PROGRAMMED", "SINCE"]
    assert rows[1][:6] == ["default/web", "headgate", "127.0.0.1", "2", "True", "True"]
    assert rows[2] == ["HTTPROUTE", "HOSTNAMES", "PARENTS", "ACCEPTED", "RESOLVED", "SINCE"]
    assert rows[3][:2] == ["default/shop", "a.example"]
    assert "False/True" in rows[3]
    assert rows[5] == ["default/web", "4711", "1", "was", "killed", "/envoy.log"]


def test_what_is_not_as_it_should_be_is_spelled_out() -> None:
    """Conditions that are not good, and problems in files, are told in words, unchanged by any markup."""
    shown = status().stdout
    assert "shop.yaml:1: HTTPRoute default/shop is not accepted (Gateway wbe, section http) (Because): [There]" in shown
    assert "services.yaml:7: error: this is not YAML" in shown


def test_one_object_is_shown_with_all_its_conditions() -> None:
    """With a name every condition of that object is shown; the namespace may be left out where it is default."""
    assert status("shop").stdout.splitlines() == [
        "HTTPRoute default/shop  shop.yaml:1",
        "  Gateway web",
        f"    Accepted=True (Because) since {TIME}: All is well.",
        "  Gateway wbe, section http",
        f"    Accepted=False (Because) since {TIME}: [There] is no such Gateway.",
    ]
    missing = status("shpo")
    assert missing.exit_code == 1
    assert "no object named shpo" in missing.stderr


@pytest.mark.parametrize(("output", "parse"), [("json", json.loads), ("yaml", yaml.safe_load)])
def test_everything_is_to_be_had_as_data(output: str, parse: Any) -> None:
    """-o gives what the running Headgate told, for programs."""
    assert parse(status("-o", output).stdout) == STATUS


def test_without_a_running_headgate_the_way_to_start_one_is_told() -> None:
    """Where nobody answers the message names the command that starts one."""
    result = CliRunner().invoke(app, ["status", "--admin-address", f"127.0.0.1:{free_port()}"])
    assert result.exit_code == 1
    assert "start it with `headgate run FOLDER`" in result.stderr


@pytest.mark.parametrize(("body", "code"), [(b"not found", 404), (b"<html>", 200)])
def test_another_program_on_the_address_is_told(body: bytes, code: int) -> None:
    """Something else that answers there is one message, too."""
    result = status(body=body, code=code)
    assert result.exit_code == 1
    assert "--admin-address" in result.stderr


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(-1, "0s"), (59, "59s"), (119, "119s"), (120, "2m"), (7200, "2h"), (1e6, "11d")],
)
def test_durations_are_written_as_kubectl_does(seconds: float, text: str) -> None:
    """Two of a unit are told in that unit."""
    assert age(seconds) == text
