"""API keys of clients, by TrafficPolicies."""

from __future__ import annotations

from typing import Any

import pytest

from tests.live.credentials import KEY, OTHER_KEY, condition, secret
from tests.live.objects import Manifest, exact, route, rule, traffic_policy
from tests.live.proxy import Proxy
from translator.refs import Ref

KEYS = secret("keys", {"mobile": KEY, "billing": OTHER_KEY})
OF_KEYS: Manifest = {"secretRef": {"name": "keys"}}


def api_keys(level: str = "gateway", name: str = "policy", **fields: Any) -> Manifest:
    """Return a policy that asks for a key."""
    return traffic_policy(level, name, apiKeyAuth=fields)


async def status(proxy: Proxy, *keys: str, path: str = "/", header: str = "api-key") -> int:
    """Return the status of the response to a request with keys in a header."""
    return (await proxy.request(path, headers=[(header, each) for each in keys])).status


@pytest.mark.parametrize("level", ["gateway", "route"])
async def test_keys_of_a_secret(proxy: Proxy, level: str) -> None:
    """Clients with a key of the Secret come in, whose key the backend does not get; all others get 401."""
    await proxy.apply(KEYS, api_keys(level, **OF_KEYS), route(rule("alpha")))
    for key in (KEY, OTHER_KEY, f"Bearer {KEY}"):
        found = await proxy.request(headers={"API-Key": key})
        assert (found.status, found.sent("api-key")) == (200, [])
    for wrong in (KEY[:-1], f"{KEY}x", KEY.upper(), "mobile", f"{KEY},{OTHER_KEY}", f"bearer {KEY}", "", "*"):
        assert await status(proxy, wrong) == 401, wrong
    assert await status(proxy) == 401
    assert await status(proxy, KEY, header="authorization") == 401
    assert await status(proxy, path=f"/?api-key={KEY}") == 401


async def test_names_of_clients(proxy: Proxy) -> None:
    """Backends get the name of the client in a header, in which clients cannot claim one."""
    await proxy.apply(KEYS, api_keys(**OF_KEYS, clientIdHeader="X-Client"), route(rule("alpha")))
    found = await proxy.request(headers=[("api-key", KEY), ("X-Client", "billing"), ("x-client", "admin")])
    assert found.sent("x-client") == ["mobile"]
    assert (await proxy.request(headers={"x-client": "mobile"})).status == 401


async def test_allowed_clients(proxy: Proxy) -> None:
    """Of the clients with a key only those may come in that a policy names; others get 403."""
    await proxy.apply(KEYS, api_keys(**OF_KEYS, allowedClients=["billing", "nobody"]), route(rule("alpha")))
    assert (await status(proxy, OTHER_KEY), await status(proxy, KEY), await status(proxy)) == (200, 403, 401)


async def test_keys_in_several_places(proxy: Proxy) -> None:
    """The first place that has a key decides: a wrong one there is not made good by a right one elsewhere."""
    sources = [{"header": "x-one", "query": "k"}, {"cookie": "key"}, {"header": "authorization"}]
    await proxy.apply(KEYS, api_keys(**OF_KEYS, keySources=sources, clientIdHeader="x-client"), route(rule("alpha")))
    good: list[tuple[str, list[tuple[str, str]]]] = [
        ("/", [("x-one", KEY)]),
        (f"/?k={KEY}", []),
        ("/", [("cookie", f"key={KEY}")]),
        ("/", [("authorization", f"Bearer {KEY}")]),
        (f"/?k={OTHER_KEY}", [("x-one", KEY), ("cookie", f"key={OTHER_KEY}")]),
        ("/", [("x-one", KEY), ("x-one", OTHER_KEY)]),
        (f"/?k={KEY}&k={OTHER_KEY}", []),
    ]
    for path, headers in good:
        found = await proxy.request(path, headers=headers)
        assert found.sent("x-client") == ["mobile"]
        assert not {KEY, OTHER_KEY} & {*found.body.decode().replace('"', " ").replace("=", " ").split()}
        assert "k=" not in found.path
    bad: list[tuple[str, list[tuple[str, str]]]] = [
        (f"/?k={KEY}", [("x-one", "wrong")]),
        ("/", [("x-one", "wrong"), ("x-one", KEY)]),
        (f"/?k=wrong&k={KEY}", []),
        ("/?k=wrong", [("cookie", f"key={KEY}")]),
        ("/", [("cookie", f"key=wrong; key={KEY}")]),
        (f"/?K={KEY}", []),
        (f"/x;k={KEY}", []),
        (f"/?a=1;k={KEY}", []),
        (f"/#k={KEY}", []),
        (f"/?a=1%26k={KEY}", []),
    ]
    for path, headers in bad:
        assert (await proxy.request(path, headers=headers)).status in {400, 401}, (path, headers)


async def test_the_rest_of_the_query(proxy: Proxy) -> None:
    """What takes keys out leaves the rest of the query as it is written, and other cookies."""
    sources = [{"query": "k"}, {"cookie": "key"}, {"header": "x-key"}]
    await proxy.apply(KEYS, api_keys(**OF_KEYS, keySources=sources), route(rule("alpha")))
    for written, left in (
        ("k={}", ""),
        ("a=1%26admin=true&k={}&b=%23x%20y+z%25zz", "?a=1%26admin=true&b=%23x%20y+z%25zz"),
        ("k={}&a=%0d%0aX:1", "?a=%0d%0aX:1"),
        ("a&b=&c==&k={}&&d", "?a&b=&c==&&d"),
        ("%6b={}&kk=k&K=1", "?kk=k&K=1"),
        ("k={}&k={}&k", ""),
        ("a=1;k=2&k={}", "?a=1;k=2"),
        ("a=?k=1&k={}", "?a=?k=1"),
    ):
        found = await proxy.request(f"/p%20q?{written.replace('{}', KEY)}")
        assert found.path == f"/p%20q{left}"
    found = await proxy.request(headers={"Cookie": f"a=1; key={KEY};b=2; monkey=3"})
    assert found.sent("cookie") == ["a=1;b=2; monkey=3"]
    found = await proxy.request("/?", headers={"Cookie": f"key={KEY}", "X-Key": "other"})
    assert (found.sent("cookie"), found.sent("x-key")) == ([], [])
    assert (await proxy.request(f"/?k={KEY}")).path == "/"


async def test_forwarded_keys(proxy: Proxy) -> None:
    """Backends get the key where the policy asks for it."""
    sources = [{"header": "x-key", "query": "k"}]
    await proxy.apply(KEYS, api_keys(**OF_KEYS, keySources=sources, forwardCredential=True), route(rule("alpha")))
    assert (await proxy.request(headers={"x-key": KEY})).sent("x-key") == [KEY]
    assert (await proxy.request(f"/?k={KEY}&a=%26")).path == f"/?k={KEY}&a=%26"


async def test_selected_secrets(proxy: Proxy) -> None:
    """Secrets are selected by labels of theirs: they, their keys and their labels come and go."""
    policy = api_keys(secretSelector={"matchLabels": {"keys": "shop", "tier": "1"}}, clientIdHeader="x-client")
    labels = {"keys": "shop", "tier": "1"}
    await proxy.apply(
        secret("first", {"mobile": KEY}, {**labels, "more": "x"}),
        secret("other", {"other": OTHER_KEY}, {"keys": "shop"}),
    )
    await proxy.apply(policy, route(rule("alpha")))
    assert (await status(proxy, KEY), await status(proxy, OTHER_KEY)) == (200, 401)
    await proxy.apply(secret("other", {"other": OTHER_KEY}, labels))
    assert (await status(proxy, KEY), await status(proxy, OTHER_KEY)) == (200, 200)
    await proxy.apply(secret("other", {"mobile": OTHER_KEY}, labels))
    assert (await proxy.request(headers={"api-key": OTHER_KEY})).sent("x-client") == ["mobile"]
    await proxy.delete(Ref("Secret", "default", "first"))
    assert (await status(proxy, KEY), await status(proxy, OTHER_KEY)) == (401, 200)
    await proxy.apply(secret("other", {"other": OTHER_KEY}, {"keys": "shop"}))
    assert await status(proxy, OTHER_KEY) == 500
    found, reason, message = condition(proxy, "ResolvedRefs")
    assert (found, reason) == ("False", "SecretNotFound")
    assert "spec.apiKeyAuth.secretSelector: no Secret of the namespace default has these labels" in message


async def test_what_closes(proxy: Proxy) -> None:
    """Routes respond with 500 while the keys cannot be used, and the status says why without showing one."""
    await proxy.apply(api_keys(**OF_KEYS), route(rule("alpha")))
    assert await status(proxy, KEY) == 500
    found, reason, message = condition(proxy, "ResolvedRefs")
    assert (found, reason) == ("False", "SecretNotFound")
    assert "spec.apiKeyAuth.secretRef: Secret default/keys does not exist; create it" in message
    for texts, told in (
        ({"mobile": KEY, "billing": KEY}, "have the same key"),
        ({"mobile": f"{KEY} {KEY}"}, "the key of mobile is empty, too long, or has blanks"),
        ({"mobile": ""}, "the key of mobile is empty"),
        ({"mobile": f"{KEY}\nx"}, "the key of mobile is empty, too long, or has blanks"),
    ):
        await proxy.apply(secret("keys", texts))
        assert (await status(proxy, KEY), await status(proxy)) == (500, 500)
        message = condition(proxy)[2]
        assert told in message
        assert KEY not in message
    await proxy.apply(secret("keys", {"mobile": f"{KEY}\n"}))
    assert (await status(proxy, KEY), await status(proxy)) == (200, 401)
    await proxy.delete(Ref("Secret", "default", "keys"))
    assert await status(proxy, KEY) == 500


async def test_routes_differ(proxy: Proxy) -> None:
    """A rule's policy replaces that of the Gateway as a whole, or switches it off."""
    named = rule("alpha", name="named", matches=[exact("/own")])
    await proxy.apply(KEYS, secret("own", {"own": "key-of-own-1"}), api_keys(**OF_KEYS), route(named, rule("alpha")))
    own = api_keys("rule", "own", secretRef={"name": "own"}, keySources=[{"query": "k"}])
    await proxy.apply(own)
    assert (await proxy.request("/own?k=key-of-own-1&b")).path == "/own?b"
    assert (await proxy.request(f"/own?k={KEY}", headers={"api-key": KEY})).status == 401
    assert await status(proxy, KEY, path="/other") == 200
    await proxy.apply(api_keys("rule", "own", disable={}))
    assert (await status(proxy, path="/own"), await status(proxy, path="/other")) == (200, 401)
