"""Names and passwords of clients, by TrafficPolicies."""

from __future__ import annotations

import asyncio
import shutil
from typing import Any

import pytest

from tests.live.credentials import OTHER_PASSWORD, PASSWORD, basic, condition, line, secret
from tests.live.objects import Manifest, exact, prefix, route, rule, traffic_policy
from tests.live.proxy import Proxy
from translator.refs import Ref

SECRET = Ref("Secret", "default", "users")


def basic_auth(level: str = "gateway", name: str = "policy", **fields: Any) -> Manifest:
    """Return a policy that asks for name and password."""
    return traffic_policy(level, name, basicAuth=fields)


def users(*lines: str) -> Manifest:
    """Return a Secret with lines of htpasswd."""
    return secret("users", {".htpasswd": "\n".join(lines)})


async def status(proxy: Proxy, *authorization: str, path: str = "/", **options: Any) -> int:
    """Return the status of the response to a request with these values of Authorization."""
    headers = [("Authorization", each) for each in authorization]
    return (await proxy.request(path, headers=headers, **options)).status


@pytest.mark.parametrize("level", ["gateway", "route"])
async def test_users_of_a_secret(proxy: Proxy, level: str) -> None:
    """Users of a Secret come in by name and password; all others get 401 and are told what for."""
    lines = ("# team", "", f"{line('alice')}\r", line("bob", OTHER_PASSWORD))
    await proxy.apply(users(*lines), basic_auth(level, secretRef={"name": "users"}), route(rule("alpha")))
    assert await status(proxy, basic("alice")) == 200
    assert await status(proxy, basic("bob", OTHER_PASSWORD)) == 200
    for wrong in (
        basic("alice", OTHER_PASSWORD),
        basic("Alice"),
        basic("alice", f"{PASSWORD} "),
        basic("mallory"),
        basic("alice", ""),
        "Basic",
        "Basic !!",
        f"Bearer {PASSWORD}",
        basic("alice").removeprefix("Basic "),
        # Case does not matter in the name of a scheme (RFC 9110, 11.1), but Envoy asks for this one.
        basic("alice", scheme="basic"),
        f"{basic('alice')}, {basic('bob', OTHER_PASSWORD)}",
        "",
    ):
        assert await status(proxy, wrong) == 401, wrong
    found = await proxy.request()
    assert (found.status, found.headers["WWW-Authenticate"]) == (401, 'Basic realm="restricted"')


async def test_users_of_a_policy(proxy: Proxy) -> None:
    """A policy may have the users itself, and say what the password is for."""
    await proxy.apply(basic_auth(users=[line("alice")], realm='Shop "A"'), route(rule("alpha")))
    assert await status(proxy, basic("alice")) == 200
    found = await proxy.request()
    assert (found.status, found.headers["WWW-Authenticate"]) == (401, r'Basic realm="Shop \"A\""')


async def test_lines_of_htpasswd(proxy: Proxy) -> None:
    """What `htpasswd -s` writes is taken; other kinds of hashes are refused by the number of their line."""
    program = shutil.which("htpasswd")
    if program is None:
        pytest.skip("htpasswd is not installed (Debian: apt-get install apache2-utils)")
    made = {}
    for kind in ("-s", "-B", "-m"):
        process = await asyncio.create_subprocess_exec(
            *(program, "-n", "-i", kind, "carol"),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.DEVNULL,
        )
        output, _ = await process.communicate(PASSWORD.encode())
        made[kind] = output.decode().strip()
    await proxy.apply(users(made["-s"]), basic_auth(secretRef={"name": "users"}), route(rule("alpha")))
    assert await status(proxy, basic("carol")) == 200
    assert await status(proxy, basic("carol", OTHER_PASSWORD)) == 401
    for kind, name in (("-B", "bcrypt"), ("-m", "MD5")):
        await proxy.apply(users(line("alice"), made[kind]))
        assert await status(proxy, basic("alice")) == 500
        found, reason, message = condition(proxy)
        assert (found, reason) == ("False", "Invalid")
        assert "spec.basicAuth.secretRef: Secret default/users, key .htpasswd: line 2 has a hash that is" in message
        assert name in message
        assert made[kind].partition(":")[2] not in message


async def test_names_for_backends(proxy: Proxy) -> None:
    """Backends get the name in a header, in which clients cannot claim one, even where no password is asked for."""
    fields: Manifest = {"users": [line("alice")], "forwardUsernameHeader": "X-User"}
    claimed = [("X-User", "admin"), ("x-user", "root")]
    await proxy.apply(basic_auth(**fields), route(rule("alpha")))
    found = await proxy.request(headers=[("Authorization", basic("alice")), *claimed])
    assert found.sent("x-user") == ["alice"]
    assert (await proxy.request(headers=claimed)).status == 401
    await proxy.apply(basic_auth(**fields, allowMissing=True))
    assert (await proxy.request(headers=claimed)).sent("x-user") == []
    assert (await proxy.request(headers=[("Authorization", "Bearer x"), *claimed])).sent("x-user") == []
    found = await proxy.request(headers=[("Authorization", basic("alice")), *claimed])
    assert found.sent("x-user") == ["alice"]
    assert await status(proxy, basic("alice", OTHER_PASSWORD)) == 401


async def test_another_header(proxy: Proxy) -> None:
    """Name and password may come in a header of their own, of which there is one only."""
    fields: Manifest = {"users": [line("alice"), line("bob", OTHER_PASSWORD)], "authenticationHeader": "X-Login"}
    await proxy.apply(basic_auth(**fields), route(rule("alpha")))
    alice, bob = basic("alice"), basic("bob", OTHER_PASSWORD)
    assert await status(proxy, alice) == 401
    found = await proxy.request(headers=[("Authorization", "Bearer kept"), ("X-Login", alice)])
    assert found.sent("authorization") == ["Bearer kept"]
    for several in ([alice, bob], [alice, alice], [alice, "Basic x"]):
        found = await proxy.request(headers=[("X-Login", each) for each in several])
        assert found.sent("x-login") == [alice]
    for several in (["Basic x", alice], [f"{alice},{bob}"], ["", alice], []):
        assert (await proxy.request(headers=[("X-Login", each) for each in several])).status == 401
    await proxy.apply(basic_auth(**fields, allowMissing=True))
    assert (await proxy.request()).sent("x-login") == []


async def test_a_second_authorization(proxy: Proxy) -> None:
    """Of two passwords none counts, in whichever order: a backend could take the other one."""
    await proxy.apply(basic_auth(users=[line("alice")]), route(rule("alpha")))
    good, bad = basic("alice"), basic("admin", "guess")
    for several in ((good, bad), (bad, good), (good, good), ("Bearer x", good), (good, "Bearer x")):
        assert await status(proxy, *several) == 401


async def test_methods_and_preflights(proxy: Proxy) -> None:
    """No method comes in without a password, whatever a header claims it to be; preflights of CORS get their answer."""
    await proxy.apply(basic_auth(users=[line("alice")]), route(rule("alpha")))
    overrides = ("X-HTTP-Method-Override", "X-HTTP-Method", "X-Method-Override")
    for method in ("GET", "HEAD", "POST", "OPTIONS", "PUT", "DELETE", "PATCH", "TRACE", "PURGE"):
        headers = [(each, "OPTIONS") for each in overrides]
        headers += [("Origin", "https://page.com"), ("Access-Control-Request-Method", "GET")]
        assert (await proxy.request(method=method, headers=headers)).status in {401, 403, 405}
    await proxy.apply(
        traffic_policy(
            "gateway",
            cors={"allowOrigins": ["https://page.com"], "allowMethods": ["GET"]},
            basicAuth={"users": [line("alice")]},
        )
    )
    asked = {"Origin": "https://page.com", "Access-Control-Request-Method": "GET"}
    found = await proxy.request(method="OPTIONS", headers=asked)
    assert (found.status, found.headers["Access-Control-Allow-Origin"]) == (200, "https://page.com")
    assert found.body == b""
    assert (await proxy.request(headers=asked)).status == 401
    assert (await proxy.request(method="OPTIONS", headers={"Origin": "https://page.com"})).status == 401


async def test_routes_differ(proxy: Proxy) -> None:
    """A rule's policy replaces that of the Gateway as a whole, or switches it off."""
    named = rule("alpha", name="named", matches=[exact("/own")])
    gateway = basic_auth(users=[line("alice")], forwardUsernameHeader="x-user")
    await proxy.apply(gateway, route(named, rule("alpha")))
    await proxy.apply(basic_auth("rule", "own", users=[line("bob")]))
    found = await proxy.request("/own", headers={"Authorization": basic("bob"), "X-User": "mine"})
    assert found.sent("x-user") == ["mine"]
    assert await status(proxy, basic("alice"), path="/own") == 401
    assert await status(proxy, basic("bob"), path="/other") == 401
    assert await status(proxy, basic("alice"), path="/other") == 200
    await proxy.apply(basic_auth("rule", "own", disable={}))
    assert await status(proxy, path="/own") == 200
    assert await status(proxy, path="/other") == 401


async def test_what_closes(proxy: Proxy) -> None:
    """Routes respond with 500 while the users cannot be read, and the status says why without showing them."""
    await proxy.apply(basic_auth(secretRef={"name": "users"}), route(rule("alpha")))
    assert await status(proxy, basic("alice")) == 500
    found, reason, message = condition(proxy, "ResolvedRefs")
    assert (found, reason) == ("False", "SecretNotFound")
    assert "spec.basicAuth.secretRef: Secret default/users does not exist; create it with the key .htpasswd" in message
    for lines, told in (
        (["alice:plain"], "line 1 has a hash that is of another kind"),
        ([line("alice"), "bob"], "line 2 must be a name, a colon and a hash"),
        ([line("alice"), "# x", line("alice", OTHER_PASSWORD)], "line 3 has the name of line 1 again"),
        (["alice:{SHA}short"], "line 1 has no Base64 of a SHA-1 hash"),
        (["# nobody"], "has no users"),
    ):
        await proxy.apply(users(*lines))
        assert await status(proxy, basic("alice")) == 500
        assert told in condition(proxy)[2]
        assert not {"plain", "short"} & {*condition(proxy)[2].replace(":", " ").split()}
    await proxy.apply(users(line("alice")))
    assert await status(proxy, basic("alice")) == 200
    await proxy.delete(SECRET)
    assert await status(proxy, basic("alice")) == 500


async def test_a_policy_of_a_backend(proxy: Proxy) -> None:
    """A filter of a rule may name the policy: the rule's requests need a password, others none."""
    named = {"group": "gateway.headgate.dev", "kind": "TrafficPolicy", "name": "named"}
    policy = {**basic_auth(users=[line("alice")]), "metadata": {"name": "named"}}
    policy["spec"] = {"basicAuth": policy["spec"]["basicAuth"]}
    filters = [{"type": "ExtensionRef", "extensionRef": named}]
    await proxy.apply(policy, route(rule("alpha", matches=[prefix("/in")], filters=filters), rule("alpha")))
    assert await status(proxy, path="/in") == 401
    assert await status(proxy, basic("alice"), path="/in") == 200
    assert await status(proxy, path="/") == 200
