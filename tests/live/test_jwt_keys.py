"""The keys of issuers of tokens: fetched, rotated, in ConfigMaps and Secrets, and taken away under load."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from tests.live.objects import Manifest, endpoints, gateway, prefix, route, rule, service, traffic_policy
from tests.live.proxy import Proxy, running_proxy
from tests.live.tokens import (
    REMOTE,
    KeyServer,
    answer,
    bearer,
    config_map,
    extension,
    jwt_auth,
    key,
    key_server,
    key_set,
    provider,
    secret,
    token,
)
from tests.live.traffic import Traffic, traffic
from tests.live.upstream import Upstream
from tests.ports import free_port
from translator.inputs import Settings
from translator.refs import Ref
from xds import EXTENSION_CONFIG, ROUTE, diff

EXTENSION = Ref("GatewayExtension", "default", "issuers")
POLICY = Ref("TrafficPolicy", "default", "policy")
SHARED = jwt_auth(extensionRef={"name": "issuers"})


@pytest_asyncio.fixture(loop_scope="session")
async def keys() -> AsyncIterator[KeyServer]:
    """Run a server of keys."""
    async with key_server() as found:
        yield found


def remote(**fields: object) -> Manifest:
    """Return an issuer whose keys the Service `keys` has, fetched as the fields say."""
    return provider(jwks={"remote": {**REMOTE["remote"], **fields}})


async def eventually(proxy: Proxy, headers: dict[str, str], expected: int) -> None:
    """Wait until a request has the expected status, as it is once keys are fetched."""
    async with asyncio.timeout(20):
        while await answer(proxy, headers) != expected:  # noqa: ASYNC110
            await asyncio.sleep(0.02)


async def test_fetched_keys_outlive_changes_of_routes(proxy: Proxy, keys: KeyServer) -> None:
    """Keys are fetched once, whatever routes, and policies without tokens, change meanwhile."""
    await proxy.apply(keys.objects, extension(remote()), SHARED, route(rule("alpha")))
    await eventually(proxy, bearer(token()), 200)
    fetches = keys.fetches
    for number in range(100):
        await proxy.apply(route(rule("alpha", matches=[prefix(f"/{number}")]), rule("beta")))
        assert await answer(proxy, bearer(token()), f"/{number}") == 200
    assert keys.fetches == fetches
    await proxy.apply(traffic_policy("route", "other", timeouts={"request": "3s"}))
    assert await answer(proxy, bearer(token())) == 200
    assert keys.fetches == fetches


async def test_rotated_keys(proxy: Proxy, keys: KeyServer) -> None:
    """A new key is valid, and an old one is not, once keys are fetched again; requests go on meanwhile."""
    await proxy.apply(keys.objects, extension(remote(cacheDuration="1s")), SHARED, route(rule("alpha")))
    await eventually(proxy, bearer(token()), 200)
    async with traffic(proxy, headers=bearer(token("two"))) as new, traffic(proxy, headers=bearer(token())) as old:
        keys.keys = [key("one"), key("two")]
        await new.until(lambda: new.answers["alpha"] > 0, 20)
        await old.more()
        assert old.answers.keys() == {"alpha"}
        keys.keys = [key("two")]
        await old.until(lambda: old.answers["401"] > 0, 20)
        served = new.answers["401"]
        await new.more()
        assert new.answers["401"] == served
    assert await answer(proxy, bearer(token())) == 401


async def test_keys_that_come_later(proxy: Proxy) -> None:
    """While nobody serves the keys, no token is valid; once somebody does, they are."""
    port = free_port()
    there = [service("keys"), *endpoints("keys", [port])]
    early = remote(asyncFetch={"failedRefetchDuration": "200ms"}, timeout="1s", cacheDuration="1m")
    await proxy.apply(there, jwt_auth(providers=[early]), route(rule("alpha")))
    assert await answer(proxy, bearer(token())) == 401
    assert await answer(proxy) == 401
    async with key_server(port) as late:
        await eventually(proxy, bearer(token()), 200)
        assert late.upstream.seen[0].path == "/keys"
        assert late.upstream.seen[0].host == "issuer.example.com"
    # What was fetched is used on.
    assert await answer(proxy, bearer(token())) == 200


async def test_a_fetch_is_tried_again(proxy: Proxy, keys: KeyServer) -> None:
    """A fetch that fails is tried again at once, as often as the policy says, before the request is answered."""
    from aiohttp import web

    failures = iter([503, 503])
    good = keys.answer

    async def fail_first(seen: object) -> web.StreamResponse:
        status = next(failures, None)
        return web.Response(status=status) if status else await good(seen)  # type: ignore[arg-type]

    keys.upstream.answer = fail_first
    patient = remote(retryPolicy={"numRetries": 5, "baseInterval": "10ms", "maxInterval": "50ms"})
    await proxy.apply(keys.objects, traffic_policy("gateway", jwtAuth={"providers": [patient]}), route(rule("alpha")))
    assert await answer(proxy, bearer(token())) == 200
    assert keys.fetches >= 3


async def test_keys_by_their_url_alone(envoy_path: Path, alpha: Upstream, keys: KeyServer) -> None:
    """Without a backend, the proxy resolves the host of the URL; http needs the operator's consent."""
    settings = Settings(allow_http_issuers=True)
    port = keys.upstream.port
    issuer = provider(jwks={"remote": {"url": f"http://localhost:{port}/realms/shop/keys?v=1"}})
    async with running_proxy(envoy_path, settings) as (own, _):
        there = [service("alpha"), *endpoints("alpha", [alpha.port])]
        await own.apply(gateway({"name": "http", "protocol": "HTTP", "port": own.port}), there)
        await own.apply(jwt_auth(providers=[issuer]), route(rule("alpha")))
        await eventually(own, bearer(token()), 200)
        assert await answer(own, bearer(token("two"))) == 401
    assert {each.path for each in keys.upstream.seen} == {"/realms/shop/keys?v=1"}
    assert keys.upstream.seen[0].host == f"localhost:{port}"


async def test_keys_at_the_usual_path_of_a_backend(proxy: Proxy, keys: KeyServer) -> None:
    """A backend without a URL has the keys where issuers of OpenID usually have them."""
    jwks = {
        "remote": {"backendRef": {"group": "", "kind": "Service", "namespace": "default", "name": "keys", "port": 80}}
    }
    await proxy.apply(keys.objects, jwt_auth(providers=[provider(jwks=jwks)]), route(rule("alpha")))
    await eventually(proxy, bearer(token()), 200)
    assert keys.upstream.seen[0].path == "/.well-known/jwks.json"


@pytest.mark.parametrize("kind", ["ConfigMap", "Secret"])
async def test_keys_in_objects(proxy: Proxy, kind: str) -> None:
    """Keys of a ConfigMap or Secret are rotated by an edit of it, which sends one resource and no route."""
    made = config_map if kind == "ConfigMap" else secret
    reference = (
        {"configMapRef": {"name": "keys"}}
        if kind == "ConfigMap"
        else {"secretRef": {"name": "keys", "namespace": "default", "key": "jwks"}}
    )
    own = extension(provider(jwks={"local": reference}))
    await proxy.apply(made(key_set(key("one"))), own, SHARED, route(rule("alpha")))
    assert await answer(proxy, bearer(token())) == 200
    before = proxy.snapshot
    await proxy.apply(made(key_set(key("two"))))
    assert diff(before, proxy.snapshot) == {EXTENSION_CONFIG: {"headgate.jwt"}}
    assert await answer(proxy, bearer(token())) == 401
    assert await answer(proxy, bearer(token("two"))) == 200
    await proxy.apply(made('{"keys": []}'))
    assert await answer(proxy, bearer(token("two"))) == 500
    await proxy.delete(Ref(kind, "default", "keys"))
    assert await answer(proxy, bearer(token("two"))) == 500


async def only(found: Traffic, *allowed: str) -> None:
    """Have more requests answered; none of all so far has had another answer than these."""
    await found.more(300)
    assert found.answers.keys() <= set(allowed), found.answers


@pytest.mark.slow
async def test_what_is_taken_away_under_load(proxy: Proxy, alpha: Upstream, keys: KeyServer) -> None:
    """Keys, issuers and the policy's way to them go and come back: no request without a good token passes ever."""
    one = provider(jwks={"local": {"configMapRef": {"name": "keys"}}})
    two = provider(jwks={"local": {"secretRef": {"name": "keys"}}})
    first, other = key_set(key("one")), key_set(key("two"))
    await proxy.apply(config_map(first), secret(first), keys.objects, extension(one), SHARED, route(rule("alpha")))
    async with (
        traffic(proxy, "/bad", headers=bearer(token("unknown"))) as bad,
        traffic(proxy, "/none") as none,
        traffic(proxy, "/good", headers=bearer(token())) as good,
    ):
        await only(good, "alpha")
        for _ in range(5):
            await proxy.delete(Ref("ConfigMap", "default", "keys"))
            await proxy.apply(config_map(first))
            await proxy.apply(extension(remote()))
            await proxy.delete(Ref("Service", "default", "keys"))
            await proxy.apply(keys.objects)
            await proxy.apply(extension(two))
            await proxy.delete(Ref("Secret", "default", "keys"))
            await proxy.apply(secret(other))
            await proxy.apply(secret(first))
            await proxy.delete(EXTENSION)
            await proxy.apply(extension(one))
            await proxy.apply(jwt_auth(extensionRef={"name": "none"}))
            await proxy.apply(SHARED)
        await only(bad, "401", "500")
        await only(none, "401", "500")
        await only(good, "alpha", "500", "401")  # 401 while the Secret has another key
    assert {each.path for each in alpha.seen} == {"/good"}


@pytest.mark.slow
async def test_edits_drop_no_request(proxy: Proxy, alpha: Upstream) -> None:
    """Policies and issuers change, and others take their place, at other levels too: good tokens pass all the time."""
    first, second = provider(), provider("second", issuer="https://second.example.com")
    claims = provider(claimsToHeaders=[{"name": "sub", "header": "x-sub"}])
    audience = provider(audiences=["shop", "other"])
    await proxy.apply(extension(first), SHARED, route(rule("alpha", name="named")))
    async with (
        traffic(proxy, "/good", headers=bearer(token())) as good,
        traffic(proxy, "/bad", headers=bearer(token("unknown"))) as bad,
    ):
        for _ in range(5):
            for issuers in ([first, second], [second, first], [claims], [audience], [claims, second], [first]):
                await proxy.apply(extension(*issuers))
            for level in ("route", "rule", "listener"):
                await proxy.apply(jwt_auth(level, "nearer", providers=[claims]))
                await proxy.apply(jwt_auth(level, "nearer", providers=[claims, second]))
                await proxy.apply(jwt_auth(level, "nearer", mode="AllowMissing", providers=[first]))
                await proxy.delete(Ref("TrafficPolicy", "default", "nearer"))
            await proxy.apply(jwt_auth(providers=[audience]))
            await proxy.apply(jwt_auth(name="instead", providers=[first]))
            await proxy.delete(POLICY)
            await proxy.apply(SHARED)
            await proxy.delete(Ref("TrafficPolicy", "default", "instead"))
        await only(good, "alpha")
        await only(bad, "401")
    assert {each.path for each in alpha.seen} == {"/good"}


async def test_modes_change_at_once(proxy: Proxy, alpha: Upstream) -> None:
    """A policy that becomes strict, or less so, is one resource: no request has neither mode."""
    await proxy.apply(jwt_auth(mode="AllowMissing"), route(rule("alpha")))
    async with traffic(proxy, "/good", headers=bearer(token())) as good, traffic(proxy, "/none") as none:
        before = proxy.snapshot
        for _ in range(5):
            for mode in ("Strict", "AllowMissingOrFailed", "AllowMissing"):
                before = proxy.snapshot
                await proxy.apply(jwt_auth(mode=mode))
                assert diff(before, proxy.snapshot) == {EXTENSION_CONFIG: {"headgate.jwt"}}
        await only(good, "alpha")
        await only(none, "alpha", "401")
        await proxy.apply(jwt_auth(mode="Strict"))
        passed = none.answers["alpha"]
        await none.more()
        assert none.answers["alpha"] <= passed + 1  # one that was on its way
    assert ROUTE not in diff(before, proxy.snapshot)


@pytest.mark.slow
async def test_edits_of_fetched_keys_drop_no_request(proxy: Proxy, alpha: Upstream, keys: KeyServer) -> None:
    """Whatever has keys fetched anew, from another backend too: requests with good tokens wait for them, and pass."""
    await proxy.apply(keys.objects, extension(provider()), SHARED, route(rule("alpha")))
    async with (
        traffic(proxy, "/good", headers=bearer(token())) as good,
        traffic(proxy, "/bad", headers=bearer(token("unknown"))) as bad,
    ):
        for number in range(10):
            await proxy.apply(extension(remote(timeout=f"{5 + number}s")))
            await proxy.apply(jwt_auth("route", "nearer", providers=[remote(cacheDuration="1m")]))
            await good.more()
            await proxy.delete(Ref("TrafficPolicy", "default", "nearer"))
            await proxy.apply(extension(provider()))
        await only(good, "alpha")
        await only(bad, "401")
    assert {each.path for each in alpha.seen} == {"/good"}
