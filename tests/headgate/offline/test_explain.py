"""`headgate explain` shows what becomes of a request, and says what is missing to those who begin."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from typer.testing import CliRunner

from headgate.cli import app
from headgate.cluster.reader import as_folder
from headgate.offline.explain import explained
from tests.headgate.running import GATEWAY, ROUTE, SERVICE
from tests.ports import free_port
from translator.api_group import CONTROLLER_NAME
from translator.inputs import in_cluster


def headgate(*arguments: str) -> Any:
    """Run a command."""
    return CliRunner().invoke(app, arguments)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Return a folder of a Gateway with a route for /a."""
    (tmp_path / "gateway.yaml").write_text(GATEWAY.format(name="web", port=8080))
    (tmp_path / "route.yaml").write_text(ROUTE.format(parent="web", path="/a"))
    (tmp_path / "service.yaml").write_text(SERVICE.format(port=1234))
    return tmp_path


def test_a_request_is_explained_in_a_table(folder: Path) -> None:
    """The table names what serves the request, and the exit status is 0."""
    found = headgate("explain", "GET", "http://example.com:8080/a/b", "-f", str(folder))
    assert found.exit_code == 0, found.output
    lines = {line[:20].strip(): line[20:].strip() for line in found.stdout.splitlines()}
    assert lines["Gateway"] == "default/web"
    assert lines["Route"] == "HTTPRoute default/shop, rule 0, match 0"
    assert lines["Matches"] == "path /a/*"
    assert lines["endpoints"] == "127.0.0.1:1234"
    assert found.stdout.splitlines()[-1] == "served"


def test_what_the_operator_allows_is_explained(folder: Path) -> None:
    """With the options that decide the translation, a request is explained as Headgate with these options serves it."""
    target = "{group: gateway.networking.k8s.io, kind: Gateway, name: web}"
    (folder / "policy.yaml").write_text(
        "{apiVersion: gateway.headgate.dev/v1alpha1, kind: TrafficPolicy, metadata: {name: a}, spec: {targetRefs: "
        f"[{target}], lua: [{{inline: 'function envoy_on_request(handle) end'}}]}}}}"
    )
    request = ("explain", "GET", "http://example.com:8080/a", "-f", str(folder))
    assert headgate(*request).exit_code == 1
    assert headgate(*request, "--allow-lua").exit_code == 0


def test_fields_of_policies_without_a_value(folder: Path) -> None:
    """What a policy says with an empty object or a false is told like the rest of it."""
    target = "{group: gateway.networking.k8s.io, kind: Gateway, name: web}"
    (folder / "policy.yaml").write_text(
        "{apiVersion: gateway.headgate.dev/v1alpha1, kind: TrafficPolicy, metadata: {name: a}, spec: {targetRefs: "
        f"[{target}], csrf: {{}}, buffer: {{disable: {{}}}}, retry: {{attempts: 0}}, appendXForwardedHost: false}}}}"
    )
    request = ("explain", "GET", "http://example.com:8080/a", "-f", str(folder))
    told = headgate(*request).stdout
    for text in ("csrf = {}", "buffer.disable = {}", "retry.attempts = 0", "appendXForwardedHost = false"):
        assert f"{text}  from TrafficPolicy default/a (gateway)" in told
    (outcome,) = json.loads(headgate(*request, "-o", "json").stdout)["gateways"][0]["outcomes"]
    values = {each["field"]: each["value"] for each in outcome["rule"]["policies"]}
    assert values == {"csrf": {}, "buffer.disable": {}, "retry.attempts": 0, "appendXForwardedHost": False}


def test_what_is_not_served_has_exit_status_1(folder: Path) -> None:
    """The reason is the last line."""
    found = headgate("explain", "GET", "http://example.com:8080/b", "-f", str(folder))
    assert found.exit_code == 1
    assert found.stdout.splitlines()[-1] == "not served: no route for the host * matches GET /b"


@pytest.mark.parametrize("form", ["json", "yaml"])
def test_a_request_is_explained_as_data(folder: Path, form: str) -> None:
    """Programs read the same, with the same exit statuses."""
    found = headgate("explain", "POST", "http://example.com:8080/a", "-H", "X: y", "-f", str(folder), "-o", form)
    assert found.exit_code == 0
    data = json.loads(found.stdout) if form == "json" else yaml.safe_load(found.stdout)
    assert data["request"] == {
        "method": "POST",
        "scheme": "http",
        "host": "example.com:8080",
        "port": 8080,
        "path": "/a",
    }
    assert data["served"] is True
    (gateway,) = data["gateways"]
    (outcome,) = gateway["outcomes"]
    assert outcome["rule"]["route"] == "HTTPRoute default/shop"
    assert outcome["destinations"][0]["endpoints"] == ["127.0.0.1:1234"]
    found = headgate("explain", "GET", "http://example.com:8080/", "-f", str(folder), "-o", "json")
    assert found.exit_code == 1
    assert json.loads(found.stdout)["served"] is False


def test_a_body_counts(folder: Path, tmp_path: Path) -> None:
    """A body is given as it is, or by its file; without a method it makes a POST, as with curl."""
    url = "http://example.com:8080/a"
    (tmp_path / "body").write_bytes(b"12345")
    for arguments in (("-d", "é345"), ("-d", f"@{tmp_path / 'body'}")):
        found = headgate("explain", url, *arguments, "-f", str(folder), "-o", "json")
        assert json.loads(found.stdout)["request"]["method"] == "POST"
    found = headgate("explain", url, "-f", str(folder), "-o", "json")
    assert json.loads(found.stdout)["request"]["method"] == "GET"
    found = headgate("explain", url, "-d", "@/no/such/file", "-f", str(folder))
    assert found.exit_code == 1
    assert "No such file" in found.stderr


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("GET",), "there is no URL: write `headgate explain GET http://HOST/PATH`"),
        (("GET", "example.com/a"), "has no scheme: write http://example.com/a"),
        (("GET", "http://example.com/", "-H", "accept"), "'accept' is not a header: write 'NAME: VALUE'"),
        (("G ET", "http://example.com/"), "'G ET' is not a method"),
        (
            ("GET", "http://example.com/", "--gateway", "default/no"),
            "serves no Gateway default/no; it serves default/web",
        ),
    ],
)
def test_mistakes_have_a_way_out(folder: Path, arguments: tuple[str, ...], message: str) -> None:
    """What is missing or wrong is said in one line, with what to write instead."""
    found = headgate("explain", *arguments, "-f", str(folder))
    assert found.exit_code == 1
    assert message in found.stderr
    assert "Traceback" not in found.stderr


def test_files_and_a_cluster_exclude_each_other(folder: Path) -> None:
    """One source of objects is asked for."""
    found = headgate("explain", "GET", "http://example.com/", "-f", str(folder), "--context", "x")
    assert found.exit_code == 2
    assert "choose one" in found.stderr


def test_without_gateways_nothing_is_served(tmp_path: Path) -> None:
    """A folder without a Gateway serves nothing, which is said."""
    (tmp_path / "service.yaml").write_text(SERVICE.format(port=1234))
    found = headgate("explain", "GET", "http://example.com/", "-f", str(tmp_path))
    assert found.exit_code == 1
    assert "there is no Gateway that Headgate serves" in found.stderr


def test_problems_of_files_are_printed(folder: Path) -> None:
    """What cannot be read is said beside the explanation."""
    (folder / "bad.yaml").write_text("kind: [")
    found = headgate("explain", "GET", "http://example.com:8080/a", "-f", str(folder))
    assert found.exit_code == 0
    assert "bad.yaml" in found.stderr


def test_several_gateways_are_all_explained(folder: Path) -> None:
    """Where several Gateways may be meant, each is explained, and a note says how to choose."""
    text = GATEWAY.format(name="other", port=8081)
    (folder / "other.yaml").write_text(text)
    found = headgate("explain", "GET", "http://example.com/", "-f", str(folder))
    assert found.exit_code == 1
    assert "not served: Gateway default/other serves no port 80; it serves 8081" in found.stdout
    assert "default/other, default/web; name one with --gateway" in found.stderr


def test_the_objects_of_a_cluster_are_explained(folder: Path) -> None:
    """As `headgate translate` reads them: each object by itself, with the settings of a cluster."""
    items = [each for name in ("gateway", "route", "service") for each in manifests(folder / f"{name}.yaml")]
    gateway_class: dict[str, Any] = {
        "apiVersion": "gateway.networking.k8s.io/v1",
        "kind": "GatewayClass",
        "metadata": {"name": "headgate"},
        "spec": {"controllerName": CONTROLLER_NAME},
    }
    store = as_folder([gateway_class, *items])
    settings = in_cluster(CONTROLLER_NAME, offline=True)
    found = explained(store, settings, "GET", "http://example.com:8080/a", (), None, None)
    assert found["served"], found
    assert found["gateways"][0]["outcomes"][0]["rule"]["route"] == "HTTPRoute default/shop"


def manifests(path: Path) -> list[Any]:
    """Return the objects in a file, as an API server has them."""
    found = list(yaml.safe_load_all(path.read_text()))
    return [{**each, "metadata": {"namespace": "default", **each["metadata"]}} for each in found]


def test_a_headgate_that_does_not_run_is_told() -> None:
    """Without files or a cluster the running Headgate is asked."""
    address = f"127.0.0.1:{free_port()}"
    found = headgate("explain", "GET", "http://example.com/", "--admin-address", address)
    assert found.exit_code == 1
    assert f"no Headgate answers on http://{address}/explain" in found.stderr


def test_a_request_too_long_to_ask_about_is_refused() -> None:
    """The admin server takes a request in its URL, whose length is limited."""
    found = headgate("explain", "GET", "http://example.com/", "-H", f"x: {'y' * 8000}")
    assert found.exit_code == 1
    assert "may have 8000 bytes" in found.stderr


def test_the_page_shows_what_the_command_prints(tmp_path: Path) -> None:
    """The examples of docs/explain.md give the output that is there."""
    page = (Path(__file__).parents[3] / "docs" / "explain.md").read_text()
    objects, policies = re.findall(r"```yaml\n(.*?)```", page, re.DOTALL)
    (tmp_path / "objects.yaml").write_text(objects)
    url = "http://localhost:8080/cart"
    shown = headgate("explain", "GET", url, "-f", str(tmp_path)).stdout
    block = page.partition(f"    GET {url}\n")[2].partition("\n\nWith")[0]
    assert _lines(f"GET {url}\n{block}") == _lines(shown)
    (tmp_path / "policies.yaml").write_text(policies)
    shown = headgate("explain", "GET", url, "-H", "x-version: 2", "-f", str(tmp_path)).stdout
    block = page.partition("`-H 'x-version: 2'` has\n")[2].partition("\n\nA field")[0]
    assert set(_lines(block)) - {"..."} <= set(_lines(shown))


def _lines(text: str) -> list[str]:
    """Return the lines with something in them, without the blanks around them."""
    return [each.strip() for each in text.splitlines() if each.strip()]
