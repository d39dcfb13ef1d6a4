"""Compression of responses and decompression of requests by TrafficPolicies, with the libraries that clients use."""

from __future__ import annotations

import gzip
import random
from collections.abc import AsyncIterator, Callable, Mapping
from typing import Any, Final

import aiohttp
import brotli
import pytest
import pytest_asyncio
import zstandard
from aiohttp import web

from tests.live.objects import Manifest, exact, route, rule, traffic_policy
from tests.live.proxy import Proxy, Response
from tests.live.upstream import Seen, Upstream

BROWSER: Final = "gzip, deflate, br, zstd"
"""What browsers accept, in their order."""

_WORDS: Final = ["gateway", "listener", "route", "rule", "backend", "policy", "filter", "cluster"]
TEXT: Final = " ".join(random.Random(7).choices(_WORDS, k=4000)).encode()


def unzstd(body: bytes) -> bytes:
    """Decompress zstd of a length that is not told."""
    return bytes(zstandard.ZstdDecompressor().decompressobj().decompress(body))


DECODERS: Final[Mapping[str, Callable[[bytes], bytes]]] = {
    "gzip": gzip.decompress,
    "br": brotli.decompress,
    "zstd": unzstd,
    "": bytes,
}
ENCODERS: Final[Mapping[str, Callable[[bytes], bytes]]] = {
    "gzip": gzip.compress,
    "br": brotli.compress,
    "zstd": zstandard.compress,
}


@pytest_asyncio.fixture(loop_scope="session")
async def raw() -> AsyncIterator[aiohttp.ClientSession]:
    """Yield a client that leaves bodies as they are."""
    async with aiohttp.ClientSession(auto_decompress=False) as made:
        yield made


@pytest.fixture(autouse=True)
def text(proxy: Proxy, alpha: Upstream) -> None:
    """Have the backend respond with a text, and with what the request's query asks for."""

    async def answer(seen: Seen) -> web.Response:
        asked = dict(each.split("=") for each in seen.path.partition("?")[2].split("&") if each)
        headers = {"content-type": asked.get("type", "text/plain")}
        headers |= {"etag": asked["etag"]} if "etag" in asked else {}
        if encoding := asked.get("encoding", ""):
            headers["content-encoding"] = encoding
        body = ENCODERS[encoding](TEXT) if encoding else TEXT[: int(asked.get("length", len(TEXT)))]
        return web.Response(body=body, headers=headers, status=int(asked.get("status", "200")))

    alpha.answer = answer


def compressing(at: str = "gateway", policy: str = "policy", **fields: Any) -> Manifest:
    """Return a policy that compresses responses."""
    return traffic_policy(at, policy, compression={"responseCompression": fields})


async def ask(proxy: Proxy, raw: aiohttp.ClientSession, accepted: str, path: str = "/") -> Response:
    """Send a request of a client that accepts encodings."""
    return await proxy.request(path, headers={"accept-encoding": accepted}, http=raw)


def encoding(response: Response) -> str:
    """Return the encoding of a response."""
    return response.headers.get("content-encoding", "")


@pytest.mark.parametrize(
    ("libraries", "expected"),
    [
        (["Gzip", "Brotli", "Zstd"], {BROWSER: "zstd", "gzip, br": "br", "gzip": "gzip", "gzip, br;q=0.1": "gzip"}),
        (["Brotli", "Gzip"], {BROWSER: "br", "zstd": "", "gzip;q=0.5": "gzip"}),
        (["Gzip"], {BROWSER: "gzip", "br": ""}),
        (None, {BROWSER: "gzip", "br": "", "identity": "", "gzip;q=0": ""}),
    ],
    ids=["all", "two", "one", "default"],
)
async def test_the_library_that_a_client_likes_best(
    proxy: Proxy, raw: aiohttp.ClientSession, libraries: list[str] | None, expected: dict[str, str]
) -> None:
    """A response has the encoding that its client likes best; it is smaller, and the same once it is decoded."""
    await proxy.apply(compressing(libraries=libraries), route(rule("alpha")))
    for accepted, wanted in expected.items():
        found = await ask(proxy, raw, accepted)
        assert (found.status, encoding(found)) == (200, wanted), accepted
        assert DECODERS[wanted](found.body) == TEXT
        assert (len(found.body) * 3 < len(TEXT)) == bool(wanted)
        assert not wanted or found.headers["vary"] == "Accept-Encoding"


async def test_what_is_not_compressed(proxy: Proxy, raw: aiohttp.ClientSession) -> None:
    """Short responses, images, parts of a whole, and what a backend has compressed, stay as they are."""
    await proxy.apply(compressing(), route(rule("alpha")))
    for query in ("length=29", "type=image/png", "status=206", "encoding=br"):
        found = await ask(proxy, raw, "gzip", f"/?{query}")
        assert encoding(found) == ("br" if query == "encoding=br" else ""), query
    assert encoding(await ask(proxy, raw, "gzip", "/?length=30")) == "gzip"


async def test_settings_of_the_filter(proxy: Proxy, raw: aiohttp.ClientSession) -> None:
    """A policy says which lengths and media types are compressed, and what becomes of strong ETags."""
    own: Manifest = {
        "libraries": ["Gzip", "Brotli"],
        "minContentLength": 500,
        "contentTypes": ["text/x"],
        "etag": "Weaken",
    }
    await proxy.apply(compressing(**own), route(rule("alpha")))
    assert encoding(await ask(proxy, raw, BROWSER, "/?type=text/x&length=499")) == ""
    assert encoding(await ask(proxy, raw, BROWSER, "/?type=text/plain")) == ""
    found = await ask(proxy, raw, BROWSER, '/?type=text/x&length=500&etag="a"')
    assert (encoding(found), found.headers["etag"]) == ("br", 'W/"a"')
    assert brotli.decompress(found.body) == TEXT[:500]
    await proxy.apply(compressing(etag="Skip"))
    found = await ask(proxy, raw, BROWSER, '/?etag="a"')
    assert (encoding(found), found.headers["etag"]) == ("", '"a"')
    assert encoding(await ask(proxy, raw, BROWSER)) == "gzip"
    await proxy.apply(compressing())
    found = await ask(proxy, raw, BROWSER, '/?etag="a"')
    assert (encoding(found), "etag" in found.headers) == ("gzip", False)


@pytest.mark.parametrize("library", ["Gzip", "Brotli", "Zstd"])
async def test_levels(proxy: Proxy, raw: aiohttp.ClientSession, library: str) -> None:
    """The highest level makes smaller responses than the lowest."""
    sizes = []
    for level in (1, 9):
        await proxy.apply(compressing(libraries=[library], level=level), route(rule("alpha")))
        found = await ask(proxy, raw, BROWSER)
        assert DECODERS[encoding(found)](found.body) == TEXT
        sizes.append(len(found.body))
    assert sizes[1] < sizes[0]


OWN: Final[list[tuple[Manifest, str]]] = [
    ({"libraries": ["Zstd"]}, "zstd"),
    ({"disable": {}}, ""),
    ({"level": 3}, "gzip"),
]


async def test_routes_differ(proxy: Proxy, raw: aiohttp.ClientSession) -> None:
    """A policy of a rule is merged with that of the Gateway, and switches it off with `disable`."""
    named = rule("alpha", name="named", matches=[exact("/own")])
    await proxy.apply(compressing(libraries=["Gzip"]), route(named, rule("alpha")))
    for fields, own in OWN:
        await proxy.apply(compressing("rule", "own", **fields))
        assert encoding(await ask(proxy, raw, BROWSER, "/own")) == own
        assert encoding(await ask(proxy, raw, BROWSER, "/other")) == "gzip"


async def test_requests_are_decompressed(proxy: Proxy, raw: aiohttp.ClientSession, alpha: Upstream) -> None:
    """The backend sees the plain body of a request in any of the encodings; its own responses stay compressed."""
    libraries = ["Gzip", "Brotli", "Zstd"]
    policy = traffic_policy("gateway", compression={"requestDecompression": {"libraries": libraries}})
    await proxy.apply(policy, route(rule("alpha")))
    for name, encode in ENCODERS.items():
        headers = {"content-encoding": name, "accept-encoding": "x-mine"}
        await proxy.request("/", method="POST", headers=headers, body=encode(TEXT), http=raw)
        seen = alpha.seen[-1]
        assert seen.body == TEXT
        assert (seen.values("content-encoding"), seen.values("accept-encoding")) == ([], ["x-mine"])
    await proxy.request("/", method="POST", headers={"content-encoding": "x-own"}, body=b"own", http=raw)
    assert (alpha.seen[-1].body, alpha.seen[-1].values("content-encoding")) == (b"own", ["x-own"])
    found = await ask(proxy, raw, "gzip", "/?encoding=gzip")
    assert (encoding(found), gzip.decompress(found.body)) == ("gzip", TEXT)
    await proxy.apply(traffic_policy("route", "own", compression={"requestDecompression": {"libraries": ["Gzip"]}}))
    await proxy.request("/", method="POST", headers={"content-encoding": "br"}, body=brotli.compress(TEXT), http=raw)
    # The backend's own library has decompressed the body; the header is there still.
    assert alpha.seen[-1].values("content-encoding") == ["br"]
    await proxy.apply(traffic_policy("route", "own", compression={"requestDecompression": {"disable": {}}}))
    await proxy.request("/", method="POST", headers={"content-encoding": "gzip"}, body=gzip.compress(TEXT), http=raw)
    assert alpha.seen[-1].values("content-encoding") == ["gzip"]
