"""The identifiers of requests, X-Request-Id."""

from __future__ import annotations

import pytest

from tests.live.listener_policies import apply
from tests.live.objects import gateway, listener_policy, route, rule
from tests.live.processor import Processor
from tests.live.proxy import Proxy
from tests.live.test_listener_filters import filtered

SENT = {"x-request-id": "mine"}
REASON = 14
"""The digit of a UUID that says why a request is traced."""


async def test_identifiers_by_default(proxy: Proxy) -> None:
    """Each request has a new identifier, whatever the client sends; responses do not have it."""
    await apply(proxy, route(rule("alpha")))
    found = await proxy.request(headers=SENT)
    assert found.sent("x-request-id") not in ([], ["mine"])
    assert "x-request-id" not in found.headers


async def test_no_identifiers(proxy: Proxy) -> None:
    """Requests get no identifier if none is asked for; that of a client stays."""
    await apply(proxy, listener_policy(httpSettings={"generateRequestId": False}), route(rule("alpha")))
    assert (await proxy.request()).sent("x-request-id") == []
    assert (await proxy.request(headers=SENT)).sent("x-request-id") == ["mine"]


@pytest.mark.parametrize("filters", [False, True])
async def test_kept_and_returned(proxy: Proxy, one: Processor, filters: bool) -> None:
    """The identifiers of clients are kept, and responses have them, those of the proxy too, if that is asked for."""
    settings = {"preserveExternalRequestId": True, "requestIdInResponse": True}
    listener = filtered(proxy.port, *(["one"] if filters else []))
    await apply(
        proxy, gateway(listener), listener_policy(httpSettings=settings), route(rule("alpha"), hostnames=["a.org"])
    )
    found = await proxy.request(host="a.org", headers=SENT)
    assert found.sent("x-request-id") == found.headers.getall("x-request-id") == ["mine"]
    found = await proxy.request(host="a.org")
    assert found.sent("x-request-id") == found.headers.getall("x-request-id")
    assert (await proxy.request(host="b.org", headers=SENT)).headers.getall("x-request-id") == ["mine"]


async def test_trace_reasons(proxy: Proxy) -> None:
    """A digit of identifiers says whether the request is traced, unless that is switched off."""
    digits = set()
    settings = {"uuidRequestIdConfig": {"packTraceReason": False, "useRequestIdForTraceSampling": False}}
    await apply(proxy, listener_policy(httpSettings=settings), route(rule("alpha")))
    for _ in range(20):
        (found,) = (await proxy.request()).sent("x-request-id")
        digits.add(found[REASON])
    assert digits == {"4"}
