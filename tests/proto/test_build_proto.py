"""What the generator takes out of the Envoy binary is Envoy's whole API, importable and typed."""

import importlib
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from google.protobuf.descriptor_pb2 import FileDescriptorProto

import build_proto
import headgate_proto
from headgate_proto.envoy.config.route.v3 import route_components_pb2
from headgate_proto.validate import validate_pb2

ROOT = Path(headgate_proto.__file__).parent
MODULES = [".".join(path.with_suffix("").relative_to(ROOT.parent).parts) for path in sorted(ROOT.rglob("*_pb2.py"))]


def descriptor(name: str, *imports: str) -> bytes:
    """Returns the serialised descriptor of a small `.proto` file."""
    file = FileDescriptorProto(name=name, package="a", dependency=imports, syntax="proto3")
    file.message_type.add(name="M").field.add(name="f", number=1)
    return file.SerializeToString()


def test_every_module_imports() -> None:
    """All generated modules import together, which no missing file or clash of names survives."""
    for module in MODULES:
        importlib.import_module(module)
    assert len(MODULES) > 450


def test_modules_are_typed() -> None:
    """Each module has a stub, and the package says that it is typed."""
    assert [path for path in ROOT.rglob("*_pb2.py") if not path.with_suffix(".pyi").is_file()] == []
    assert (ROOT / "py.typed").is_file()


def test_rules_are_there() -> None:
    """The options of fields carry protoc-gen-validate's rules."""
    field = route_components_pb2.VirtualHost.DESCRIPTOR.fields_by_name["domains"]
    rules: Any = validate_pb2.rules  # the generated type says less than it is
    assert field.GetOptions().Extensions[rules].repeated.min_items == 1


def test_embedded_files_are_found_between_other_bytes(tmp_path: Path) -> None:
    """Descriptors are found wherever they lie, also back to back, and of two copies the longer is taken."""
    first, second = descriptor("envoy/a.proto"), descriptor("envoy/b.proto", "envoy/a.proto")
    shorter = FileDescriptorProto(name="envoy/a.proto").SerializeToString()
    binary = tmp_path / "binary"
    binary.write_bytes(b"\x7fELF\n\x0ax.proto\x00" + shorter + b"\x00\x00" + first + second + b"\x00\xff" * 8)
    found = build_proto.embedded_files(binary)
    assert found == {"envoy/a.proto": first, "envoy/b.proto": second}


def test_missing_import_is_named() -> None:
    """A file that Envoy's API imports and the binary does not hold is named in the error."""
    with pytest.raises(build_proto.GenerationError, match=r"envoy/b\.proto"):
        build_proto.closure({"envoy/a.proto": ["envoy/b.proto"]}, ["envoy/a.proto"])


def test_imports_move_below_proto() -> None:
    """Imports of Envoy's own trees move below `proto`; those of installed packages stay."""
    before = ["from envoy.type.v3 import a_pb2", "from google.api import b_pb2", "from google.api.expr.v1 import c_pb2"]
    after = [
        "from headgate_proto.envoy.type.v3 import a_pb2",
        "from google.api import b_pb2",
        "from headgate_proto.google.api.expr.v1 import c_pb2",
    ]
    assert build_proto.move_imports("\n".join(before), ["envoy", "google.api.expr"]) == "\n".join(after)


def test_second_run_does_nothing() -> None:
    """When all is up to date the generator touches no file and says nothing."""
    stamp = ROOT / build_proto.STAMP
    before = stamp.stat().st_mtime_ns
    done = subprocess.run([sys.executable, build_proto.__file__], capture_output=True, text=True, check=True)
    assert (done.stdout, stamp.stat().st_mtime_ns) == ("", before)
