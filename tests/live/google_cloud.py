"""Google Cloud on this machine: a metadata server that gives identity tokens, and a service that asks for one."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final
from urllib.parse import parse_qs, urlsplit

from aiohttp import web
from joserfc import jwt
from joserfc.errors import JoseError

from tests.live.backend_tls import CA, authorities
from tests.live.backends import HEADGATE
from tests.live.certificates import tls_server
from tests.live.objects import Manifest
from tests.live.tokens import key, token
from tests.live.upstream import Seen, Upstream, upstream

IDENTITY: Final = "/computeMetadata/v1/instance/service-accounts/default/identity"
HOST: Final = "localhost"


@dataclass
class MetadataServer:
    """The server that gives a machine its identity tokens.

    Attributes:
        seconds: how long tokens are valid.
        answer: what it answers in place of a token.
    """

    upstream: Upstream
    seconds: int = 3600
    answer: Callable[[], Awaitable[web.Response]] | None = None

    @property
    def audiences(self) -> list[str]:
        """For whom it was asked for tokens."""
        return [parse_qs(urlsplit(each.path).query)["audience"][0] for each in self.upstream.seen]

    async def give(self, seen: Seen) -> web.StreamResponse:
        """Answer with a token, as the real one does only with its own header, and none of a proxy's."""
        if seen.values("metadata-flavor") != ["Google"] or seen.values("x-forwarded-for"):
            return web.Response(status=403)
        if urlsplit(seen.path).path != IDENTITY or seen.host != "metadata.google.internal":
            return web.Response(status=404)
        if self.answer is not None:
            return await self.answer()
        audience = parse_qs(urlsplit(seen.path).query)["audience"][0]
        now = int(time.time())
        text = token("google", iss="https://accounts.google.com", aud=audience, iat=now, exp=now + self.seconds)
        return web.Response(text=text, content_type="text/html")

    def reset(self) -> None:
        """Give tokens again, and forget who asked."""
        self.seconds, self.answer, self.upstream.seen = 3600, None, []


@contextlib.asynccontextmanager
async def metadata_server() -> AsyncIterator[MetadataServer]:
    """Run a metadata server."""
    async with upstream("metadata") as found:
        made = MetadataServer(found)
        found.answer = made.give
        yield made


async def never() -> web.Response:
    """Answer nothing, for longer than anybody waits."""
    await asyncio.sleep(60)
    return web.Response()


@dataclass
class CloudService:
    """A service that takes requests with a token for it only, by TLS.

    Attributes:
        audience: for whom tokens have to be; by default for its own host.
        certificate: its certificate, by which it can be trusted.
        subjects: what the tokens say of the requests that it took.
    """

    upstream: Upstream
    certificate: str
    audience: str = f"https://{HOST}"
    location: str = ""
    subjects: list[dict[str, Any]] = field(default_factory=list)

    async def check(self, seen: Seen) -> web.StreamResponse | None:
        """Refuse requests without a good token, which it looks for as Cloud Run does."""
        texts = seen.values("x-serverless-authorization") or seen.values("authorization")
        try:
            (text,) = texts
            found = jwt.decode(text.removeprefix("Bearer "), key("google"), algorithms=["RS256"])
            jwt.JWTClaimsRegistry(aud={"essential": True, "value": self.audience}).validate(found.claims)
        except (JoseError, ValueError):
            return web.Response(status=401)
        self.subjects.append(found.claims)
        return web.Response(status=302, headers={"Location": self.location}) if self.location else None

    def trusted(self, name: str = "hosts") -> list[Manifest]:
        """Return the policy by which its certificate is trusted."""
        target = {"group": HEADGATE, "kind": "Backend", "name": name}
        spec = {"targetRefs": [target], "validation": {"caCertificateRefs": [CA], "hostname": HOST}}
        policy = {
            "apiVersion": "gateway.networking.k8s.io/v1",
            "kind": "BackendTLSPolicy",
            "metadata": {"name": "google"},
            "spec": spec,
        }
        return [policy, authorities(self.certificate)]


@contextlib.asynccontextmanager
async def cloud_service(folder: Path) -> AsyncIterator[CloudService]:
    """Run a service; the folder is for its certificate."""
    context, certificate = tls_server(folder, "service", HOST)
    async with upstream("google", tls=context) as found:
        made = CloudService(found, certificate)
        found.answer = made.check
        yield made
