"""The client of modules with servers, and registries, that do not do what they should."""

from __future__ import annotations

import asyncio
import gzip
import io
import tarfile
from collections.abc import AsyncIterator, Callable
from hashlib import sha256
from typing import Any

import pytest
import pytest_asyncio
from aiohttp import web

from tests.live.modules import (
    GZIP,
    PASSWORD,
    USER,
    Registry,
    archive,
    empty_module,
    registry,
    with_section,
)
from tests.ports import free_port
from tests.watchers.loopback import endless, serving
from translator.ir.modules import FetchedModule, FetchedSource, ModuleAtUrl, ModuleInImage
from watchers.modules import client as client_module
from watchers.modules import download, image
from watchers.modules.client import ModuleClient
from watchers.modules.download import MOST_REDIRECTS, ModuleError
from watchers.modules.image import MOST_MODULE_BYTES, ImageName, parse_name, read_layer

GOOD = empty_module("proxy_abi_version_0_2_1")
OTHER = with_section(GOOD, b"other")


def at(url: str, content: bytes = GOOD) -> ModuleAtUrl:
    """Return the source of a content at a URL."""
    return ModuleAtUrl(url, sha256(content).hexdigest())


async def error_of(source: FetchedSource, *, allow_http: bool = True) -> str:
    """Return why a module cannot be fetched."""
    async with ModuleClient(allow_http=allow_http) as client:
        with pytest.raises(ModuleError) as found:
            await client.fetch(source)
    return str(found.value)


def responding(content: bytes) -> Callable[[web.Request], Any]:
    """Return what answers with a content."""

    async def answer(_: web.Request) -> web.Response:
        return web.Response(body=content)

    return answer


async def test_a_module_at_a_url_is_fetched_once() -> None:
    """A module at a URL has a hash, so it is fetched once, until nobody asks for it any more."""
    asked: list[str] = []

    async def answer(request: web.Request) -> web.Response:
        asked.append(request.path)
        return web.Response(body=GOOD)

    async with serving(answer) as url, ModuleClient(allow_http=True) as client:
        source = at(f"{url}/a")
        for _ in range(2):
            assert await client.fetch(source) == FetchedModule(GOOD)
        assert asked == ["/a"]
        client.keep(frozenset())
        assert await client.fetch(source) == FetchedModule(GOOD)
        assert asked == ["/a", "/a"]


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (OTHER, "has the SHA-256"),
        (b"<html>", "has the SHA-256"),
    ],
)
async def test_another_content(content: bytes, problem: str) -> None:
    """What has another hash is not taken."""
    async with serving(responding(content)) as url:
        assert problem in await error_of(at(url))


async def test_what_is_no_module() -> None:
    """What has the hash and is no module of Proxy-Wasm is not taken either."""
    async with serving(responding(b"<html>")) as url:
        assert "is no module of WebAssembly" in await error_of(at(url, b"<html>"))


async def test_a_module_that_is_too_long() -> None:
    """The read of an endless answer ends at the limit."""
    async with serving(endless) as url:
        assert f"longer than {MOST_MODULE_BYTES} bytes" in await error_of(at(url))


async def test_all_modules_together(monkeypatch: pytest.MonkeyPatch) -> None:
    """More bytes than the most of all modules are not kept; a module that goes makes room."""
    monkeypatch.setattr(client_module, "MOST_TOTAL_BYTES", len(GOOD) * 2)
    async with serving(responding(GOOD)) as url, ModuleClient(allow_http=True) as client:
        for path in ("a", "b"):
            await client.fetch(at(f"{url}/{path}"))
        with pytest.raises(ModuleError, match="all modules together have more than"):
            await client.fetch(at(f"{url}/c"))
        client.keep(frozenset({at(f"{url}/a")}))
        await client.fetch(at(f"{url}/c"))


async def test_a_silent_server(monkeypatch: pytest.MonkeyPatch) -> None:
    """A server that does not answer in time is given up."""
    monkeypatch.setattr(download, "SECONDS", 0.05)

    async def answer(_: web.Request) -> web.Response:
        await asyncio.Event().wait()
        raise AssertionError

    async with serving(answer) as url:
        assert await error_of(at(f"{url}/a?key=secret")) == f"GET {url}/a: no answer within 0 s"


async def test_so_many_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """No more modules are fetched at once than the most."""
    monkeypatch.setattr(client_module, "MOST_FETCHES", 2)
    running, most, enough = 0, 0, asyncio.Event()

    async def answer(_: web.Request) -> web.Response:
        nonlocal running, most
        running += 1
        most = max(most, running)
        if running == 2:
            enough.set()
        await enough.wait()
        running -= 1
        return web.Response(body=GOOD)

    async with serving(answer) as url, ModuleClient(allow_http=True) as client:
        await asyncio.gather(*(client.fetch(at(f"{url}/{each}")) for each in range(8)))
    assert most == 2


async def test_redirections() -> None:
    """A few redirections are followed, not endless ones."""

    async def answer(request: web.Request) -> web.Response:
        left = int(request.path[1:])
        if left:
            raise web.HTTPFound(f"/{left - 1}")
        return web.Response(body=GOOD)

    async with serving(answer) as url, ModuleClient(allow_http=True) as client:
        assert await client.fetch(at(f"{url}/{MOST_REDIRECTS}")) == FetchedModule(GOOD)
        with pytest.raises(ModuleError, match=f"more than {MOST_REDIRECTS} redirections"):
            await client.fetch(at(f"{url}/{MOST_REDIRECTS + 1}"))


@pytest.mark.parametrize(
    "url",
    [
        "http://example.com/a",
        "https://127.0.0.1/a",
        "https://169.254.169.254/latest/meta-data",
        "https://[::1]/a",
        "https://[::ffff:127.0.0.1]/a",
        "https://localhost/a",
        "https://0.0.0.0/a",
    ],
)
async def test_this_machine_is_not_asked(url: str) -> None:
    """URLs without TLS, and addresses of this machine and of its link, are not asked."""
    found = await error_of(at(url), allow_http=False)
    assert "of this machine" in found or "without TLS" in found


async def test_addresses_behind_redirections(monkeypatch: pytest.MonkeyPatch) -> None:
    """A redirection leads to no place that a URL may not name."""

    async def answer(_: web.Request) -> web.Response:
        raise web.HTTPFound("ftp://example.com/module")

    async with serving(answer) as url:
        assert "without TLS" in await error_of(at(url))


@pytest_asyncio.fixture
async def pulled() -> AsyncIterator[Registry]:
    """Yield a registry with a module."""
    async with registry() as found:
        found.push(GOOD)
        yield found


def of(found: Registry, rest: str = ":v1", **fields: str) -> ModuleInImage:
    """Return an image of a registry."""
    return ModuleInImage(f"{found.host}/team/module{rest}", **fields)


async def test_images(pulled: Registry) -> None:
    """A module is a layer of its own type, or a file in the last layer; by tag or digest, and through an index."""
    digest = pulled.push(archive({"./plugin.wasm": OTHER, "readme": b"text"}), "ordinary", GZIP)
    pulled.push(archive({"build/filter.wasm": GOOD}), "named", GZIP)
    pulled.index("index", (pulled.push(GOOD), "amd64"), (digest, "wasm"))
    async with ModuleClient(allow_http=True) as client:
        for rest, code in (
            (":v1", GOOD),
            (":ordinary", OTHER),
            (":named", GOOD),
            (":index", OTHER),
            (f"@{digest}", OTHER),
            (f":ignored@{digest}", OTHER),
        ):
            assert await client.fetch(of(pulled, rest)) == FetchedModule(code), rest


async def test_an_image_is_pulled_again_only_if_it_is_another(pulled: Registry) -> None:
    """As long as a tag names the same image, its content is not asked for again."""
    async with ModuleClient(allow_http=True) as client:
        assert await client.fetch(of(pulled)) == FetchedModule(GOOD)
        pulled.asked.clear()
        assert await client.fetch(of(pulled)) == FetchedModule(GOOD)
        assert not any("/blobs/" in each for each in pulled.asked)
        pulled.push(OTHER)
        assert await client.fetch(of(pulled)) == FetchedModule(OTHER)


async def test_credentials(pulled: Registry) -> None:
    """A private image is pulled by who may; the token goes to no other host, and the password into no message."""
    pulled.private = True
    async with serving(pulled.answer) as elsewhere:
        pulled.redirect = elsewhere
        async with ModuleClient(allow_http=True) as client:
            source = of(pulled, user=USER, password=PASSWORD)
            assert await client.fetch(source) == FetchedModule(GOOD)
            assert any(each.startswith("/elsewhere/") for each in pulled.asked)
            assert PASSWORD not in repr(source) + str(source)
    wrong = await error_of(of(pulled, user=USER, password="wrong-password"))
    assert "this user has no permission" in wrong
    assert "wrong-password" not in wrong
    assert "without a pullSecretRef there is no permission" in await error_of(of(pulled))


async def test_images_that_lie(pulled: Registry) -> None:
    """Content that is not what its digest says is not taken, of manifests neither."""
    name = next(each for each, content in pulled.blobs.items() if content == GOOD)
    pulled.blobs[name] = OTHER
    assert "something else than what the digest says" in await error_of(of(pulled))
    manifest = pulled.push(GOOD)
    pulled.blobs[manifest] = pulled.blobs[manifest] + b" "
    assert "something else than what the digest says" in await error_of(of(pulled, f"@{manifest}"))
    pulled.push(GOOD)
    assert "has the SHA-256" in await error_of(of(pulled, sha256="0" * 64))


@pytest.mark.parametrize(
    ("manifest", "problem"),
    [
        (b"{", "cannot be read"),
        (b"[]", "cannot be read"),
        (b'{"layers": []}', "has no layer"),
        (b'{"layers": [{"digest": 1}]}', "cannot be read"),
        (b'{"manifests": []}', "names no manifest"),
        (b'{"manifests": [{"digest": "md5:1"}]}', "HTTP 404"),
        (b'{"layers": [{"digest": "sha256:00", "mediaType": "application/wasm"}]}', "HTTP 404"),
    ],
)
async def test_manifests_that_are_none(pulled: Registry, manifest: bytes, problem: str) -> None:
    """A manifest without a module is told."""
    pulled.tags["v1"] = manifest
    assert problem in await error_of(of(pulled))


async def test_indexes_of_indexes(pulled: Registry) -> None:
    """Indexes that name one another are not followed for ever."""
    pulled.index("a", (pulled.push(GOOD), ""))
    for step in range(client_module.MOST_MANIFESTS + 1):
        body = pulled.tags["a"]
        name = f"sha256:{sha256(body).hexdigest()}"
        pulled.blobs[name] = body
        pulled.index("a", (name, str(step)))
    assert "name each other" in await error_of(of(pulled, ":a"))


async def test_registries_that_are_down(pulled: Registry) -> None:
    """A registry that is not there, and an image that it does not have, are told."""
    assert "HTTP 404" in await error_of(of(pulled, ":v2"))
    assert "Connect call failed" in await error_of(ModuleInImage(f"127.0.0.1:{free_port()}/team/module:v1"))


def test_layers_that_are_none(monkeypatch: pytest.MonkeyPatch) -> None:
    """A layer that is damaged, has no module, or becomes too long is told."""
    for body, kind, problem in (
        (b"text", GZIP, "no archive"),
        (b"\x1f\x8bno gzip", GZIP, "damaged"),
        (archive({"readme": b"text"}), GZIP, "has no file plugin.wasm"),
        (archive({"a.wasm": GOOD, "b.wasm": GOOD}), GZIP, "has no file plugin.wasm"),
        (b"text", "application/vnd.oci.image.layer.v1.tar+zstd", "zstd"),
    ):
        with pytest.raises(ModuleError, match=problem):
            read_layer(body, kind)
    monkeypatch.setattr(image, "MOST_MODULE_BYTES", 100_000)
    bomb = gzip.compress(b"\0" * 100_000_000)
    with pytest.raises(ModuleError, match="has more than 100000 bytes"):
        read_layer(bomb, GZIP)


def test_a_file_with_holes() -> None:
    """A file that says that it is of 8 GiB, nearly all of them holes, is not read into memory."""
    made = io.BytesIO()
    with tarfile.open(fileobj=made, mode="w", format=tarfile.PAX_FORMAT) as files:
        found = tarfile.TarInfo("plugin.wasm")
        found.size = len(GOOD)
        found.pax_headers = {"GNU.sparse.size": str(1 << 33), "GNU.sparse.map": f"0,{len(GOOD)}"}
        files.addfile(found, io.BytesIO(GOOD))
    with pytest.raises(ModuleError, match="has more than"):
        read_layer(made.getvalue(), GZIP)


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("ghcr.io/team/module", ImageName("ghcr.io", "team/module", "latest")),
        ("ghcr.io:443/module:v1", ImageName("ghcr.io:443", "module", "v1")),
        ("docker.io/module:v1", ImageName("registry-1.docker.io", "library/module", "v1")),
        ("docker.io/team/module:v1", ImageName("registry-1.docker.io", "team/module", "v1")),
    ],
)
def test_names_of_images(text: str, name: ImageName) -> None:
    """The parts of a reference."""
    assert parse_name(text) == name
