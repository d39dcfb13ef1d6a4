"""Attacks on what asks for credentials: other spellings of paths, and changes while requests without them come."""

from __future__ import annotations

import asyncio
import contextlib
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.live.credentials import KEY, OTHER_KEY, OTHER_PASSWORD, basic, line, secret
from tests.live.objects import Manifest, prefix, route, rule, traffic_policy
from tests.live.proxy import WITHIN, Proxy
from tests.live.tokens import key, key_set, provider
from tests.live.traffic import Traffic, traffic
from tests.live.upstream import Upstream
from translator.refs import Ref

pytestmark = pytest.mark.slow

SPELLINGS = Path(__file__).with_name("paths.txt")
SECRET: Manifest = {"secretRef": {"name": "users"}}
CONNECTIONS = 16
REQUESTS = 50_000
"""Requests of each case."""


def spellings() -> Iterator[str]:
    """Yield spellings of the path /admin, and of paths near it."""
    for each in SPELLINGS.read_text().splitlines():
        if each and not each.startswith("#"):
            yield each


def is_admin(path: str) -> bool:
    """Return whether a backend that takes paths as they are written reads one as /admin, or as something below it."""
    plain = path.partition("?")[0].partition("#")[0]
    return plain == "/admin" or plain.startswith("/admin/")


async def send(proxy: Proxy, path: str) -> bytes:
    """Return the head of the response to a request whose path is sent as it is written."""
    reader, writer = await asyncio.open_connection("127.0.0.1", proxy.port)
    try:
        writer.write(f"GET {path} HTTP/1.1\r\nHost: example.com\r\nConnection: close\r\n\r\n".encode())
        await writer.drain()
        return await reader.readuntil(b"\r\n\r\n")
    finally:
        writer.close()


@pytest.mark.parametrize("unit", [{"basicAuth": {"users": [line("alice")]}}, {"apiKeyAuth": SECRET}], ids=list)
async def test_no_spelling_of_a_path_comes_in(proxy: Proxy, alpha: Upstream, unit: Manifest) -> None:
    """However the path of a protected rule is spelt, no backend sees a request for it without credentials."""
    guarded = rule("alpha", name="named", matches=[prefix("/admin")])
    await proxy.apply(secret("users", {"mobile": KEY}), traffic_policy("rule", **unit), route(guarded, rule("alpha")))
    for path in spellings():
        before = len(alpha.seen)
        await send(proxy, path)
        assert not [each.path for each in alpha.seen[before:] if is_admin(each.path)], path
    assert b" 401 " in await send(proxy, "/admin")
    assert b" 200 " in await send(proxy, "/public")


ISSUER = provider(jwks={"local": {"secretRef": {"name": "users", "key": ".htpasswd"}}})


class Flood:
    """Requests without credentials, one after the other on each connection.

    Attributes:
        statuses: how often each status came.
    """

    def __init__(self) -> None:
        self.statuses: Counter[int] = Counter()
        self._news = asyncio.Event()

    async def run(self, port: int) -> None:
        """Send requests until it is cancelled."""
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        try:
            while True:
                writer.write(b"GET /pay HTTP/1.1\r\nHost: example.com\r\n\r\n")
                self.statuses[await self._response(reader)] += 1
                self._news.set()
        finally:
            writer.close()

    @staticmethod
    async def _response(reader: asyncio.StreamReader) -> int:
        head = (await reader.readuntil(b"\r\n\r\n")).lower()
        await reader.readexactly(int(head.partition(b"content-length: ")[2].partition(b"\r\n")[0]))
        return int(head[9:12])

    async def more(self, requests: int = 200) -> None:
        """Wait for so many responses more."""
        wanted = self.statuses.total() + requests
        async with asyncio.timeout(WITHIN):
            while self.statuses.total() < wanted:
                self._news.clear()
                await self._news.wait()


@contextlib.asynccontextmanager
async def flood(proxy: Proxy) -> AsyncIterator[Flood]:
    """Send requests without credentials while the block runs."""
    found = Flood()
    running = [asyncio.create_task(found.run(proxy.port)) for _ in range(CONNECTIONS)]
    try:
        await found.more()
        yield found
    finally:
        for each in running:
            each.cancel()
        ended = await asyncio.gather(*running, return_exceptions=True)
        assert all(isinstance(each, asyncio.CancelledError) for each in ended), ended


class Unit(NamedTuple):
    """A unit that asks for credentials.

    Attributes:
        fields: its value.
        others: other values.
        texts: what a Secret may hold for it, of which the last one is none of use, but for logins.
        refusals: the statuses of requests without credentials.
        beside: other objects that it refers to.
    """

    fields: Manifest
    others: tuple[Manifest, ...]
    texts: tuple[str, ...]
    refusals: frozenset[int] = frozenset({401})
    beside: tuple[Manifest, ...] = ()


LOGIN = {
    "apiVersion": "gateway.headgate.dev/v1alpha1",
    "kind": "GatewayExtension",
    "metadata": {"name": "login"},
    "spec": {
        "oauth2": {
            "authorizationEndpoint": "https://id.example.com/auth",
            "tokenEndpoint": "https://id.example.com/token",
            "credentials": {"clientID": "shop", "clientSecretRef": {"name": "users", "key": ".htpasswd"}},
        }
    },
}
USE: Manifest = {"extensionRef": {"name": "login"}}


UNITS = {
    "basicAuth": Unit(
        SECRET,
        (
            {**SECRET, "realm": "other"},
            {**SECRET, "forwardUsernameHeader": "x-user"},
            {"secretRef": {"name": "missing"}},
        ),
        (line("alice"), line("bob", OTHER_PASSWORD), "broken"),
    ),
    "apiKeyAuth": Unit(
        SECRET,
        (
            {**SECRET, "allowedClients": ["x"]},
            {**SECRET, "keySources": [{"query": "k"}]},
            {"secretRef": {"name": "none"}},
        ),
        (KEY, OTHER_KEY, "no key"),
    ),
    "jwtAuth": Unit(
        {"providers": [ISSUER]},
        (
            {"providers": [ISSUER], "mode": "Strict", "requireAll": True},
            {"providers": [ISSUER, {**ISSUER, "name": "two"}]},
            {"providers": [{**ISSUER, "claimsToHeaders": [{"name": "sub", "header": "x-sub"}]}]},
            {"extensionRef": {"name": "none"}},
        ),
        (key_set(key("one")), key_set(key("two")), "no keys"),
    ),
    "oauth2": Unit(
        USE,
        (
            {**USE, "scopes": ["openid", "email"]},
            {**USE, "redirectURI": "https://a.test/back"},
            {"extensionRef": {"name": "none"}},
        ),
        ("secret-one-1", "secret-two-2"),
        frozenset({302}),
        (LOGIN,),
    ),
    "rbac": Unit(
        {"action": "Allow", "policy": {"matchExpressions": ["'x-user' in request.headers"]}},
        (
            {"rules": [{"name": "all", "action": "Deny", "operation": {"methods": ["GET"]}}]},
            {
                "rules": [
                    {"name": "none", "action": "Allow", "principal": {"jwt": {"provider": "none", "scopes": ["a"]}}}
                ]
            },
        ),
        ("of no use",),
        frozenset({403}),
    ),
}


def asking(level: str, unit: str, fields: Manifest, name: str = "policy") -> Manifest:
    """Return a policy with a unit."""
    units: Manifest = {unit: fields}
    return traffic_policy(level, name, **units)


def changes(proxy: Proxy, level: str, name: str) -> Iterator[Awaitable[None]]:
    """Yield edits of a policy and its Secret that change, break, remove and replace them."""
    unit = UNITS[name]
    secrets = [secret("users", {".htpasswd": each}) for each in unit.texts]
    policy = asking(level, name, unit.fields)
    for each in (*secrets, secrets[0]):
        yield proxy.apply(each)
    yield proxy.delete(Ref("Secret", "default", "users"))
    yield proxy.apply(secrets[0])
    for fields in unit.others:
        yield proxy.apply(asking(level, name, fields))
    # Another policy takes over before the first one goes.
    yield proxy.apply(asking(level, name, unit.fields, "next"))
    yield proxy.delete(Ref("TrafficPolicy", "default", "policy"))
    yield proxy.apply(policy)
    yield proxy.delete(Ref("TrafficPolicy", "default", "next"))


@pytest.mark.parametrize("level", ["gateway", "route"])
@pytest.mark.parametrize("name", UNITS)
async def test_never_open_for_a_moment(proxy: Proxy, level: str, name: str) -> None:
    """While a policy and its Secret are edited, broken, removed and replaced, not one of many requests comes in."""
    unit = UNITS[name]
    await proxy.apply(secret("users", {".htpasswd": unit.texts[0]}), *unit.beside, route(rule("alpha")))
    await proxy.apply(asking(level, name, unit.fields))
    async with flood(proxy) as load:
        while load.statuses.total() < REQUESTS:
            for change in changes(proxy, level, name):
                await change
                await load.more()
    assert set(load.statuses) <= {*unit.refusals, 500}
    assert set(load.statuses) > {500}


async def settle(load: Traffic, proxy: Proxy, *objects: Manifest) -> None:
    """Apply objects, and let some requests go by."""
    await proxy.apply(*objects)
    await load.more(50)


async def test_no_backend_misses_its_credential(proxy: Proxy, alpha: Upstream) -> None:
    """While the Secret of a credential is edited, goes and comes, no backend gets a request without one."""
    texts = ["text-one-1", "text-two-22", "broken\r\nx: 1"]
    policy = asking("gateway", "credentialInjection", {"secretRef": {"name": "api"}})
    await proxy.apply(secret("api", {"credential": texts[0]}), policy, route(rule("alpha")))
    alpha.seen.clear()
    async with traffic(proxy, headers={"Authorization": "Bearer client"}) as load:
        for _ in range(3):
            for text in texts:
                await settle(load, proxy, secret("api", {"credential": text}))
            await proxy.delete(Ref("Secret", "default", "api"))
            await load.more(50)
    assert {each.values("authorization")[0] for each in alpha.seen} == set(texts[:2])
    assert set(load.answers) <= {"alpha", "500", "503", "401"}


async def test_clients_keep_coming_in(proxy: Proxy) -> None:
    """While other users come and go, one who stays is never kept out."""
    await proxy.apply(
        secret("users", {".htpasswd": line("alice")}),
        traffic_policy("gateway", basicAuth=SECRET),
        route(rule("alpha")),
    )
    async with traffic(proxy, headers={"Authorization": basic("alice")}) as load:
        for number in range(10):
            lines = [line("alice"), line(f"user-{number}", OTHER_PASSWORD)]
            await settle(load, proxy, secret("users", {".htpasswd": "\n".join(lines)}))
    assert set(load.answers) == {"alpha"}
