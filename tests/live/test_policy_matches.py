"""Each way to compare a text in TrafficPolicies, as Envoy does it."""

from __future__ import annotations

import pytest
from aiohttp import web

from tests.live.objects import Manifest, route, rule, traffic_policy
from tests.live.proxy import Proxy
from tests.live.upstream import Seen, Upstream


@pytest.mark.parametrize(
    ("match", "equal", "other"),
    [
        ({"exact": "Blue"}, "Blue", "blue"),
        ({"exact": "Blue", "ignoreCase": True}, "bLUE", "blues"),
        ({"prefix": "Blue"}, "Blues", "a Blue"),
        ({"prefix": "Blue", "ignoreCase": True}, "bluegreen", "greenblue"),
        ({"suffix": "Blue"}, "a Blue", "Blues"),
        ({"suffix": "Blue", "ignoreCase": True}, "greenBLUE", "bluegreen"),
        ({"contains": "Blue"}, "a Blue sky", "a blue sky"),
        ({"contains": "Blue", "ignoreCase": True}, "a blue sky", "a grey sky"),
        ({"regex": "[A-Z][a-z]+"}, "Blue", "Blue sky"),
        ({"exact": "Blue", "invert": True}, "blue", "Blue"),
    ],
)
async def test_values_of_headers(proxy: Proxy, match: Manifest, equal: str, other: str) -> None:
    """A fault hits requests whose header has an equal value, and no others."""
    faults = {"abort": {"httpStatus": 418}, "headers": [{"name": "x-color", **match}]}
    await proxy.apply(traffic_policy("route", faultInjection=faults), route(rule("alpha")))
    assert (await proxy.request("/", headers={"x-color": equal})).status == 418
    assert (await proxy.request("/", headers={"x-color": other})).status == 200


@pytest.mark.parametrize(
    ("match", "equal", "other"),
    [
        ({"prefix": "shop."}, "https://shop.two.com", "https://www.shop.com"),
        ({"contains": ".shop."}, "https://a.shop.com", "https://a.shops.com"),
        ({"contains": ".SHOP.", "ignoreCase": True}, "https://a.shop.com", "https://a.shops.com"),
    ],
)
async def test_origins(proxy: Proxy, match: Manifest, equal: str, other: str) -> None:
    """Pages of origins that are equal may change something, and no others."""
    await proxy.apply(traffic_policy("route", csrf={"additionalOrigins": [match]}), route(rule("alpha")))
    assert (await proxy.request("/", method="POST", headers={"Origin": equal})).status == 200
    assert (await proxy.request("/", method="POST", headers={"Origin": other})).status == 403


@pytest.mark.parametrize(
    "match", [{"exact": "X-GONE"}, {"prefix": "X-G"}, {"suffix": "-GONE"}, {"contains": "-GON"}, {"regex": "X-G[A-Z]+"}]
)
async def test_names_of_headers(proxy: Proxy, alpha: Upstream, match: Manifest) -> None:
    """Headers of requests and responses are removed whose name is equal without regard to case, and no others."""

    async def answer(_: Seen) -> web.Response:
        return web.json_response({"backend": "alpha"}, headers={"x-gone": "1", "x-here": "1"})

    alpha.answer = answer
    ignoring = match if "regex" in match else {**match, "ignoreCase": True}
    changes = {"removeOnMatch": [ignoring]}
    await proxy.apply(
        traffic_policy("route", headerModifiers={"request": changes, "response": changes}), route(rule("alpha"))
    )
    found = await proxy.request("/", headers={"x-gone": "1", "x-here": "1"})
    [seen] = alpha.seen
    assert [seen.values(name) for name in ("x-gone", "x-here")] == [[], ["1"]]
    assert [found.headers.getall(name, []) for name in ("x-gone", "x-here")] == [[], ["1"]]


@pytest.mark.parametrize(
    ("match", "again", "final"),
    [
        ({"suffix": "please"}, "again please", "please again"),
        ({"contains": "again"}, "once again please", "no more"),
        ({"exact": "no more", "invert": True}, "again", "no more"),
    ],
)
async def test_responses_that_are_tried_again(
    proxy: Proxy, alpha: Upstream, match: Manifest, again: str, final: str
) -> None:
    """Responses whose header is equal are tried again, if the request has an equal header too, and no others."""
    retry = {
        "retriableHeaders": [{"name": "x-say", **match}],
        "requestHeaders": [{"name": "x-say", **match}],
        "backoffBaseInterval": "1ms",
    }
    await proxy.apply(traffic_policy("route", retry=retry), route(rule("alpha")))
    for request, response, tries in ((again, again, 2), (again, final, 1), (final, again, 1)):

        async def answer(_: Seen, said: str = response) -> web.Response:
            return web.json_response({"backend": "alpha"}, headers={"x-say": said})

        alpha.answer = answer
        alpha.seen.clear()
        await proxy.request("/", headers={"x-say": request})
        assert len(alpha.seen) == tries, (request, response)


async def test_a_mirror_in_a_named_namespace(proxy: Proxy, beta: Upstream) -> None:
    """A copy is sent to the backend of the namespace that is named."""
    backend = {"name": "beta", "namespace": "default", "port": 80}
    await proxy.apply(traffic_policy("route", requestMirror={"backendRef": backend}), route(rule("alpha")))
    assert (await proxy.request("/copied")).backend == "alpha"
    [copy] = await beta.saw(1)
    assert copy.path == "/copied"


@pytest.mark.parametrize(
    ("match", "equal", "other"),
    [
        ({"prefix": "Blue"}, "Blues", "a Blue"),
        ({"suffix": "Blue"}, "a Blue", "Blues"),
        ({"contains": "blue", "ignoreCase": True}, "a Blue sky", "a grey sky"),
        ({"regex": "[A-Z][a-z]+"}, "Blue", "Blue sky"),
    ],
)
async def test_headers_of_responses(proxy: Proxy, alpha: Upstream, match: Manifest, equal: str, other: str) -> None:
    """Responses whose header has an equal value are overridden, and no others."""
    override = {"match": {"responseHeaders": [{"name": "x-color", **match}]}, "response": {"statusCode": 418}}
    await proxy.apply(traffic_policy("route", responseOverride=[override]), route(rule("alpha")))
    for said, status in ((equal, 418), (other, 200)):

        async def answer(_: Seen, said: str = said) -> web.Response:
            return web.json_response({"backend": "alpha"}, headers={"x-color": said})

        alpha.answer = answer
        assert (await proxy.request("/")).status == status
