"""Limits that all proxies hold together, by claims of tokens."""

from __future__ import annotations

from functools import partial

import pytest

from tests.live.limits_of_tokens import claim_limit, limited_tokens, passed
from tests.live.objects import Manifest, endpoints, route, rule, service
from tests.live.proxy import Proxy
from tests.live.rate_limit_service import running_service
from tests.live.rate_limits import extension
from tests.live.tokens import provider

CONFIGURATION = """
domain: headgate
descriptors:
- {key: realm.id, value: a, rate_limit: {unit: year, requests_per_unit: 1}}
"""


limited = partial(limited_tokens, "global")
by_claim = partial(claim_limit, "Year")


async def test_each_subject_has_a_limit_of_its_own(proxies: list[Proxy]) -> None:
    """Each subject has a limit at both proxies; without a valid token nothing is counted."""
    for each in proxies:
        await each.apply(route(rule("alpha")), limited(rules=by_claim(3, name="sub", type="Distinct")))
    assert (await proxies[0].request()).status == 401
    for subject in ("ann", "bob"):
        assert [await passed(each, 2, sub=subject) for each in proxies] == [2, 1]


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
async def test_claims(proxies: list[Proxy], claim: Manifest, selected: Manifest, other: Manifest) -> None:
    """A claim is compared as a selector says; what is no text, or not there, is not selected."""
    await proxies[0].apply(route(rule("alpha")), limited(rules=by_claim(1, **claim)))
    assert await passed(proxies[0], 3, **other) == 3
    assert await passed(proxies[0], 3, **selected) == 1


async def test_a_provider_of_several(proxies: list[Proxy]) -> None:
    """With several providers, a selector names the one whose tokens it is for."""
    other = {**provider(), "name": "other", "issuer": "https://other.example.com"}
    rules = by_claim(1, name="sub", type="Distinct", provider="other")
    await proxies[0].apply(route(rule("alpha")), limited(provider(), other, rules=rules))
    assert await passed(proxies[0], 3) == 3
    assert await passed(proxies[0], 3, iss="https://other.example.com") == 1


async def test_claims_for_limits_of_the_service(proxies: list[Proxy]) -> None:
    """A descriptor tells the service a claim, for a limit in its own configuration."""
    proxy = proxies[0]
    async with running_service(CONFIGURATION) as own:
        asked = extension(rateLimit={"grpcService": {"backendRef": {"name": "counts", "port": 80}}})
        objects = (service("counts", app_protocol="grpc"), *endpoints("counts", [own.port]), asked)
        entries = [{"type": "Claim", "name": "realm.id"}]
        policy = limited(extensionRef={"name": "limiter"}, descriptors=[{"entries": entries}])
        await proxy.apply(*objects, route(rule("alpha")), policy)
        assert await passed(proxy, 2, realm={"id": "b"}) == 2
        assert await passed(proxy, 3, realm={"id": "a"}) == 1
