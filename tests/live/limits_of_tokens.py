"""Limits of requests by the claims of their tokens, for tests of limits at each proxy and at all."""

from __future__ import annotations

from typing import Any

from tests.live.objects import Manifest, traffic_policy
from tests.live.proxy import Proxy
from tests.live.tokens import bearer, provider, token


def limited_tokens(member: str, *providers: Manifest, **fields: Any) -> Manifest:
    """Return a policy that asks for a token, of one issuer unless it says more, and limits requests.

    Args:
        member: the member of `rateLimit`.
        providers: the issuers.
        fields: those of the member.
    """
    tokens = {"providers": list(providers) or [provider()]}
    return traffic_policy("route", jwtAuth=tokens, rateLimit={member: fields})


def claim_limit(unit: str, requests: int, **claim: Any) -> list[Manifest]:
    """Return a rule with a limit for a claim: so many requests in each unit of time."""
    limit = {"requests": requests, "unit": unit}
    return [{"name": "one", "limit": limit, "clientSelectors": [{"claims": [claim]}]}]


async def passed(proxy: Proxy, count: int, **claims: Any) -> int:
    """Return how many of so many requests with a token with these claims pass; the others get 429."""
    headers = bearer(token(**claims))
    found = [(await proxy.request(headers=headers)).status for _ in range(count)]
    assert set(found) <= {200, 429}
    return found.count(200)
