"""Fetches modules from URLs and registries (the pull of OCI's distribution specification)."""

from __future__ import annotations

import asyncio
import re
from base64 import b64encode
from hashlib import sha256
from typing import Final, NamedTuple, Self
from urllib.parse import urlencode, urlsplit

import orjson

from translator.ir.modules import FetchedModule, FetchedSource, ModuleAtUrl, ModuleInImage
from translator.languages.wasm import check_module
from watchers.modules.download import Downloads, ModuleError
from watchers.modules.image import (
    INDEXES,
    MANIFESTS,
    MOST_MODULE_BYTES,
    ImageName,
    Layer,
    check_digest,
    parse_name,
    read_layer,
    read_manifest,
)
from watchers.outward import is_local

MOST_MANIFEST_BYTES: Final = 1 << 20
"""Longest manifest of an image, and longest answer of who gives out tokens."""
MOST_FETCHES: Final = 4
"""Most modules that are fetched at once."""
MOST_TOTAL_BYTES: Final = 256 << 20
"""Most bytes of all modules that are fetched."""
MOST_MANIFESTS: Final = 3
"""Most manifests that are read of an image: an index may name another one."""
_ACCEPT: Final = ", ".join((*MANIFESTS, *INDEXES))
_CHALLENGE: Final = re.compile(r'(\w+)="([^"]*)"')


class _Known(NamedTuple):
    """A module that was fetched: its code, and the digest of the manifest of its image, if it is in one."""

    code: bytes
    image: str = ""


class ModuleClient:
    """Fetches modules. An asynchronous context manager, whose exit closes the connections.

    Args:
        allow_http: whether URLs may be http URLs, and on this machine; a registry there is asked by http.
    """

    def __init__(self, *, allow_http: bool = False) -> None:
        self._downloads = Downloads(allow_http=allow_http)
        self._turns = asyncio.Semaphore(MOST_FETCHES)
        self._known: dict[FetchedSource, _Known] = {}

    async def __aenter__(self) -> Self:
        await self._downloads.__aenter__()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._downloads.__aexit__()

    def keep(self, sources: frozenset[FetchedSource]) -> None:
        """Forget the modules that are not of these sources."""
        for each in self._known.keys() - sources:
            del self._known[each]

    async def fetch(self, source: FetchedSource) -> FetchedModule:
        """Fetch a module.

        Raises:
            ModuleError: it cannot be fetched, is another one than its hash says, or none that Envoy may load.
        """
        async with self._turns:
            found = await (self._download(source) if isinstance(source, ModuleAtUrl) else self._pull(source))
            others = sum(len(each.code) for other, each in self._known.items() if other != source)
            if others + len(found.code) > MOST_TOTAL_BYTES:
                raise ModuleError(f"all modules together have more than {MOST_TOTAL_BYTES} bytes: name fewer")
            self._known[source] = found
            return FetchedModule(found.code)

    async def _download(self, source: ModuleAtUrl) -> _Known:
        """Return the module at a URL, which is the same for ever."""
        if (known := self._known.get(source)) is not None:
            return known
        found = await self._downloads.get(source.url, MOST_MODULE_BYTES)
        if found.status != 200:
            raise ModuleError(f"GET {source}: HTTP {found.status}")
        return _Known(_checked(found.body, source.sha256))

    async def _pull(self, source: ModuleInImage) -> _Known:
        """Return the module in an image; if the registry still has the image of before, the module of before."""
        name = parse_name(source.reference)
        pull = _Pull(self._downloads, name, source)
        body = await pull.manifest(name.reference)
        digest = f"sha256:{sha256(body).hexdigest()}"
        if (known := self._known.get(source)) is not None and known.image == digest:
            return known
        layer = await pull.layer(body)
        blob = await pull.get(f"blobs/{layer.digest}", MOST_MODULE_BYTES)
        code = await asyncio.to_thread(_unpacked, blob, layer)
        return _Known(_checked(code, source.sha256), digest)


def _unpacked(blob: bytes, layer: Layer) -> bytes:
    check_digest(blob, layer.digest)
    return read_layer(blob, layer.media_type)


def _checked(code: bytes, digest: str) -> bytes:
    """Return a module that has the hash and that Envoy may load."""
    found = sha256(code).hexdigest()
    if digest and found != digest:
        raise ModuleError(f"the module has the SHA-256 {found}, and the policy says another one")
    if fault := check_module(code):
        raise ModuleError(f"the module {fault}")
    return code


class _Pull:
    """The requests by which one image is pulled."""

    def __init__(self, downloads: Downloads, name: ImageName, source: ModuleInImage) -> None:
        self._downloads = downloads
        self._name = name
        self._basic = ""
        if source.user:
            self._basic = f"Basic {b64encode(f'{source.user}:{source.password}'.encode()).decode()}"
        self._authorization = ""

    async def manifest(self, reference: str) -> bytes:
        """Return a manifest by its tag or digest."""
        body = await self.get(f"manifests/{reference}", MOST_MANIFEST_BYTES)
        if reference.startswith("sha256:"):
            check_digest(body, reference)
        return body

    async def layer(self, manifest: bytes) -> Layer:
        """Return the layer with the module, of a manifest or of one that an index names."""
        for _ in range(MOST_MANIFESTS):
            found = read_manifest(manifest)
            if isinstance(found, Layer):
                return found
            manifest = await self.manifest(found)
        raise ModuleError("the indexes of the image name each other")

    async def get(self, path: str, most_bytes: int) -> bytes:
        """Return what the repository has at a path; a token is asked for where that needs one."""
        host = urlsplit(f"//{self._name.registry}").hostname or ""
        scheme = "http" if self._downloads.allow_http and is_local(host) else "https"
        url = f"{scheme}://{self._name.registry}/v2/{self._name.repository}/{path}"
        found = await self._downloads.get(url, most_bytes, self._headers())
        if found.status == 401 and not self._authorization:
            self._authorization = await self._answer(found.headers.get("www-authenticate", ""))
            found = await self._downloads.get(url, most_bytes, self._headers())
        if found.status != 200:
            who = "this user has" if self._basic else "without a pullSecretRef there is"
            raise ModuleError(f"GET {url}: HTTP {found.status}: {who} no permission to pull it")
        return found.body

    def _headers(self) -> dict[str, str]:
        return {"Accept": _ACCEPT, **({"Authorization": self._authorization} if self._authorization else {})}

    async def _answer(self, challenge: str) -> str:
        """Return the header Authorization that a registry asks for (RFC 6750, and the token of distribution)."""
        scheme, _, rest = challenge.partition(" ")
        asked = dict(_CHALLENGE.findall(rest))
        if scheme.lower() != "bearer" or "realm" not in asked:
            return self._basic
        query = {name: asked[name] for name in ("service", "scope") if name in asked}
        query.setdefault("scope", f"repository:{self._name.repository}:pull")
        headers = {"Authorization": self._basic} if self._basic else {}
        found = await self._downloads.get(f"{asked['realm']}?{urlencode(query)}", MOST_MANIFEST_BYTES, headers)
        if found.status != 200:
            return ""
        try:
            body = orjson.loads(found.body)
            return f"Bearer {body.get('token') or body['access_token']}"
        except (orjson.JSONDecodeError, AttributeError, KeyError):
            raise ModuleError("who gives out tokens for the registry gave none") from None
