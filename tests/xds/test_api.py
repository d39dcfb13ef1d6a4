"""The names of the package's API."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import xds

TREE = ast.parse(Path(xds.__file__).read_text())


def test_names_are_those_of_type_checkers() -> None:
    """Each name is imported from the module from which the block for type checkers imports it."""
    imports = [each for each in ast.walk(TREE) if isinstance(each, ast.ImportFrom)]
    declared = {alias.asname: str(each.module) for each in imports for alias in each.names if alias.asname}
    assert declared == xds._MODULES
    for name, module in declared.items():
        assert getattr(xds, name) is getattr(sys.modules[module], name)
    assert dir(xds) == sorted(declared)


def test_an_unknown_name_is_an_attribute_error() -> None:
    """An unknown name raises AttributeError, as in any module."""
    with pytest.raises(AttributeError, match="module 'xds' has no attribute 'Nonsense'"):
        getattr(xds, "Nonsense")  # noqa: B009 (a checker would not let it pass)


@pytest.mark.parametrize("names", ["Snapshot, Resource, Reference, diff, CLUSTER", "Timeouts, Nack, Ack", "check"])
def test_only_the_server_loads_grpc(names: str) -> None:
    """Resources, snapshots, the protocol and the validation load neither gRPC nor the server."""
    code = f"from xds import {names}\nimport sys\nprint(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    loaded = set(done.stdout.split())
    assert loaded & {"xds.resources.snapshot", "xds.protocol.session", "xds.validation.validate"}
    assert not {each for each in loaded if each.partition(".")[0] == "grpc" or each.startswith("xds.server")}
