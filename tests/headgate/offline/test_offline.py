"""Offline commands: `headgate translate` and `headgate validate` report problems with their place."""

import inspect
import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from typer.testing import CliRunner

from headgate.cli import app
from headgate.cluster.reader import as_folder
from headgate.commands.controller import command as controller
from headgate.commands.run import command as run
from headgate.commands.translate import Section
from headgate.commands.translate import command as translate
from headgate.envoy.validate import envoy_error
from headgate.reporting.proto_json import SECTIONS
from tests.headgate.envoy.test_supervisor import script
from tests.headgate.reporting.test_proto_json import cluster, endpoints, listener, route, secret
from tests.headgate.running import GATEWAY, ROUTE, SERVICE
from translator.inputs import in_cluster
from xds.resources.resource import Resource
from xds.resources.snapshot import Snapshot

EXAMPLES = Path(__file__).parents[3] / "examples"
QUICKSTART = EXAMPLES / "quickstart" / "config"

__all__ = ["secret"]


def headgate(*arguments: str, stdin: str | None = None) -> Any:
    """Run a command."""
    return CliRunner().invoke(app, arguments, input=stdin)


def loaded(text: str) -> Any:
    """Return what a document of YAML says."""
    return yaml.load(text, yaml.CSafeLoader)  # ten times as fast as the loader in Python


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Return a folder of two Gateways, a route and a Service."""
    (tmp_path / "one.yaml").write_text(GATEWAY.format(name="web", port=8080))
    (tmp_path / "two.yaml").write_text(GATEWAY.format(name="other", port=8081))
    (tmp_path / "route.yaml").write_text(ROUTE.format(parent="web", path="/a"))
    (tmp_path / "service.yaml").write_text(SERVICE.format(port=1234))
    return tmp_path


def test_envoy_s_configuration_is_shown_by_gateway_and_type(folder: Path) -> None:
    """By default all resources of each Gateway are shown as YAML, in lists by type."""
    shown = loaded(headgate("translate", "-f", str(folder)).stdout)
    assert list(shown) == ["default/other", "default/web"]
    assert list(shown["default/web"]) == ["listeners", "routes", "clusters", "endpoints", "extension_configs"]
    (listener,) = shown["default/web"]["listeners"]
    assert listener["address"]["socket_address"]["port_value"] == 8080


def test_every_type_can_be_chosen() -> None:
    """The values of --type are the types of the output."""
    assert [each.value for each in Section] == list(SECTIONS)


def test_one_type_of_one_gateway_can_be_chosen(folder: Path) -> None:
    """--type and --gateway filter the output, and -o json formats it as JSON."""
    arguments = ("--type", "endpoints", "--gateway", "default/web", "-o", "json")
    shown = json.loads(headgate("translate", "-f", str(folder), *arguments).stdout)
    assert list(shown) == ["default/web"]
    assert list(shown["default/web"]) == ["endpoints"]


def test_statuses_have_the_api_servers_form(folder: Path) -> None:
    """--to status prints a list of objects; offline, valid objects count as programmed."""
    shown = loaded(headgate("translate", "-f", str(folder), "--to", "status").stdout)
    assert [each["metadata"]["name"] for each in shown] == ["other", "web", "shop"]
    assert set(shown[1]) == {"apiVersion", "kind", "metadata", "status"}
    assert {each["type"]: each["status"] for each in shown[1]["status"]["conditions"]}["Programmed"] == "True"


def test_a_policy_that_fails_closed_is_not_ignored(folder: Path) -> None:
    """The targets of an invalid BackendTLSPolicy are not reached in plain text, and its status says so."""
    target = "{group: '', kind: Service, name: shop}"
    (folder / "tls.yaml").write_text(
        "apiVersion: gateway.networking.k8s.io/v1\nkind: BackendTLSPolicy\nmetadata: {name: tls}\n"
        f"spec: {{targetRefs: [{target}], validation: {{wellKnownCACertificates: System}}}}\n"
    )
    shown = loaded(headgate("translate", "-f", str(folder)).stdout)
    assert "clusters" not in shown["default/web"]
    statuses = loaded(headgate("translate", "-f", str(folder), "--to", "status").stdout)
    (policy,) = (each for each in statuses if each["kind"] == "BackendTLSPolicy")
    (condition,) = policy["status"]["ancestors"][0]["conditions"]
    assert policy["metadata"] == {"name": "tls", "namespace": "default"}
    assert (condition["type"], condition["status"]) == ("Accepted", "False")
    assert "spec.validation.hostname: is required" in condition["message"]
    lines = headgate("validate", "-f", str(folder)).stdout.splitlines()
    assert [each for each in lines if "tls.yaml:4" in each and "is required" in each] != []
    assert [each for each in lines if "nowhere" in each] == []


def test_the_ir_is_shown_by_gateway(folder: Path) -> None:
    """--to ir prints listeners, the routes of each domain, and the rules of each route."""
    shown = loaded(headgate("translate", "-f", str(folder), "--to", "ir").stdout)["default/web"]
    assert shown["tables"][0]["domains"] == {"*": ["HTTPRoute default/shop"]}
    (rule,) = shown["routes"]["HTTPRoute default/shop"]
    assert rule["matches"] == [{"path_kind": "PathPrefix", "path": "/a", "grpc": False}]


def test_the_ir_shows_connections_and_datagrams() -> None:
    """--to ir prints, for listeners of TCP and UDP, the backends of the route that serves, and its name."""
    for kind in ("TCP", "UDP"):
        config = str(EXAMPLES / kind.lower() / "config")
        shown = loaded(headgate("translate", "-f", config, "--to", "ir").stdout)
        (found,) = shown["default/web"]["listeners"]
        chain = found["datagrams"] if kind == "UDP" else found["chains"][0]["chain"]
        assert [each["backend"]["key"]["name"] for each in chain["backends"]] == ["echo-v1", "echo-v2"]
        assert chain["route"] == {"kind": f"{kind}Route", "namespace": "default", "name": "echo"}


def test_standard_input_is_a_file_too() -> None:
    """A dash reads standard input, and its problems are reported with their line."""
    shown = headgate("translate", "-f", "-", stdin=GATEWAY.format(name="web", port=8080))
    assert list(loaded(shown.stdout)) == ["default/web"]
    broken = headgate("translate", "-f", "-", stdin="kind: [")
    assert broken.exit_code == 1
    assert "<stdin>:2: error: this is not YAML" in broken.stderr


def test_an_unknown_gateway_is_an_error(folder: Path) -> None:
    """The error for an unknown Gateway lists the known ones."""
    result = headgate("translate", "-f", str(folder), "--gateway", "default/wbe")
    assert result.exit_code == 1
    assert "it serves default/other, default/web" in result.stderr


def test_valid_files_have_exit_status_0(folder: Path) -> None:
    """Valid files have exit status 0, after Envoy's own validation."""
    result = headgate("validate", "-f", str(folder))
    assert (result.exit_code, result.stdout) == (0, "5 objects are valid\n")


def test_the_quickstart_is_valid() -> None:
    """The example of the quickstart is valid."""
    assert headgate("validate", "-f", str(QUICKSTART)).exit_code == 0


def test_errors_have_file_and_line(folder: Path) -> None:
    """An invalid field and a missing reference are reported with their lines; the exit status is 1."""
    (folder / "two.yaml").write_text(GATEWAY.format(name="other", port=70000))
    (folder / "route.yaml").write_text(ROUTE.format(parent="wbe", path="/a"))
    result = headgate("validate", "-f", str(folder))
    assert result.exit_code == 1
    assert f"{folder}/two.yaml:7: error: Gateway default/other: spec.listeners[0].port" in result.stdout
    assert f"{folder}/route.yaml:6: error: HTTPRoute default/shop: is not accepted (Gateway wbe)" in result.stdout


def test_a_missing_target_of_a_policy_has_file_and_line(folder: Path) -> None:
    """A policy whose target does not exist fails the validation, with the line of the target and the name meant."""
    target = "{group: gateway.networking.k8s.io, kind: HTTPRoute, name: shpo}"
    (folder / "policy.yaml").write_text(
        "apiVersion: gateway.headgate.dev/v1alpha1\nkind: TrafficPolicy\nmetadata: {name: p}\n"
        f"spec:\n  targetRefs:\n  - {target}\n  cors: {{}}\n"
    )
    result = headgate("validate", "-f", str(folder))
    assert result.exit_code == 1
    (line,) = (each for each in result.stdout.splitlines() if "policy.yaml" in each)
    assert line.startswith(f"{folder}/policy.yaml:6: error: TrafficPolicy default/p: is not accepted")
    assert "HTTPRoute default/shpo does not exist; did you mean shop?" in line


def test_namespaces_of_policies_need_an_option(folder: Path) -> None:
    """A policy selects routes of other namespaces without a grant if --policy-namespaces has its namespace."""
    spec = (
        "spec:\n  targetSelectors:\n  - {group: gateway.networking.k8s.io, kind: HTTPRoute, matchLabels: {a: b},"
        " namespaces: {from: All}}\n  cors: {}\n"
    )
    header = "apiVersion: gateway.headgate.dev/v1alpha1\nkind: TrafficPolicy\nmetadata: {name: p, namespace: infra}\n"
    (folder / "policy.yaml").write_text(header + spec)
    route = (folder / "route.yaml").read_text().replace("metadata: {", "metadata: {labels: {a: b}, ")
    assert "labels" in route
    (folder / "route.yaml").write_text(route)
    refused = headgate("validate", "-f", str(folder))
    assert refused.exit_code == 1
    assert "RefNotPermitted" in refused.stdout or "no ReferenceGrant" in refused.stdout
    assert headgate("validate", "-f", str(folder), "--policy-namespaces", "infra").exit_code == 0
    wrong = headgate("validate", "-f", str(folder), "--policy-namespaces", "In_fra")
    assert wrong.exit_code == 2


def test_global_limits_need_a_service(folder: Path) -> None:
    """A limit that names no service needs --rate-limit-service, as the problem says; then proxies ask that."""
    target = "{group: gateway.networking.k8s.io, kind: Gateway, name: web}"
    (folder / "policy.yaml").write_text(
        "apiVersion: gateway.headgate.dev/v1alpha1\nkind: TrafficPolicy\nmetadata: {name: p}\n"
        f"spec:\n  targetRefs:\n  - {target}\n"
        "  rateLimit: {global: {rules: [{name: all, limit: {requests: 9, unit: Hour}}]}}\n"
    )
    without = headgate("validate", "-f", str(folder))
    assert without.exit_code == 1
    assert "--rate-limit-service HOST:PORT" in without.stdout
    option = ("--rate-limit-service", "10.1.2.3:8081")
    assert headgate("validate", "-f", str(folder), *option).exit_code == 0
    assert "address: 10.1.2.3" in headgate("translate", "-f", str(folder), *option).stdout
    for wrong in ("10.1.2.3", "10.1.2.3:0", ":8081"):
        assert headgate("validate", "-f", str(folder), "--rate-limit-service", wrong).exit_code == 2


def test_where_identity_tokens_come_from(folder: Path) -> None:
    """Proxies get tokens for services of Google Cloud at its metadata server, or where an option says."""
    (folder / "google.yaml").write_text(
        "apiVersion: gateway.headgate.dev/v1alpha1\nkind: Backend\nmetadata: {name: hello}\n"
        "spec: {gcp: {host: hello.example.com}}\n---\n"
        "apiVersion: gateway.networking.k8s.io/v1\nkind: HTTPRoute\nmetadata: {name: hello}\n"
        "spec:\n  parentRefs: [{name: web}]\n  rules:\n"
        "  - {backendRefs: [{group: gateway.headgate.dev, kind: Backend, name: hello}]}\n"
    )
    assert "address: metadata.google.internal" in headgate("translate", "-f", str(folder)).stdout
    option = ("--gcp-metadata-server", "10.1.2.3:8080")
    assert "address: 10.1.2.3" in headgate("translate", "-f", str(folder), *option).stdout
    assert headgate("validate", "-f", str(folder), *option).exit_code == 0
    assert headgate("validate", "-f", str(folder), "--gcp-metadata-server", "10.1.2.3").exit_code == 2


def test_targets_tell_of_policies_with_an_option(folder: Path) -> None:
    """With --policy-affected, and only then, `translate` shows which policies the target of one has."""
    target = "{group: gateway.networking.k8s.io, kind: Gateway, name: web}"
    (folder / "policy.yaml").write_text(
        "apiVersion: gateway.headgate.dev/v1alpha1\nkind: TrafficPolicy\nmetadata: {name: p}\n"
        f"spec:\n  targetRefs:\n  - {target}\n  cors: {{}}\n"
    )
    arguments = ("translate", "-f", str(folder), "--to", "status")
    assert "PolicyAffected" not in headgate(*arguments).stdout
    assert "Policies for it: TrafficPolicy default/p;" in headgate(*arguments, "--policy-affected").stdout
    assert headgate("validate", "-f", str(folder), "--policy-affected").exit_code == 0
    for each in (controller, run):
        assert inspect.signature(each).parameters["policy_affected"].default is in_cluster().policy_affected


def test_a_warning_fails_unless_it_is_allowed(folder: Path) -> None:
    """An unknown field fails the validation, unless --allow-warnings is given."""
    (folder / "two.yaml").write_text(GATEWAY.format(name="other", port=8081) + "  unheardOf: 1\n")
    result = headgate("validate", "-f", str(folder))
    assert result.exit_code == 1
    assert "unheardOf" in result.stdout
    assert headgate("validate", "-f", str(folder), "--allow-warnings").exit_code == 0


def test_without_envoy_the_rest_is_validated(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without an Envoy, a note says so, and Headgate's rules are checked; a given Envoy must exist."""
    monkeypatch.setenv("HEADGATE_ENVOY", "/missing")
    result = headgate("validate", "-f", str(folder))
    assert result.exit_code == 0
    assert "note: not validated by Envoy itself" in result.stderr
    assert headgate("validate", "-f", str(folder), "--envoy-path", "/missing").exit_code == 1


def test_envoys_error_is_reported(envoy_path: Path, secret: Resource) -> None:
    """Envoy's error is reported without the prefix of its log; a valid configuration reports nothing."""
    good = Snapshot.of([listener(), cluster(), route("/a"), endpoints("127.0.0.1"), secret])
    assert envoy_error(envoy_path, good) is None
    words = envoy_error(envoy_path, good.replace([route("(?<no")]))
    assert words == "invalid named capture group: (?<no"


def test_a_hanging_validation_is_an_error(
    folder: Path, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A validation that takes too long is an error that names the Envoy."""
    monkeypatch.setattr("headgate.envoy.validate.DEADLINE", 0.1)
    endless = script(tmp_path_factory.mktemp("bin") / "envoy", "exec sleep 5")
    result = headgate("validate", "-f", str(folder), "--envoy-path", str(endless))
    assert (result.exit_code, type(result.exception)) == (1, SystemExit)
    assert "without coming to an end" in result.stderr


def test_a_cluster_of_any_size_is_read() -> None:
    """Objects of a cluster are read even if they are larger together than the limit of a file."""
    text = "x" * 1_000_000
    items = [
        {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": f"n{number}", "annotations": {"text": text}}}
        for number in range(20)
    ]
    folder = as_folder(items)
    assert folder.diagnostics == ()
    assert len(folder.objects) == 20


def test_external_names_need_an_option() -> None:
    """`translate --cluster` serves a Service of type ExternalName only with --external-names, like the controller."""
    names = {each.name for each in inspect.signature(controller).parameters.values()}
    shared = {"controller_name", "external_names"}
    assert shared <= names & set(inspect.signature(translate).parameters)
    for option in shared:
        defaults = {inspect.signature(each).parameters[option].default for each in (controller, translate)}
        assert len(defaults) == 1
    assert in_cluster().external_names is inspect.signature(controller).parameters["external_names"].default


def test_yaml_has_no_aliases(folder: Path) -> None:
    """Repeated values are written in full, without anchors and aliases."""
    parents = "parentRefs: [{name: web}, {name: other}]"
    (folder / "route.yaml").write_text(
        ROUTE.format(parent="web", path="/a").replace("parentRefs: [{name: web}]", parents)
    )
    for to in ("status", "xds", "ir"):
        shown = headgate("translate", "-f", str(folder), "--to", to).stdout
        assert loaded(shown)
        assert not [line for line in shown.splitlines() if "&id" in line or "*id" in line]


def test_a_route_that_is_not_served_fails_the_translation(folder: Path) -> None:
    """A route that is not served is reported with its line on standard error, and the exit status is 1."""
    (folder / "route.yaml").write_text(ROUTE.format(parent="wbe", path="/a"))
    result = headgate("translate", "-f", str(folder))
    assert result.exit_code == 1
    assert f"{folder}/route.yaml:6: error: HTTPRoute default/shop: is not accepted (Gateway wbe)" in result.stderr
    assert list(loaded(result.stdout)) == ["default/other", "default/web"]


def test_a_folder_without_objects_is_not_valid(tmp_path: Path) -> None:
    """A folder without objects is an error, since it may be the wrong one."""
    result = headgate("validate", "-f", str(tmp_path))
    assert result.exit_code == 1
    assert f"there is no object in {tmp_path}" in result.stderr


def test_problems_without_a_condition_are_reported(folder: Path) -> None:
    """A misspelt label of an EndpointSlice is a warning with file and line, and fails the validation."""
    service = (folder / "service.yaml").read_text().replace("service-name: shop", "service-name: shpo")
    (folder / "service.yaml").write_text(service)
    result = headgate("validate", "-f", str(folder))
    assert result.exit_code == 1
    assert f"{folder}/service.yaml:8: warning: EndpointSlice default/shop-1: its label" in result.stdout
    assert "did you mean shop?" in result.stdout
    assert "did you mean shop?" in headgate("translate", "-f", str(folder)).stderr


def test_conditions_have_the_line_of_their_field(folder: Path) -> None:
    """A missing reference is reported with its line, and a suggestion."""
    tls = "{name: tls, port: 1, protocol: HTTPS, tls: {\n    certificateRefs: [{name: x}]}}"
    tls = f"listeners:\n  - {tls}\n  - {{name: http,"
    gateway = GATEWAY.format(name="web", port=8080).replace("listeners: [{name: http,", tls).replace("HTTP}]", "HTTP}")
    (folder / "one.yaml").write_text(gateway)
    route = ROUTE.format(parent="web}, {name: wbe", path="/a").replace("{name: shop,", "{name: shpo,\n")
    (folder / "route.yaml").write_text("# a comment\n" + route)
    output = headgate("validate", "-f", str(folder)).stdout
    assert f"{folder}/one.yaml:9: error: Gateway default/web: is not programmed (listener tls)" in output
    assert f"{folder}/route.yaml:7: error: HTTPRoute default/shop: is not accepted (Gateway wbe)" in output
    assert "Gateway default/wbe does not exist; did you mean web?" in output
    assert f"{folder}/route.yaml:10: error: HTTPRoute default/shop: has references that cannot be resolved" in output
    assert "Service default/shpo does not exist; did you mean shop?" in output


def test_an_invalid_object_is_not_reported_as_missing(folder: Path) -> None:
    """A reference to an invalid object is reported with the place of that object."""
    service = (folder / "service.yaml").read_text().replace("port: 80}]", "port: eighty}]")
    (folder / "service.yaml").write_text(service)
    output = headgate("validate", "-f", str(folder)).stdout
    assert (
        "Service default/shop is in the files, but is not valid: correct the problems that are reported for it."
        in output
    )
    assert "does not exist" not in output


def test_conditions_of_standard_input_have_the_objects_line() -> None:
    """Conditions of objects from standard input are reported with the object's first line."""
    output = headgate("validate", "-f", "-", stdin=ROUTE.format(parent="web", path="/a")).stdout
    assert "<stdin>:2: error: HTTPRoute default/shop: is not accepted (Gateway web)" in output
