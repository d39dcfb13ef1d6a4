"""Cross-origin requests (Gateway API, `HTTPCORSFilter`; GEP-1767)."""

from __future__ import annotations

import pytest

from tests.live.objects import Manifest, prefix, route, rule
from tests.live.proxy import Proxy, Response

CORS_HEADERS = ("allow-origin", "allow-methods", "allow-headers", "expose-headers", "max-age", "allow-credentials")


def policy(**cors: object) -> Manifest:
    """A rule with a CORS filter."""
    return rule("alpha", filters=[{"type": "CORS", "cors": cors}])


def told(response: Response) -> dict[str, str]:
    """The CORS headers of a response; names in lists are sorted, as their order means nothing."""
    found = {each: response.headers.get(f"access-control-{each}") for each in CORS_HEADERS}
    return {name: ", ".join(sorted(value.replace(" ", "").split(","))) for name, value in found.items() if value}


async def preflight(
    proxy: Proxy, origin: str, method: str = "GET", headers: str = "x-header-1, x-header-2"
) -> Response:
    """Sends a preflight."""
    asked = {"Origin": origin, "Access-Control-Request-Method": method}
    if headers:
        asked["Access-Control-Request-Headers"] = headers
    return await proxy.request("/", method="OPTIONS", headers=asked)


FULL = {
    "allowOrigins": ["https://www.foo.com", "https://*.bar.com"],
    "allowMethods": ["GET", "OPTIONS"],
    "allowHeaders": ["x-header-1", "x-header-2"],
    "exposeHeaders": ["x-header-3", "x-header-4"],
    "allowCredentials": True,
    "maxAge": 3600,
}
FULL_ANSWER = {
    "allow-methods": "GET, OPTIONS",
    "allow-headers": "x-header-1, x-header-2",
    "expose-headers": "x-header-3, x-header-4",
    "max-age": "3600",
    "allow-credentials": "true",
}


@pytest.mark.parametrize("origin", ["https://www.foo.com", "https://www.bar.com", "https://xpto.www.bar.com"])
async def test_a_preflight_from_an_allowed_origin(proxy: Proxy, origin: str) -> None:
    """An allowed origin, by name or by wildcard over any number of labels, is told the whole policy by the gateway."""
    await proxy.apply(route(policy(**FULL)))
    response = await preflight(proxy, origin)
    assert (response.status, response.body) == (200, b"")
    assert told(response) == {"allow-origin": origin, **FULL_ANSWER}


FOREIGN = [
    "https://foobar.com",
    "http://www.foo.com",
    "https://www.foo.com:8443",
    "https://bar.com",
    "https://www.bar.com.evil.org",
    "https://evil.org/.bar.com",
    "https://wwwxbar.com",
    "null",
]


@pytest.mark.parametrize("origin", FOREIGN)
async def test_a_foreign_origin_is_not_allowed(proxy: Proxy, origin: str) -> None:
    """A foreign preflight is answered by the gateway, which allows no origin; a foreign request gets no CORS header."""
    await proxy.apply(route(policy(**FULL)))
    response = await preflight(proxy, origin)
    assert response.status in (200, 204, 403)
    assert "backend" not in response.body.decode()
    assert "allow-origin" not in told(response)
    actual = await proxy.request("/", headers={"Origin": origin})
    assert (actual.backend, told(actual)) == ("alpha", {})


async def test_an_actual_request_from_an_allowed_origin(proxy: Proxy) -> None:
    """The answer to the request itself says who may read it, and which headers."""
    await proxy.apply(route(policy(**FULL)))
    response = await proxy.request("/", headers={"Origin": "https://www.foo.com"})
    assert response.backend == "alpha"
    expected = {
        "allow-origin": "https://www.foo.com",
        "expose-headers": "x-header-3, x-header-4",
        "allow-credentials": "true",
    }
    assert told(response) == expected


async def test_any_origin_without_credentials(proxy: Proxy) -> None:
    """With `*` every origin is allowed, ports included, and credentials are not mentioned."""
    await proxy.apply(route(policy(allowOrigins=["*"], allowMethods=["PUT"], allowCredentials=False)))
    for origin in ("https://foobar.com", "https://foobar.com:12345", "http://localhost:3000"):
        response = await preflight(proxy, origin, "PUT", "")
        assert told(response)["allow-origin"] in (origin, "*")
        assert told(response)["allow-methods"] == "PUT"
        assert "allow-credentials" not in told(response)
        assert told(await proxy.request("/", method="PUT", headers={"Origin": origin}))["allow-origin"] in (origin, "*")


async def test_wildcards_without_credentials(proxy: Proxy) -> None:
    """Without credentials the wildcards for methods and headers stand for themselves or for what was asked."""
    await proxy.apply(route(policy(allowOrigins=["https://a.com"], allowMethods=["*"], allowHeaders=["*"])))
    response = told(await preflight(proxy, "https://a.com", "PUT"))
    assert response.pop("allow-methods") in ("*", "PUT")
    assert response.pop("allow-headers") in ("*", "x-header-1, x-header-2")
    assert response == {"allow-origin": "https://a.com", "max-age": "5"}


async def test_wildcards_with_credentials_name_what_was_asked(proxy: Proxy) -> None:
    """With credentials browsers take `*` for a name: the answer names the origin, method and headers asked for."""
    wild = {"allowOrigins": ["*"], "allowMethods": ["*"], "allowHeaders": ["*"], "exposeHeaders": ["*"]}
    await proxy.apply(route(policy(**wild, allowCredentials=True)))
    assert told(await preflight(proxy, "https://a.com", "PUT")) == {
        "allow-origin": "https://a.com",
        "allow-methods": "PUT",
        "allow-headers": "x-header-1, x-header-2",
        "allow-credentials": "true",
        "max-age": "5",
    }
    assert "allow-headers" not in told(await preflight(proxy, "https://a.com", "PUT", ""))
    actual = told(await proxy.request("/", headers={"Origin": "https://a.com"}))
    assert actual == {"allow-origin": "https://a.com", "allow-credentials": "true"}


async def test_the_default_port_of_an_origin_goes_without_saying(proxy: Proxy) -> None:
    """Browsers leave out the default port and write names in lower case: what is configured otherwise still matches."""
    await proxy.apply(route(policy(allowOrigins=["https://Shop.example.com:443", "http://*.example.com:80"])))
    for origin in ("https://shop.example.com", "http://www.example.com"):
        assert told(await preflight(proxy, origin))["allow-origin"] == origin


async def test_an_options_request_that_is_no_preflight_reaches_the_backend(proxy: Proxy) -> None:
    """OPTIONS without Access-Control-Request-Method is an ordinary request."""
    await proxy.apply(route(policy(**FULL)))
    response = await proxy.request("/", method="OPTIONS", headers={"Origin": "https://www.foo.com"})
    assert (response.backend, response.echo["method"]) == ("alpha", "OPTIONS")


async def test_cors_on_what_the_gateway_answers_itself_is_refused(proxy: Proxy) -> None:
    """A rule with CORS and a redirect cannot be served as asked: it says so and answers 500, and its siblings go on."""
    redirect = {"type": "RequestRedirect", "requestRedirect": {"hostname": "b.com"}}
    cors = {"type": "CORS", "cors": {"allowOrigins": ["https://a.com"]}}
    await proxy.apply(
        route(rule(filters=[cors, redirect], matches=[prefix("/bad")]), rule("alpha", matches=[prefix("/good")]))
    )
    assert (await proxy.request("/bad", headers={"Origin": "https://a.com"})).status == 500
    assert (await proxy.request("/good")).backend == "alpha"
    [parent] = proxy.status("HTTPRoute", "route")["parents"]
    assert [each["message"] for each in parent["conditions"] if each["type"] == "PartiallyInvalid"] == [
        "Dropped Rule: spec.rules[0].filters[0]: CORS does not act on what RequestRedirect answers; remove one of them."
    ]
