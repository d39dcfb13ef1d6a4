"""Retries of requests with long bodies: the buffer is limited."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest
from aiohttp import web

from tests.live.objects import endpoints, route, rule, service
from tests.live.proxy import Proxy, free_port
from tests.live.upstream import Seen, Upstream

Fields = dict[str, Any]
MIB = 1024 * 1024


@pytest.mark.parametrize("size", [40_000, 300_000, 3 * MIB])
@pytest.mark.parametrize("fields", [{}, {"retry": {"attempts": 3}}], ids=str)
async def test_a_long_request_is_tried_elsewhere(proxy: Proxy, alpha: Upstream, size: int, fields: Fields) -> None:
    """Where endpoints refuse connections, a request of any length gets to the one that does not."""
    ports = [alpha.port, free_port(), free_port()]
    await proxy.apply(service("third"), endpoints("third", ports), route(rule("third", **fields)))
    body = b"x" * size
    assert Counter([(await proxy.request(method="POST", body=body)).status for _ in range(20)]) == {200: 20}
    assert {len(each.body) for each in alpha.seen} == {size}


@pytest.mark.parametrize(("size", "status", "tries"), [(MIB - 1, 200, 2), (2 * MIB, 503, 1)])
async def test_answers_are_tried_again_for_bodies_of_a_mebibyte(
    proxy: Proxy, alpha: Upstream, size: int, status: int, tries: int
) -> None:
    """A status that the rule names is tried again with the whole body, if that is no longer than 1 MiB."""

    async def answer(_: Seen) -> web.Response | None:
        return web.Response(status=503) if len(alpha.seen) == 1 else None

    alpha.answer = answer
    await proxy.apply(route(rule("alpha", retry={"codes": [503]})))
    assert (await proxy.request(method="POST", body=b"x" * size)).status == status
    assert [len(each.body) for each in alpha.seen] == [size] * tries


async def test_what_reaches_no_backend_is_answered_503(proxy: Proxy) -> None:
    """A request that gets too long in the pause before its next try is answered like any that cannot be delivered."""
    await proxy.apply(
        service("gone"),
        endpoints("gone", [free_port()]),
        route(rule("gone", retry={"codes": [500], "attempts": 2, "backoff": "500ms"})),
    )
    assert (await proxy.request(method="POST", body=b"x" * 8 * MIB)).status == 503


async def test_a_direct_response_may_have_any_status(proxy: Proxy) -> None:
    """A DirectResponse of 507 is answered as it is written."""
    response = {
        "apiVersion": "gateway.headgate.dev/v1alpha1",
        "kind": "DirectResponse",
        "metadata": {"name": "full"},
        "spec": {"status": 507, "body": "full"},
    }
    extension = {"group": "gateway.headgate.dev", "kind": "DirectResponse", "name": "full"}
    await proxy.apply(response, route(rule(filters=[{"type": "ExtensionRef", "extensionRef": extension}])))
    found = await proxy.request()
    assert (found.status, found.body) == (507, b"full")
