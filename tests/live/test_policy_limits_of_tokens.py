"""Limits of requests by what is known of their tokens: claims, and whether these are checked before."""

from __future__ import annotations

from functools import partial

import pytest

from tests.live.limits_of_tokens import claim_limit, limited_tokens, passed
from tests.live.objects import Manifest, route, rule
from tests.live.proxy import Proxy
from tests.live.tokens import provider

limited = partial(limited_tokens, "local")
by_claim = partial(claim_limit, "Hour")


async def test_each_subject_has_a_limit_of_its_own(proxy: Proxy) -> None:
    """A token cannot be made up, so neither can its subject."""
    await proxy.apply(route(rule("alpha")), limited(rules=by_claim(2, name="sub", type="Distinct")))
    assert [await passed(proxy, 4, sub=each) for each in ("ann", "bob", "cem")] == [2, 2, 2]
    assert await passed(proxy, 1, sub="ann") == 0


@pytest.mark.parametrize(
    ("claim", "selected", "other"),
    [
        ({"name": "plan", "exact": "free"}, {"plan": "free"}, {"plan": "Free"}),
        ({"name": "plan", "exact": "free", "ignoreCase": True}, {"plan": "Free"}, {"plan": "freed"}),
        ({"name": "plan", "prefix": "fr"}, {"plan": "free"}, {}),
        ({"name": "plan", "suffix": "ee"}, {"plan": "free"}, {"plan": ["free"]}),
        ({"name": "plan", "contains": "re"}, {"plan": "free"}, {"plan": 7}),
        ({"name": "plan", "regex": "free|trial"}, {"plan": "trial"}, {"plan": "trials"}),
        ({"name": "realm.id", "exact": "a"}, {"realm": {"id": "a"}}, {"realm.id": "a"}),
    ],
)
async def test_claims(proxy: Proxy, claim: Manifest, selected: Manifest, other: Manifest) -> None:
    """A claim is compared as a selector says; what is no text, or not there, is not selected."""
    await proxy.apply(route(rule("alpha")), limited(rules=by_claim(1, **claim)))
    assert await passed(proxy, 3, **other) == 3
    assert await passed(proxy, 3, **selected) == 1


async def test_a_provider_of_several(proxy: Proxy) -> None:
    """With several providers, a selector names the one whose tokens it is for."""
    other = {**provider(), "name": "other", "issuer": "https://other.example.com"}
    rules = by_claim(1, name="sub", type="Distinct", provider="other")
    await proxy.apply(route(rule("alpha")), limited(provider(), other, rules=rules))
    assert await passed(proxy, 3) == 3
    assert await passed(proxy, 3, iss="https://other.example.com") == 1


async def test_the_phase(proxy: Proxy) -> None:
    """Before tokens are checked, all requests are counted; after that, those that are refused are not."""
    bucket = {"maxTokens": 2, "fillInterval": "1h"}
    await proxy.apply(route(rule("alpha")))
    for phase, refused, left in (("AfterAuth", [401] * 4, 2), ("BeforeAuth", [401, 401, 429, 429], 0)):
        await proxy.apply(limited(tokenBucket=bucket, phase=phase))
        assert [(await proxy.request()).status for _ in range(4)] == refused
        assert await passed(proxy, 3) == left
