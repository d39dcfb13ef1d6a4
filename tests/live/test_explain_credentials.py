"""What is explained of requests without credentials is what a real Envoy answers to them."""

from __future__ import annotations

import pytest

from tests.live.credentials import KEY, basic, line, secret
from tests.live.objects import Manifest, route, rule, traffic_policy
from tests.live.proxy import Proxy
from tests.live.test_explain import explained
from tests.live.worlds import Asked

USERS = {"users": [line("alice")]}
KEYS = {"secretRef": {"name": "keys"}}
SOURCES = [{"header": "x-key"}, {"query": "k"}, {"cookie": "key"}]
Case = tuple[Manifest, str, list[tuple[str, str]], str]
PASSWORD_ASKED = "basicAuth asks for a name and a password in"
KEY_ASKED = "apiKeyAuth asks for a key in"
CASES: list[Case] = [
    ({"basicAuth": USERS}, "/", [], f"{PASSWORD_ASKED} authorization"),
    ({"basicAuth": USERS}, "/", [("authorization", "Bearer x")], f"{PASSWORD_ASKED} authorization"),
    ({"basicAuth": USERS}, "/", [("authorization", basic("alice"))], ""),
    ({"basicAuth": {**USERS, "authenticationHeader": "x-login"}}, "/", [], f"{PASSWORD_ASKED} x-login"),
    ({"basicAuth": {**USERS, "authenticationHeader": "x-login"}}, "/", [("x-login", basic("alice"))], ""),
    ({"basicAuth": {**USERS, "allowMissing": True}}, "/", [], ""),
    ({"apiKeyAuth": KEYS}, "/", [], f"{KEY_ASKED} api-key"),
    ({"apiKeyAuth": KEYS}, "/", [("api-key", KEY)], ""),
    ({"apiKeyAuth": {**KEYS, "keySources": SOURCES}}, "/?K=1", [("cookie", "a=1")], f"{KEY_ASKED} x-key, k, key"),
    ({"apiKeyAuth": {**KEYS, "keySources": SOURCES}}, f"/?a=1&k={KEY}", [], ""),
    ({"apiKeyAuth": {**KEYS, "keySources": SOURCES}}, "/", [("cookie", f"a=1; key={KEY}")], ""),
]


@pytest.mark.parametrize("level", ["gateway", "route"])
@pytest.mark.parametrize("case", CASES, ids=[f"{number}" for number in range(len(CASES))])
async def test_what_asks_for_credentials_is_explained(proxy: Proxy, level: str, case: Case) -> None:
    """A request without credentials is explained to get 401, and why; of one with some that is not told."""
    unit, path, headers, reason = case
    await proxy.apply(secret("keys", {"mobile": KEY}), traffic_policy(level, **unit), route(rule("alpha")))
    found = explained(proxy, Asked("GET", "example.com", path, tuple(headers)))
    response = await proxy.request(path, headers=headers)
    assert [each.status for each in found.outcomes if each.status] == ([401] if reason else [])
    assert found.problems == ((reason,) if reason else ())
    assert response.status == (401 if reason else 200)
