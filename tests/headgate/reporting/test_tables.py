"""`headgate status` has the form of `kubectl get` and `kubectl describe`."""

import io
import json
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any

import pytest
import yaml
from rich.console import Console
from typer.testing import CliRunner

from headgate.cli import app
from headgate.reporting.tables import Screen, age, overview
from tests.headgate.running import free_port

TIME = "2026-01-01T12:00:00Z"


def condition(kind: str, status: str, message: str = "All is well.") -> dict[str, Any]:
    """Return a condition with its time."""
    return {"type": kind, "status": status, "reason": "Because", "message": message, "lastTransitionTime": TIME}


def described(kind: str, name: str, spec: dict[str, Any], status: dict[str, Any]) -> dict[str, Any]:
    """Return an object in the form of `/status`."""
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
    """Run a server that answers every request alike; yield its address."""

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
    """Run `headgate status` against a Headgate with the status `STATUS`."""
    with served(json.dumps(STATUS).encode() if body is None else body, code) as address:
        return CliRunner().invoke(app, ["status", "--admin-address", address, *arguments])


@pytest.mark.parametrize("kind", ["HTTPRoute", "GRPCRoute", "TLSRoute"])
def test_routes_of_every_kind_have_the_same_columns(kind: str) -> None:
    """A route shows its hostnames, its parents, and whether it is accepted and its references are resolved."""
    conditions = [condition("Accepted", "True"), condition("ResolvedRefs", "False")]
    spec = {"parentRefs": [{"name": "web"}], "hostnames": ["a.example"]}
    found = described(kind, "shop", spec, {"parents": [{"parentRef": {"name": "web"}, "conditions": conditions}]})
    console = Console(file=io.StringIO(), width=200)
    console.print(overview({"objects": [found], "envoys": [], "problems": []}))
    assert isinstance(console.file, io.StringIO)
    rows = [line.split() for line in console.file.getvalue().splitlines()]
    assert [kind.upper(), "HOSTNAMES", "PARENTS", "ACCEPTED", "RESOLVED", "SINCE"] in rows
    assert ["default/shop", "a.example", "Gateway", "web", "True", "False"] in [each[:6] for each in rows]


def test_policies_of_every_kind_have_the_same_columns() -> None:
    """A policy shows its targets, and whether it is accepted and attached, over all Gateways."""
    conditions = [condition("Accepted", "True"), condition("Attached", "False")]
    spec = {"targetRefs": [{"group": "", "kind": "HTTPRoute", "name": "shop", "sectionName": "cart"}]}
    status = {"ancestors": [{"ancestorRef": {"name": "web"}, "conditions": conditions}]}
    console = Console(file=io.StringIO(), width=200)
    found = described("TrafficPolicy", "slow", spec, status)
    console.print(overview({"objects": [found], "envoys": [], "problems": []}))
    assert isinstance(console.file, io.StringIO)
    rows = [line.split() for line in console.file.getvalue().splitlines()]
    assert ["TRAFFICPOLICY", "TARGETS", "ACCEPTED", "ATTACHED", "SINCE"] in rows
    assert ["default/slow", "HTTPRoute", "shop,", "section", "cart", "True", "False"] in [each[:7] for each in rows]


def test_listener_sets_are_shown_like_gateways() -> None:
    """A ListenerSet shows its Gateway, its attached routes, and whether it is accepted and programmed."""
    listeners: list[Any] = [{"name": each, "attachedRoutes": 2, "conditions": []} for each in ("a", "b")]
    status = {"conditions": [condition("Accepted", "True"), condition("Programmed", "False")], "listeners": listeners}
    console = Console(file=io.StringIO(), width=200)
    found = described("ListenerSet", "more", {"parentRef": {"name": "web"}}, status)
    console.print(overview({"objects": [found], "envoys": [], "problems": []}))
    assert isinstance(console.file, io.StringIO)
    rows = [line.split() for line in console.file.getvalue().splitlines()]
    assert ["LISTENERSET", "PARENT", "ROUTES", "ACCEPTED", "PROGRAMMED", "SINCE"] in rows
    assert ["default/more", "Gateway", "web", "4", "True", "False"] in [each[:6] for each in rows]


def test_objects_and_envoys_are_shown_in_tables() -> None:
    """There is one table for each kind, like in `kubectl get`, and one of the Envoys, after the findings."""
    shown = status().stdout
    rows = [line.split() for line in shown[shown.index("GATEWAY") :].splitlines() if line.strip()]
    assert rows[0] == ["GATEWAY", "CLASS", "ADDRESS", "ROUTES", "ACCEPTED", "PROGRAMMED", "SINCE"]
    assert rows[1][:6] == ["default/web", "headgate", "127.0.0.1", "2", "True", "True"]
    assert rows[2] == ["HTTPROUTE", "HOSTNAMES", "PARENTS", "ACCEPTED", "RESOLVED", "SINCE"]
    assert rows[3][:2] == ["default/shop", "a.example"]
    assert "False/True" in rows[3]
    assert rows[5] == ["default/web", "4711", "1", "was", "killed", "/envoy.log"]


def test_findings_come_first() -> None:
    """Conditions that are not good, and diagnostics of files, come first, and markup does not change their text."""
    shown = status().stdout
    assert shown.startswith("2 problems\n")
    assert "shop.yaml:1: HTTPRoute default/shop is not accepted (Gateway wbe, section http) (Because): [There]" in shown
    assert "services.yaml:7: error: this is not YAML" in shown


def test_one_object_is_shown_with_all_its_conditions() -> None:
    """With a name, every condition of that object is shown; the default namespace may be left out."""
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
def test_output_as_data(output: str, parse: Any) -> None:
    """-o prints the status of the running Headgate, for programs."""
    assert parse(status("-o", output).stdout) == STATUS


def test_without_a_running_headgate_the_error_names_the_command() -> None:
    """Without a listening server, the error names the command that starts Headgate."""
    result = CliRunner().invoke(app, ["status", "--admin-address", f"127.0.0.1:{free_port()}"])
    assert result.exit_code == 1
    assert "start it with `headgate run FOLDER`" in result.stderr


@pytest.mark.parametrize(("body", "code"), [(b"not found", 404), (b"<html>", 200)])
def test_another_program_on_the_address_is_an_error(body: bytes, code: int) -> None:
    """Another program that answers at the address is one error message."""
    result = status(body=body, code=code)
    assert result.exit_code == 1
    assert "--admin-address" in result.stderr


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(-1, "0s"), (59, "59s"), (119, "119s"), (120, "2m"), (7200, "2h"), (1e6, "11d")],
)
def test_durations_have_kubectl_s_form(seconds: float, text: str) -> None:
    """From two of a unit on, a duration has that unit."""
    assert age(seconds) == text


def terminal(told: dict[str, Any], width: int, most: int | None = 5, **options: Any) -> str:
    """Return the output on a terminal."""
    text = io.StringIO()
    console = Console(file=text, width=width, force_terminal=True, highlight=False, markup=False, **options)
    console.print(overview(told, screen=Screen(width, most)))
    return text.getvalue()


def many(routes: int) -> dict[str, Any]:
    """Return a status with routes, of which every tenth is not accepted."""
    objects = [
        described(
            "HTTPRoute",
            f"route-{number:03}",
            {"parentRefs": [{"name": "web"}], "hostnames": ["a-rather-long-name.of-a-host.example.com"]},
            {
                "parents": [
                    {
                        "parentRef": {"name": "web"},
                        "conditions": [
                            condition("Accepted", str(number % 10 > 0), "This is how to mend it, at length.")
                        ],
                    }
                ]
            },
        )
        for number in range(routes)
    ]
    return {"objects": objects, "envoys": [], "problems": []}


@pytest.mark.parametrize("width", [40, 80, 200])
def test_a_terminal_of_any_width_shows_what_matters(width: int) -> None:
    """In a narrow terminal lines are wrapped: names, states and fixes are shown, and none is truncated."""
    shown = terminal(many(1), width, color_system=None)
    assert max(map(len, shown.splitlines())) <= width
    words = " ".join(shown.split())
    for each in ("HTTPRoute default/route-000", "False", "This is how to mend it, at length."):
        assert each in words
    assert ("HOSTNAMES" in words) == (width >= 80)
    assert ("a-rather-long-name.of-a-host.example.com" in words) == (width == 200)
    assert "…" not in shown


def test_objects_with_findings_come_first() -> None:
    """A terminal shows some objects of each kind, those with findings first, and says how to see the others."""
    shown = terminal(many(100), 200, color_system=None)
    assert shown.startswith("10 problems")
    assert shown.count("This is how to mend it") == 5
    assert "and 5 more: `headgate status --all` shows them" in shown
    rows = [line.split()[0] for line in shown[shown.index("HTTPROUTE") :].splitlines()]
    assert rows[1:6] == [f"default/route-{number}0" for number in ("00", "01", "02", "03", "04")]
    assert "and 95 more" in shown
    assert terminal(many(100), 200, most=None).count("default/route-") == 110


def test_only_terminals_get_colours(monkeypatch: pytest.MonkeyPatch) -> None:
    """Other programs get plain text in whole lines, of all objects; so does a terminal with colours disabled."""
    assert "\x1b[31m" in terminal(STATUS, 200, color_system="standard")
    assert "\x1b" not in status().stdout
    assert status(body=json.dumps(many(100)).encode()).stdout.count("default/route-") == 110
    monkeypatch.setenv("NO_COLOR", "1")
    assert "\x1b[31m" not in terminal(STATUS, 200)


def test_a_partially_invalid_route_is_no_good_one() -> None:
    """A route that is accepted and partially invalid is neither True nor False."""
    partly = {**condition("PartiallyInvalid", "True", "Fall Back: the version before."), "observedGeneration": 2}
    told = many(1)
    told["objects"][0]["metadata"]["generation"] = 2
    told["objects"][0]["status"]["parents"][0]["conditions"] = [condition("Accepted", "True"), partly]
    shown = terminal(told, 200, color_system=None)
    assert "is valid only in part (Gateway web) (Because) Fall Back: the version before." in " ".join(shown.split())
    assert "Partly" in shown
    assert "1 problem" in shown
    told["objects"][0]["metadata"]["generation"] = 3
    assert "route-000 is newer than what Headgate says of it" in terminal(told, 200)


def test_an_envoy_that_does_not_run_is_a_finding() -> None:
    """An Envoy that is not running is a finding, with the reason of its end and its log."""
    told = {
        **STATUS,
        "envoys": [{"gateway": "default/web", "pid": None, "restarts": 1, "failure": "was killed", "log": "/l"}],
    }
    text = "The Envoy of Gateway default/web is not running: was killed; its log is /l"
    assert text in status(body=json.dumps(told).encode()).stdout


def test_without_findings_there_are_only_tables() -> None:
    """Without findings there are only tables; without objects, the output says what to do."""
    told = many(1)
    told["objects"][0]["status"]["parents"][0]["conditions"] = [condition("Accepted", "True")]
    assert terminal(told, 200).startswith("HTTPROUTE")
    assert "There are no objects" in terminal(many(0), 200)
