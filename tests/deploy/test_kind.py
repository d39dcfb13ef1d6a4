"""`make kind`, with stubs of the tools that need a container engine."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path
from typing import Final

import pytest

from tests.deploy.tools import ROOT

TOOLS: Final = ("docker", "kind", "kubectl", "helm", "curl")
USUAL: Final = ("bash", "cat", "date", "dirname", "env", "grep", "sed")
STAND_IN: Final = """#!/usr/bin/env bash
name=${0##*/}
echo "$name $*" >>"$LOG"
case "$name $*" in
"kind get clusters") echo "$CLUSTERS" ;;
"kind create"*) cat >"$LOG.config" ;;
esac
[[ "$name $*" != $FAILING ]]
"""


class Machine:
    """A machine with some standard programs, and stubs that record their calls."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.log = folder, folder / "log"
        self.bin = folder / "bin"
        self.bin.mkdir()
        for each in USUAL:
            found = shutil.which(each)
            assert found is not None
            (self.bin / each).symlink_to(found)
        for each in TOOLS:
            (self.bin / each).write_text(STAND_IN)
            (self.bin / each).chmod(0o755)

    def run(self, clusters: str = "", failing: str = "", **variables: str) -> subprocess.CompletedProcess[str]:
        """Run `deploy/kind/up` with these existing clusters, and failures of calls that match a pattern."""
        environment = {"PATH": str(self.bin), "LOG": str(self.log), "CLUSTERS": clusters, "FAILING": failing or "-"}
        command = [str(ROOT / "deploy" / "kind" / "up")]
        return subprocess.run(command, env=environment | variables, cwd="/", capture_output=True, text=True)

    @property
    def calls(self) -> list[str]:
        """Return the calls of the stubs."""
        return self.log.read_text().splitlines() if self.log.exists() else []


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    """Return a machine with all tools."""
    return Machine(tmp_path)


def only(calls: list[str], start: str) -> list[str]:
    """Return the arguments of the only call with this prefix."""
    (found,) = (each for each in calls if each.startswith(start))
    return found.split()


def test_missing_tools_are_named_at_once(machine: Machine) -> None:
    """All missing tools are named before any change."""
    for each in ("helm", "kind"):
        (machine.bin / each).unlink()
    done = machine.run()
    assert done.returncode == 1
    assert "install these first: kind helm" in done.stderr
    assert machine.calls == []


def test_a_container_engine_that_does_not_respond(machine: Machine) -> None:
    """A container engine that does not respond is reported before any change."""
    done = machine.run(failing="docker info")
    assert done.returncode == 1
    assert "Docker does not answer" in done.stderr
    assert machine.calls == ["docker info"]


def test_a_cluster_is_created_and_headgate_installed(machine: Machine) -> None:
    """The image is built, loaded and installed, all files exist, and the last lines say how to delete the cluster."""
    done = machine.run(KIND_PORT="8090")
    assert (done.returncode, done.stderr) == (0, "")
    assert "hostPort: 8090" in Path(f"{machine.log}.config").read_text()
    image = only(machine.calls, "docker build")[5]
    assert only(machine.calls, "kind load")[3] == image
    assert f"image.tag={image.partition(':')[2]}" in only(machine.calls, "helm upgrade")
    files = [
        words[at + 1]
        for words in map(str.split, machine.calls)
        for at, word in enumerate(words)
        if word in ("-f", "-k")
    ]
    assert len(files) == 3
    assert all((ROOT / each).is_file() for each in files if not each.startswith("https:"))
    assert (ROOT / only(machine.calls, "helm upgrade")[4] / "Chart.yaml").is_file()
    assert all("--context kind-headgate" in each for each in machine.calls if each.startswith("kubectl"))
    assert [each.split()[-1] for each in machine.calls if each.startswith("curl")] == [
        "http://localhost:8090/",
        "http://localhost:8090/teapot",
    ]
    assert "kind delete cluster --name headgate" in done.stdout


def test_a_cluster_is_created_once(machine: Machine) -> None:
    """A second run does everything again except the creation of the cluster."""
    assert machine.run(clusters="other\nheadgate").returncode == 0
    assert not [each for each in machine.calls if each.startswith("kind create")]
    assert only(machine.calls, "helm upgrade")


@pytest.mark.parametrize(
    ("failing", "message"),
    [
        ("kind create*", "KIND_PORT=8081 make kind"),
        ("kubectl*Programmed*", "describe gateway web -n quickstart"),
        ("curl*", "does not lead to the cluster"),
    ],
)
def test_failures_have_a_way_out(machine: Machine, failing: str, message: str) -> None:
    """Failures that are likely on users' machines have a message with the way out."""
    done = machine.run(failing=failing)
    assert done.returncode == 1
    assert message in done.stderr


def test_the_port_is_that_of_the_quickstart(machine: Machine) -> None:
    """The machine's port is mapped to the node port of the Gateway's Service."""
    machine.run()
    assert "containerPort: 30080" in Path(f"{machine.log}.config").read_text()
    assert "nodePort: 30080" in (ROOT / "deploy" / "kind" / "quickstart.yaml").read_text()
    assert os.access(ROOT / "deploy" / "kind" / "up", os.X_OK)
