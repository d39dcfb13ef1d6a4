"""Who must not come in past a login by TrafficPolicies: forged requests, missing references, changes under load."""

from __future__ import annotations

import asyncio
import json
from base64 import b64encode
from urllib.parse import parse_qs, urlsplit

import pytest

from tests.live.logins import HOST, REDIRECT, World, condition, login, sent
from tests.live.objects import Manifest, prefix, route, rule, traffic_policy
from tests.live.openid import (
    CLIENT_ID,
    CLIENT_SECRET,
    client,
    extension,
    issuer,
    running_provider,
    secret,
)
from tests.live.proxy import free_port
from tests.live.user_agent import UserAgent
from translator.refs import Ref


async def test_states_that_are_wrong(world: World) -> None:
    """A login counts for the browser that began it: a state that is missing, changed, or of another browser is none."""
    await world.apply(extension(world.provider.issuer), login(), route(rule("alpha", matches=[prefix("/app")])))
    attacker, victim = UserAgent(), UserAgent()
    begun = await attacker.send(f"{world.url}/app")
    state = parse_qs(urlsplit(begun.location).query)["state"][0]
    changed = ("A" if state[0] != "A" else "B") + state[1:]
    for query in ("", "?code=1", f"?code=1&state={changed}", f"?code=1&state={state}", f"?state={state}"):
        found = await victim.send(f"{world.url}{REDIRECT}{query}")
        assert found.status == 401, (query, found)
        assert not victim.cookies[urlsplit(world.url).netloc]
    for query in (f"?code=1&state={state}", f"?error=access_denied&state={state}", f"?code=1&state={changed}"):
        assert (await attacker.send(f"{world.url}{REDIRECT}{query}")).status == 401
    assert (await attacker.send(f"{world.url}/app")).status == 302


async def test_cookies_that_are_forged(world: World) -> None:
    """Cookies count as the proxy has signed them, for their host; a refresh token as it has encrypted it."""
    issued = extension(world.provider.issuer, refreshToken=False)
    await world.apply(issued, login(), route(rule("alpha", matches=[prefix("/app")])))
    browser, host = UserAgent(), urlsplit(world.url).netloc
    await browser.log_in(f"{world.url}/app")
    good = browser.cookies[host]
    assert {name.partition("-")[0] for name in good} >= {"BearerToken", "IdToken", "OauthExpires", "OauthHMAC"}
    for name, value in good.items():
        if name.startswith("RefreshToken"):
            continue
        changed = value[:-2] + ("AA" if value[-2:] != "AA" else "BB")
        assert (await UserAgent({host: {**good, name: changed}}).send(f"{world.url}/app")).status == 302, name
        missing = {key: each for key, each in good.items() if key != name}
        assert (await UserAgent({host: missing}).send(f"{world.url}/app")).status == 302, name
    other = f"other.localhost:{world.proxy.port}"
    assert (await UserAgent({other: dict(good)}).send(f"http://{other}/app")).status == 302
    assert (await UserAgent({host: dict(good)}).send(f"{world.url}/app")).status == 200
    await world.apply(extension(world.provider.issuer))
    browser = UserAgent()
    await browser.log_in(f"{world.url}/app")
    token = next(each for each in browser.cookies[host] if each.startswith("RefreshToken"))
    value = browser.cookies[host][token]
    assert (await UserAgent({host: {token: value}}).send(f"{world.url}/app")).status == 200
    for forged in (value[:-4] + "AAAA", "AAAA" + value[4:], ""):
        assert (await UserAgent({host: {token: forged}}).send(f"{world.url}/app")).status == 302, forged


async def test_two_providers_on_one_host(world: World) -> None:
    """Users are logged in at several providers at once; the cookies of one count for no other, whatever their names."""
    one = extension(world.provider.issuer)
    two = extension(world.provider.issuer, "other", redirectURI=f"{world.url}/back", logoutPath="/leave")
    second = traffic_policy("rule", "second", oauth2={"extensionRef": {"name": "other"}})
    rules = (rule("alpha", matches=[prefix("/app")]), rule("alpha", name="named", matches=[prefix("/other")]))
    await world.apply(one, two, login(), second, route(*rules))
    browser, host = UserAgent(), urlsplit(world.url).netloc
    assert (await browser.log_in(f"{world.url}/app")).status == 200
    first = dict(browser.cookies[host])
    assert (await browser.send(f"{world.url}/other")).status == 302
    assert (await browser.log_in(f"{world.url}/other")).url == f"{world.url}/other"
    assert (await browser.send(f"{world.url}/app")).status == 200
    suffixes = {name.rpartition("-")[2] for name in browser.cookies[host] if "." not in name}
    assert len(suffixes) == 2
    theirs = next(each for each in suffixes if not any(name.endswith(each) for name in first))
    renamed = {f"{name.rpartition('-')[0]}-{theirs}": value for name, value in first.items()}
    assert (await UserAgent({host: renamed}).send(f"{world.url}/other")).status == 302
    assert (await browser.send(f"{world.url}/leave")).status == 302
    assert (await browser.send(f"{world.url}/other")).status == 302
    assert (await browser.send(f"{world.url}/app")).status == 200


async def test_requests_that_are_excepted(world: World) -> None:
    """Some requests get 401 in place of a redirection, and some need no login; nobody can send tokens of their own."""
    matches: Manifest = {
        name: {"headers": [{"name": f"x-{name.lower()}", "exact": "1"}]} for name in ("passThrough", "allowFailed")
    }
    deny = {"headers": [{"name": "accept", "exact": "application/json"}]}
    issued = extension(world.provider.issuer, denyRedirect=deny, forwardAccessToken=True)
    policy = login(forwardIDToken={"header": "x-token"}, **matches)
    await world.apply(issued, policy, route(rule("alpha", matches=[prefix("/app")])))
    url, browser = f"{world.url}/app", UserAgent()
    assert (await browser.send(url, headers={"accept": "application/json"})).status == 401
    own = {"authorization": "Bearer mine", "x-token": "mine"}
    passed = await browser.send(url, headers={**own, "x-passthrough": "1"})
    assert (sent(passed, "authorization"), sent(passed, "x-token")) == ("Bearer mine", "")
    failed = await browser.send(url, headers={**own, "x-allowfailed": "1"})
    assert sent(failed, "x-token") == ""
    for headers in (own, {"x-passthrough": "2"}):
        assert (await browser.send(url, headers=headers)).status == 302
    page = await browser.log_in(url)
    assert len(sent(page, "x-token").split(".")) == 3
    again = await browser.send(url, headers=own)
    assert (sent(again, "authorization"), sent(again, "x-token")) == (
        sent(page, "authorization"),
        sent(page, "x-token"),
    )


async def test_verification_of_excepted_requests(world: World) -> None:
    """A request that needs no login may have no token, and none that is forged; claims are nobody's but the token's."""
    jwt = {"idToken": {"claimsToHeaders": [{"name": "sub", "header": "x-user"}]}}
    through = {"headers": [{"name": "x-pass", "exact": "1"}]}
    policy = login(passThrough=through, forwardIDToken={"header": "x-token"})
    await world.apply(extension(world.provider.issuer, jwt=jwt), policy, route(rule("alpha", matches=[prefix("/app")])))
    url, browser = f"{world.url}/app", UserAgent()
    passed = await browser.send(url, headers={"x-pass": "1", "x-user": "root", "x-token": "a.b.c"})
    assert (sent(passed, "x-user"), sent(passed, "x-token")) == ("", "")
    page = await browser.log_in(url)
    assert (sent(page, "x-user"), len(sent(page, "x-token").split("."))) == ("alice", 3)


@pytest.mark.parametrize(
    ("match", "value", "other"),
    [
        ({"exact": "one"}, "one", "One"),
        ({"prefix": "on", "ignoreCase": True}, "ONE", "zone"),
        ({"suffix": "ne"}, "one", "ones"),
        ({"contains": "n"}, "one", "two"),
        ({"regex": "o.e"}, "one", "ones"),
        ({"exact": "two", "invert": True}, "one", "two"),
    ],
)
async def test_matches_of_headers(world: World, match: Manifest, value: str, other: str) -> None:
    """Headers of excepted requests are compared in each of the ways that there are."""
    groups = ("denyRedirect", "passThrough", "allowFailed")
    fields: Manifest = {each: {"headers": [{"name": f"x-{each}", **match}]} for each in groups}
    await world.apply(extension(world.provider.issuer), login(**fields), route(rule("alpha")))
    inverted = {f"x-{each}": other for each in groups} if "invert" in match else {}
    for name, status in zip(groups, (401, 200, 200), strict=True):
        for said, expected in ((value, status), (other, 302)):
            found = await UserAgent().send(world.url + "/", headers={**inverted, f"x-{name}": said})
            assert found.status == expected, (name, said)


async def test_a_provider_of_another_namespace(world: World) -> None:
    """A GatewayExtension of another namespace needs a ReferenceGrant there; without it requests get 500."""
    other = extension(world.provider.issuer)
    other["metadata"]["namespace"] = "infra"
    credentials = {"clientID": CLIENT_ID, "clientSecretRef": {"name": "client"}}
    other["spec"]["oauth2"]["credentials"] = credentials
    theirs = secret()
    theirs["metadata"]["namespace"] = "infra"
    policy = traffic_policy("route", oauth2={"extensionRef": {"name": "login", "namespace": "infra"}})
    await world.apply(other, theirs, policy, route(rule("alpha", matches=[prefix("/app")])))
    assert (await UserAgent().send(f"{world.url}/app")).status == 500
    assert condition(world, "ResolvedRefs")["reason"] == "RefNotPermitted"
    grant = {
        "apiVersion": "gateway.networking.k8s.io/v1beta1",
        "kind": "ReferenceGrant",
        "metadata": {"name": "policies", "namespace": "infra"},
        "spec": {
            "from": [{"group": "gateway.headgate.dev", "kind": "TrafficPolicy", "namespace": "default"}],
            "to": [{"group": "gateway.headgate.dev", "kind": "GatewayExtension"}],
        },
    }
    await world.apply(grant)
    assert (await UserAgent().log_in(f"{world.url}/app")).status == 200


async def test_discovery_down_then_up(world: World) -> None:
    """While nothing is known of an issuer its routes get 500, and the status says why; then users can log in."""
    port = free_port()
    broken = extension(issuer(port))
    rules = route(rule("alpha", matches=[prefix("/app")]), name="route"), route(rule("alpha"), name="open")
    await world.proxy.apply(broken, login(), *rules)
    assert (await UserAgent().send(f"{world.url}/app")).status == 500
    assert "is being fetched" in condition(world, "ResolvedRefs")["message"]
    await world.proxy.discover()
    assert (await UserAgent().send(f"{world.url}/app")).status == 500
    assert (await UserAgent().send(f"{world.url}/open")).status == 200
    found = condition(world, "ResolvedRefs")
    assert (found["status"], found["reason"]) == ("False", "DiscoveryFailed")
    assert f"GET {issuer(port)}/.well-known/openid-configuration: " in found["message"]
    assert world.proxy.status("GatewayExtension", "login")["conditions"][1]["reason"] == "DiscoveryFailed"
    async with running_provider([client(f"{world.url}{REDIRECT}")], port):
        await world.proxy.discover()
        assert condition(world, "ResolvedRefs")["status"] == "True"
        assert (await UserAgent().log_in(f"{world.url}/app")).status == 200


async def test_a_secret_that_is_missing(world: World) -> None:
    """Without its Secret a login closes its own routes only; once the Secret is there, users can log in."""
    credentials = {"clientID": CLIENT_ID, "clientSecretRef": {"name": "late"}}
    rules = route(rule("alpha", matches=[prefix("/app")])), route(rule("alpha"), name="open")
    await world.apply(extension(world.provider.issuer, credentials=credentials), login(), *rules)
    assert (await UserAgent().send(f"{world.url}/app")).status == 500
    assert (await UserAgent().send(f"{world.url}/open")).status == 200
    assert condition(world, "ResolvedRefs")["reason"] == "SecretNotFound"
    await world.apply(secret("late"))
    browser = UserAgent()
    assert (await browser.log_in(f"{world.url}/app")).status == 200
    await world.apply(secret("late", "another-secret-0123456789"))
    assert (await browser.send(f"{world.url}/app")).status == 302


async def test_nothing_passes_while_things_change(world: World) -> None:
    """Nobody comes in without a login while the policy, its provider and its Secret are edited and taken away."""
    issued, policy = extension(world.provider.issuer), login()
    await world.apply(issued, policy, route(rule("alpha", matches=[prefix("/app")])))
    statuses: dict[int, int] = {}
    changing = True

    async def ask() -> None:
        while changing:
            status = (await world.proxy.request("/app", host=HOST)).status
            statuses[status] = statuses.get(status, 0) + 1

    async with asyncio.TaskGroup() as group:
        for _ in range(4):
            group.create_task(ask())
        for number in range(8):
            await world.apply(extension(world.provider.issuer, scopes=["openid", f"s{number}"]))
            await world.proxy.delete(Ref("GatewayExtension", "default", "login"))
            await world.apply(issued)
            await world.proxy.delete(Ref("Secret", "default", "client"))
            await world.apply(secret(value=f"another-{number}"))
            await world.apply(secret())
        changing = False
    assert statuses.keys() <= {302, 500, 503}, statuses
    assert sum(statuses.values()) > 100


async def test_secrets_are_in_no_dump(world: World) -> None:
    """Neither the configuration that Envoy shows nor a status has the client's secret, or a key that is made of it."""
    await world.apply(extension(world.provider.issuer), login(), route(rule("alpha", matches=[prefix("/app")])))
    dump = await world.proxy.admin("/config_dump?include_eds")
    told = (dump, json.dumps(world.proxy.status("GatewayExtension", "login")), json.dumps(condition(world, "Accepted")))
    assert "default/client/client-secret" in dump
    for text in told:
        assert CLIENT_SECRET not in text
        assert b64encode(CLIENT_SECRET.encode()).decode() not in text
