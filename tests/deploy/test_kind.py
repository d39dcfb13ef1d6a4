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
    """A machine with nothing but some usual programs and stand-ins, which note how they are called."""

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
        """Run `deploy/kind/up` where these clusters are, and calls that match this pattern fail."""
        environment = {"PATH": str(self.bin), "LOG": str(self.log), "CLUSTERS": clusters, "FAILING": failing or "-"}
        command = [str(ROOT / "deploy" / "kind" / "up")]
        return subprocess.run(command, env=environment | variables, cwd="/", capture_output=True, text=True)

    @property
    def calls(self) -> list[str]:
        """How the stand-ins were called."""
        return self.log.read_text().splitlines() if self.log.exists() else []


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    """Return a machine on which all tools are."""
    return Machine(tmp_path)


def only(calls: list[str], start: str) -> list[str]:
    """Return the words of the only call that begins so."""
    (found,) = (each for each in calls if each.startswith(start))
    return found.split()


def test_missing_tools_are_named_at_once(machine: Machine) -> None:
    """All that is to be installed is told before anything is done."""
    for each in ("helm", "kind"):
        (machine.bin / each).unlink()
    done = machine.run()
    assert done.returncode == 1
    assert "install these first: kind helm" in done.stderr
    assert machine.calls == []


def test_docker_is_away(machine: Machine) -> None:
    """That it does not answer is told before anything is done."""
    done = machine.run(failing="docker info")
    assert done.returncode == 1
    assert "Docker does not answer" in done.stderr
    assert machine.calls == ["docker info"]


def test_everything_is_made_from_nothing(machine: Machine) -> None:
    """The image that is built is loaded and installed, all files are there, and the end tells how to take it away."""
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


def test_a_cluster_is_made_once(machine: Machine) -> None:
    """Run again, all but the cluster is made anew."""
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
def test_what_fails_ends_it_with_a_way_out(machine: Machine, failing: str, message: str) -> None:
    """What can be expected to fail on a user's machine says what to do."""
    done = machine.run(failing=failing)
    assert done.returncode == 1
    assert message in done.stderr


def test_the_port_is_that_of_the_quickstart(machine: Machine) -> None:
    """The port of the node to which the machine's leads is that of the Gateway's Service."""
    machine.run()
    assert "containerPort: 30080" in Path(f"{machine.log}.config").read_text()
    assert "nodePort: 30080" in (ROOT / "deploy" / "kind" / "quickstart.yaml").read_text()
    assert os.access(ROOT / "deploy" / "kind" / "up", os.X_OK)
