"""The command line: help, and a user's errors without a traceback."""

import json
import subprocess
import sys
from dataclasses import fields
from pathlib import Path

import pytest
import yaml
from typer.main import get_command
from typer.testing import CliRunner

from headgate.cli import app
from headgate.commands.translation import DEFAULT_OPTIONS, TranslationOptions
from translator.inputs import Settings, in_cluster
from translator.proxy import ENVOY_VERSION

runner = CliRunner()


def test_headgate_alone_shows_its_help() -> None:
    """Without a command, the help is shown, with exit status 0."""
    shown = subprocess.run([sys.executable, "-m", "headgate"], capture_output=True, text=True, check=True).stdout
    assert "headgate run FOLDER" in shown


def test_the_printed_bootstrap_is_valid(envoy_path: Path, tmp_path: Path) -> None:
    """The output of `headgate bootstrap` passes Envoy's own validation without a warning, and names its Gateway."""
    printed = runner.invoke(app, ["bootstrap", "--gateway", "default/web", "--xds-address", "[::1]:18001"])
    assert printed.exit_code == 0
    assert yaml.safe_load(printed.output)["node"]["cluster"] == "default/web"
    file = tmp_path / "envoy.yaml"
    file.write_text(printed.output)
    command = [str(envoy_path), "--mode", "validate", "--log-level", "warning", "--config-path", str(file)]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (result.returncode, result.stderr) == (0, "")


def test_a_bootstrap_can_be_printed_as_json() -> None:
    """The bootstrap can be printed as JSON; Envoy resolves a server's host name."""
    printed = runner.invoke(app, ["bootstrap", "--gateway", "a/b", "--xds-address", "headgate:1", "-o", "json"])
    clusters = {each["name"]: each for each in json.loads(printed.output)["static_resources"]["clusters"]}
    assert clusters["xds"]["type"] == "STRICT_DNS"


@pytest.mark.parametrize(
    ("arguments", "locality"), [(["--zone", "eu-west-1a"], {"zone": "eu-west-1a"}), ([], None), (["--zone", ""], None)]
)
def test_an_envoy_knows_its_zone(arguments: list[str], locality: object) -> None:
    """The option `--zone` is the zone of its node; without it there is none."""
    printed = runner.invoke(app, ["bootstrap", "--gateway", "a/b", "-o", "json", *arguments])
    made = json.loads(printed.output)
    assert made["node"].get("locality") == locality
    local = made["cluster_manager"]["local_cluster_name"]
    assert local in [each["name"] for each in made["static_resources"]["clusters"]]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["bootstrap", "--gateway", "web"], "is not NAMESPACE/NAME"),
        (["bootstrap", "--gateway", "a/b", "--xds-address", "1"], "has no port"),
        (["run", "config", "--zone", "a b"], "is no name of a zone"),
        (["no-such-command"], "No such command"),
    ],
)
def test_a_wrong_command_line_is_exit_status_2(arguments: list[str], message: str) -> None:
    """An invalid command line is a usage error."""
    result = runner.invoke(app, arguments, env={"COLUMNS": "200"})
    assert result.exit_code == 2
    assert message in result.stderr


def test_versions_are_shown() -> None:
    """The versions of Headgate and of its Envoy are shown; proxies in a cluster have the same Envoy."""
    shown = runner.invoke(app, ["version"])
    assert shown.exit_code == 0
    assert f"envoy    {ENVOY_VERSION}" in shown.output


def test_the_version_is_an_option_too() -> None:
    """`headgate --version` prints the same as `headgate version`."""
    assert runner.invoke(app, ["--version"]).output == runner.invoke(app, ["version"]).output


@pytest.mark.parametrize("command", ["run", "controller", "translate", "validate", "status", "bootstrap", "certs"])
def test_each_example_is_a_line_of_its_own(command: str) -> None:
    """Each example in a command's help is a separate line, which can be copied."""
    shown = runner.invoke(app, [command, "--help"], env={"COLUMNS": "120"}).output
    examples = [line.strip() for line in shown.partition("Example")[2].partition("╭")[0].splitlines() if line.strip()]
    lines = [line for line in examples if line.startswith(("headgate ", "kubectl "))]
    assert lines
    assert all(line.count("headgate ") <= 1 for line in lines)


def test_options_of_the_translation_have_its_defaults() -> None:
    """An option that is not given leaves the setting as it is, in a cluster and for files."""
    for settings in (Settings(), in_cluster()):
        assert DEFAULT_OPTIONS.applied(settings) == settings


@pytest.mark.parametrize("command", ["run", "controller", "translate", "validate", "explain"])
def test_options_of_the_translation(command: str) -> None:
    """Every command that translates has all of them."""
    names = {f"--{each.name.replace('_', '-')}" for each in fields(TranslationOptions)}
    found = {name for each in get_command(app).commands[command].params for name in each.opts}  # type: ignore[attr-defined]
    assert names <= found
