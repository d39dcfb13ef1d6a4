"""Modules of WebAssembly for tests, and servers that they are fetched from."""

from __future__ import annotations

import base64
import contextlib
import gzip
import io
import json
import shutil
import subprocess
import tarfile
import tempfile
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from functools import cache
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from tests.live.objects import Manifest, traffic_policy
from tests.watchers.loopback import serving

SOURCE = Path(__file__).parent / "wasm" / "filter.wat"
WASM = "application/vnd.module.wasm.content.layer.v1+wasm"
GZIP = "application/vnd.oci.image.layer.v1.tar+gzip"
USER, PASSWORD = "puller", "pull-secret-text"


@cache
def compiled() -> bytes:
    """Return the module of the tests, compiled by wabt."""
    if shutil.which("wat2wasm") is None:
        pytest.skip("there is no wat2wasm: install wabt")
    with tempfile.NamedTemporaryFile() as made:
        subprocess.run(["wat2wasm", SOURCE, "-o", made.name], check=True)
        return made.read()


def compile_library(path: Path) -> None:
    """Compile the shared library of the tests."""
    compiler = shutil.which("cc")
    if compiler is None:
        pytest.skip("there is no C compiler")
    subprocess.run([compiler, "-shared", "-fPIC", "-o", path, SOURCE.parents[1] / "dynamic" / "filter.c"], check=True)


def number(value: int) -> bytes:
    """Return an unsigned number as modules write it (LEB128)."""
    low, rest = value & 0x7F, value >> 7
    return bytes([low | 0x80]) + number(rest) if rest else bytes([low])


def with_section(module: bytes, text: bytes) -> bytes:
    """Return another module that does the same: it has a section of its own with a text."""
    content = number(4) + b"note" + text
    return module + b"\0" + number(len(content)) + content


def empty_module(*exports: str) -> bytes:
    """Return a module that exports functions which do nothing."""
    names = b"".join(number(len(each)) + each.encode() + b"\0\0" for each in exports)
    sections = {1: b"\1\x60\0\0", 3: b"\1\0", 7: number(len(exports)) + names, 10: b"\1\2\0\x0b"}
    return b"\0asm\1\0\0\0" + b"".join(bytes([each]) + number(len(body)) + body for each, body in sections.items())


def digest(content: bytes) -> str:
    """Return the digest of a blob."""
    return f"sha256:{sha256(content).hexdigest()}"


def archive(files: dict[str, bytes]) -> bytes:
    """Return a layer of an ordinary image, compressed."""
    made = io.BytesIO()
    with tarfile.open(fileobj=made, mode="w") as tar:
        for name, content in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            tar.addfile(info, io.BytesIO(content))
    return gzip.compress(made.getvalue())


@dataclass
class Registry:
    """A registry with one repository, `team/module`, which gives out tokens to who may pull.

    Attributes:
        private: whether only the user may pull.
        tags: the manifests by their tags.
        blobs: all contents by their digests.
        asked: the paths that were asked for.
    """

    url: str = ""
    private: bool = False
    tags: dict[str, bytes] = field(default_factory=dict)
    blobs: dict[str, bytes] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)
    redirect: str = ""

    @property
    def host(self) -> str:
        """The host and port."""
        return self.url.removeprefix("http://")

    def push(self, content: bytes, tag: str = "v1", media_type: str = WASM) -> str:
        """Have a tag name an image of one layer; return the digest of its manifest."""
        self.blobs[digest(content)] = content
        layers = [{"mediaType": media_type, "digest": digest(content), "size": len(content)}]
        manifest = json.dumps({"schemaVersion": 2, "layers": layers}).encode()
        self.tags[tag] = self.blobs[digest(manifest)] = manifest
        return digest(manifest)

    def index(self, tag: str, *manifests: tuple[str, str]) -> None:
        """Have a tag name an index of manifests, each with an architecture."""
        entries = [{"digest": each, "platform": {"architecture": architecture}} for each, architecture in manifests]
        self.tags[tag] = json.dumps({"schemaVersion": 2, "manifests": entries}).encode()

    async def answer(self, request: web.Request) -> web.StreamResponse:
        """Answer a request."""
        self.asked.append(request.path)
        if request.path == "/token":
            given = request.headers.get("Authorization", "")
            if self.private and given != f"Basic {base64.b64encode(f'{USER}:{PASSWORD}'.encode()).decode()}":
                return web.Response(status=401)
            assert request.query["scope"] == "repository:team/module:pull"
            return web.json_response({"token": "secret-token"})
        if request.path.startswith("/elsewhere/"):
            assert "Authorization" not in request.headers
            return web.Response(body=self.blobs[request.path.removeprefix("/elsewhere/")])
        if request.headers.get("Authorization") != "Bearer secret-token":
            challenge = f'Bearer realm="{self.url}/token",service="tests",scope="repository:team/module:pull"'
            return web.Response(status=401, headers={"WWW-Authenticate": challenge})
        kind, _, name = request.path.removeprefix("/v2/team/module/").partition("/")
        if kind == "blobs" and self.redirect:
            raise web.HTTPTemporaryRedirect(f"{self.redirect}/elsewhere/{name}")
        content = {**self.blobs, **self.tags}.get(name)
        return web.Response(status=404) if content is None else web.Response(body=content)


@contextlib.asynccontextmanager
async def registry() -> AsyncIterator[Registry]:
    """Run a registry."""
    found = Registry()
    async with serving(found.answer) as url:
        found.url = url
        yield found


def module_map(name: str = "modules", **keys: bytes) -> Manifest:
    """Return a ConfigMap with modules."""
    data = {key: base64.b64encode(content).decode() for key, content in keys.items()}
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}, "binaryData": data}


def modules(*entries: Manifest, level: str = "route", name: str = "policy") -> Manifest:
    """Return a policy with modules."""
    return traffic_policy(level, name, wasm=list(entries))


def module(name: str, key: str = "wasm", **fields: Any) -> Manifest:
    """Return a module in a ConfigMap, which writes its name."""
    code = {"configMapRef": {"name": "modules", "key": key}}
    return {"name": name, "code": code, "config": {"name": name}, **fields}


def pull_secret(host: str, password: str = PASSWORD) -> Manifest:
    """Return a Secret by which images are pulled."""
    auth = base64.b64encode(f"{USER}:{password}".encode()).decode()
    config = base64.b64encode(json.dumps({"auths": {host: {"auth": auth}}}).encode()).decode()
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "type": "kubernetes.io/dockerconfigjson",
        "metadata": {"name": "pull"},
        "data": {".dockerconfigjson": config},
    }
