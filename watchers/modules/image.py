"""Images with a module of WebAssembly, by the specifications of OCI. Pure: names and bytes in, names and bytes out.

Sources: https://github.com/opencontainers/image-spec, https://github.com/opencontainers/distribution-spec, and
https://github.com/solo-io/wasm/tree/master/spec (what is in an image of a module).
"""

from __future__ import annotations

import io
import tarfile
import zlib
from collections.abc import Iterator
from hashlib import sha256
from typing import Any, Final, NamedTuple

import orjson

from watchers.modules.download import ModuleError

MOST_MODULE_BYTES: Final = 16 << 20
"""Longest module, and longest layer of an image, compressed or not."""
MOST_CHUNK: Final = 64 << 10
"""Bytes of a layer that are decompressed at a time."""
MANIFESTS: Final = (
    "application/vnd.oci.image.manifest.v1+json",
    "application/vnd.docker.distribution.manifest.v2+json",
)
INDEXES: Final = (
    "application/vnd.oci.image.index.v1+json",
    "application/vnd.docker.distribution.manifest.list.v2+json",
)
MODULE_LAYERS: Final = (
    "application/wasm",
    "application/vnd.module.wasm.content.layer.v1+wasm",
    "application/vnd.wasm.content.layer.v1+wasm",
)
"""The types of layers that are modules as they are."""
FILE: Final = "plugin.wasm"
"""The file in a layer of an ordinary image that is the module."""
_DOCKER: Final = ("docker.io", "index.docker.io")


class ImageName(NamedTuple):
    """An image.

    Attributes:
        registry: the registry: a host, and a port if it names one.
        repository: the repository in it.
        reference: the digest, or else the tag.
    """

    registry: str
    repository: str
    reference: str


def parse_name(text: str) -> ImageName:
    """Return the image that a reference names.

    >>> parse_name("ghcr.io/team/module:v1")
    ImageName(registry='ghcr.io', repository='team/module', reference='v1')
    """
    registry, _, rest = text.partition("/")
    rest, _, digest = rest.partition("@")
    repository, _, tag = rest.partition(":")
    if registry in _DOCKER:
        registry, repository = "registry-1.docker.io", repository if "/" in repository else f"library/{repository}"
    return ImageName(registry, repository, digest or tag or "latest")


class Layer(NamedTuple):
    """A blob that a manifest names: its digest, and its type."""

    digest: str
    media_type: str


def check_digest(body: bytes, digest: str) -> None:
    """Check that a blob is the one that was asked for.

    Raises:
        ModuleError: it is another one, or the digest is of another kind than SHA-256.
    """
    if not digest.startswith("sha256:"):
        raise ModuleError("the registry names content by another hash than sha256")
    if sha256(body).hexdigest() != digest.removeprefix("sha256:"):
        raise ModuleError("the registry sent something else than what the digest says")


def read_manifest(body: bytes) -> Layer | str:
    """Return the layer of a manifest that has the module; of an index, the digest of the manifest to read.

    Raises:
        ModuleError: it has none.
    """
    try:
        found: Any = orjson.loads(body)
        if found.get("manifests") is not None:
            return _of_index(found["manifests"])
        layers = [Layer(str(each["digest"]), str(each["mediaType"])) for each in found["layers"]]
    except (orjson.JSONDecodeError, AttributeError, KeyError, TypeError):
        raise ModuleError("the manifest of the image cannot be read") from None
    modules = [each for each in layers if each.media_type in MODULE_LAYERS]
    if not layers:
        raise ModuleError("the image has no layer")
    return modules[0] if modules else layers[-1]


def _of_index(manifests: list[dict[str, Any]]) -> str:
    """Return the digest of the image for WebAssembly in an index, or else of the first one."""
    if not manifests:
        raise ModuleError("the index of the image names no manifest")
    for_wasm = [each for each in manifests if (each.get("platform") or {}).get("architecture") == "wasm"]
    return str((for_wasm or manifests)[0]["digest"])


def read_layer(body: bytes, media_type: str) -> bytes:
    """Return the module in a layer.

    Raises:
        ModuleError: there is none.
    """
    if media_type in MODULE_LAYERS:
        return body
    if media_type.endswith("+zstd"):
        raise ModuleError("the layer of the image is compressed by zstd: build it with gzip")
    tar = _decompressed(body) if body.startswith(b"\x1f\x8b") else body
    try:
        with tarfile.open(fileobj=io.BytesIO(tar), mode="r:") as files:
            found = _module_file(files)
            content = files.extractfile(found) if found is not None else None
            if content is None:
                raise ModuleError(f"the last layer of the image has no file {FILE}")
            # A file with holes is as long as it says, whatever the length of the archive.
            module = content.read(MOST_MODULE_BYTES + 1)
    except (tarfile.TarError, EOFError):
        raise ModuleError("the layer of the image is no archive of tar") from None
    if len(module) > MOST_MODULE_BYTES:
        raise ModuleError(f"the module in the image has more than {MOST_MODULE_BYTES} bytes")
    return module


def _module_file(files: tarfile.TarFile) -> tarfile.TarInfo | None:
    """Return the file that is the module; a link to another one is none."""
    regular = [each for each in files if each.isreg()]
    named = [each for each in regular if each.name.removeprefix("./") == FILE]
    others = [each for each in regular if each.name.endswith(".wasm")]
    return next(iter(named or (others if len(others) == 1 else [])), None)


def _decompressed(body: bytes) -> bytes:
    made = bytearray()
    try:
        for chunk in _chunks(body):
            made += chunk
            if len(made) > MOST_MODULE_BYTES:
                raise ModuleError(f"the layer of the image has more than {MOST_MODULE_BYTES} bytes")
    except zlib.error:
        raise ModuleError("the layer of the image is damaged") from None
    return bytes(made)


def _chunks(body: bytes) -> Iterator[bytes]:
    """Yield what a body of gzip decompresses to, a bit at a time: a small one may become very long."""
    machine, rest = zlib.decompressobj(wbits=31), body
    while rest and not machine.eof:
        yield machine.decompress(rest, MOST_CHUNK)
        rest = machine.unconsumed_tail
    yield machine.flush()
