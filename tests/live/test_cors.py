"""Cross-origin requests (Gateway API, `HTTPCORSFilter`; GEP-1767)."""

from __future__ import annotations

import pytest
from aiohttp import web
from multidict import CIMultiDict

from tests.live.cors import preflight, told
from tests.live.objects import Manifest, route, rule, traffic_policy
from tests.live.proxy import Proxy
from tests.live.upstream import Seen, Upstream

FORMS = ("filter", "rule", "route", "listener", "gateway")
"""How a rule can be given a CORS policy: by a filter, or by a TrafficPolicy of a level."""


@pytest.fixture(params=FORMS)
def form(request: pytest.FixtureRequest) -> str:
    """Return each of the forms."""
    return str(request.param)


def shared_by(form: str, *filters: Manifest, **cors: object) -> list[Manifest]:
    """Return a route whose one rule, to a backend or with other filters, has a CORS policy in one of the forms."""
    if form == "filter":
        return [route(rule(*([] if filters else ["alpha"]), filters=[{"type": "CORS", "cors": cors}, *filters]))]
    served = rule(*([] if filters else ["alpha"]), name="named", filters=list(filters))
    return [route(served), traffic_policy(form, cors=cors)]


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
async def test_a_preflight_from_an_allowed_origin(proxy: Proxy, form: str, origin: str) -> None:
    """An allowed origin, by name or by wildcard over any number of labels, is told the whole policy by the gateway."""
    await proxy.apply(shared_by(form, **FULL))
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
async def test_a_foreign_origin_is_not_allowed(proxy: Proxy, form: str, origin: str) -> None:
    """A foreign preflight is answered by the gateway, which allows no origin; a foreign request gets no CORS header."""
    await proxy.apply(shared_by(form, **FULL))
    response = await preflight(proxy, origin)
    assert response.status in (200, 204, 403)
    assert "backend" not in response.body.decode()
    assert "allow-origin" not in told(response)
    actual = await proxy.request("/", headers={"Origin": origin})
    assert (actual.backend, told(actual)) == ("alpha", {})


async def test_an_actual_request_from_an_allowed_origin(proxy: Proxy, form: str) -> None:
    """The answer to the request itself says who may read it, and which headers."""
    await proxy.apply(shared_by(form, **FULL))
    response = await proxy.request("/", headers={"Origin": "https://www.foo.com"})
    assert response.backend == "alpha"
    expected = {
        "allow-origin": "https://www.foo.com",
        "expose-headers": "x-header-3, x-header-4",
        "allow-credentials": "true",
    }
    assert told(response) == expected


async def test_any_origin_without_credentials(proxy: Proxy, form: str) -> None:
    """With `*` every origin is allowed, ports included, and credentials are not mentioned."""
    await proxy.apply(shared_by(form, allowOrigins=["*"], allowMethods=["PUT"], allowCredentials=False))
    for origin in ("https://foobar.com", "https://foobar.com:12345", "http://localhost:3000"):
        response = await preflight(proxy, origin, "PUT", "")
        assert told(response)["allow-origin"] in (origin, "*")
        assert told(response)["allow-methods"] == "PUT"
        assert "allow-credentials" not in told(response)
        assert told(await proxy.request("/", method="PUT", headers={"Origin": origin}))["allow-origin"] in (origin, "*")


async def test_wildcards_without_credentials(proxy: Proxy, form: str) -> None:
    """Without credentials the wildcards for methods and headers stand for themselves or for what was asked."""
    await proxy.apply(shared_by(form, allowOrigins=["https://a.com"], allowMethods=["*"], allowHeaders=["*"]))
    response = told(await preflight(proxy, "https://a.com", "PUT"))
    assert response.pop("allow-methods") in ("*", "PUT")
    assert response.pop("allow-headers") in ("*", "x-header-1, x-header-2")
    assert response == {"allow-origin": "https://a.com", "max-age": "5"}


async def test_wildcards_with_credentials_name_what_was_asked(proxy: Proxy, form: str) -> None:
    """With credentials browsers take `*` for a name: the answer names the origin, method and headers asked for."""
    wild = {"allowOrigins": ["*"], "allowMethods": ["*"], "allowHeaders": ["*"], "exposeHeaders": ["*"]}
    await proxy.apply(shared_by(form, **wild, allowCredentials=True))
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


async def test_the_default_port_of_an_origin_goes_without_saying(proxy: Proxy, form: str) -> None:
    """Browsers leave out the default port and write names in lower case: what is configured otherwise still matches."""
    await proxy.apply(shared_by(form, allowOrigins=["https://Shop.example.com:443", "http://*.example.com:80"]))
    for origin in ("https://shop.example.com", "http://www.example.com"):
        assert told(await preflight(proxy, origin))["allow-origin"] == origin


async def test_an_options_request_that_is_no_preflight_reaches_the_backend(proxy: Proxy, form: str) -> None:
    """OPTIONS without Access-Control-Request-Method is an ordinary request."""
    await proxy.apply(shared_by(form, **FULL))
    response = await proxy.request("/", method="OPTIONS", headers={"Origin": "https://www.foo.com"})
    assert (response.backend, response.echo["method"]) == ("alpha", "OPTIONS")


RESPONSE = {
    "apiVersion": "gateway.headgate.dev/v1alpha1",
    "kind": "DirectResponse",
    "metadata": {"name": "hello"},
    "spec": {"status": 200, "body": "hello"},
}
ANSWERS: list[Manifest] = [
    {"type": "RequestRedirect", "requestRedirect": {"hostname": "b.com"}},
    {
        "type": "ExtensionRef",
        "extensionRef": {"group": "gateway.headgate.dev", "kind": "DirectResponse", "name": "hello"},
    },
]


@pytest.mark.parametrize("answer", ANSWERS, ids=lambda each: each["type"])
async def test_what_the_gateway_answers_itself(proxy: Proxy, form: str, answer: Manifest) -> None:
    """A redirect or a fixed answer is shared as the policy says, and so are its preflights."""
    await proxy.apply(RESPONSE, shared_by(form, answer, **FULL))
    response = await preflight(proxy, "https://www.foo.com")
    assert (response.status, told(response)) == (200, {"allow-origin": "https://www.foo.com", **FULL_ANSWER})
    assert told(await preflight(proxy, "https://evil.com")) == {}
    actual = await proxy.request("/", headers={"Origin": "https://a.bar.com"})
    assert actual.status == (302 if "requestRedirect" in answer else 200)
    assert told(actual) == {
        "allow-origin": "https://a.bar.com",
        "expose-headers": "x-header-3, x-header-4",
        "allow-credentials": "true",
    }
    for origin in ({"Origin": "https://evil.com"}, {}):
        other = await proxy.request("/", headers=origin)
        assert (other.status, told(other), other.headers.getall("vary")) == (actual.status, {}, ["Origin"])


async def test_what_is_not_allowed_is_not_told(proxy: Proxy, form: str) -> None:
    """A foreign origin learns nothing of the policy; a header that would be empty is not there."""
    wild = {"allowOrigins": ["https://a.com"], "allowMethods": ["*"], "allowHeaders": ["*"], "allowCredentials": True}
    await proxy.apply(shared_by(form, **wild))
    foreign = await preflight(proxy, "https://b.com")
    assert not [each for each in foreign.headers if each.lower().startswith("access-control-")]
    response = await preflight(proxy, "https://a.com", headers="")
    assert "access-control-allow-headers" not in response.headers


async def test_caches_keep_answers_apart_by_origin(proxy: Proxy, form: str) -> None:
    """Every answer depends on the origin, and says so, beside what the backend says."""
    await proxy.apply(shared_by(form, **FULL))
    for origin in ({"Origin": "https://www.foo.com"}, {"Origin": "https://b.com"}, {}):
        assert (await proxy.request("/", headers=origin)).headers.getall("vary") == ["Origin"]
    assert (await preflight(proxy, "https://www.foo.com")).headers.getall("vary") == ["Origin"]


async def test_what_a_backend_says_of_origins_does_not_count(proxy: Proxy, form: str, alpha: Upstream) -> None:
    """CORS headers of the backend reach nobody: only the policy says who may read an answer."""
    own = {"Allow-Origin": "*", "Allow-Credentials": "true", "Allow-Methods": "PUT", "Allow-Headers": "x"}
    own |= {"Expose-Headers": "x-secret", "Max-Age": "9"}

    async def answer(_: Seen) -> web.StreamResponse:
        return web.Response(headers={f"Access-Control-{name}": value for name, value in own.items()})

    alpha.answer = answer
    await proxy.apply(shared_by(form, allowOrigins=["https://a.com"], exposeHeaders=["x-a"]))
    for foreign in ({"Origin": "https://b.com"}, {}):
        assert told(await proxy.request("/", headers=foreign)) == {}
    allowed = await proxy.request("/", headers={"Origin": "https://a.com"})
    assert told(allowed) == {"allow-origin": "https://a.com", "expose-headers": "x-a"}


@pytest.mark.parametrize(
    ("own", "expected"),
    [
        (["Origin"], "Origin"),
        (["Accept-Encoding, origin"], "Accept-Encoding,origin"),
        (["Accept-Encoding", "Origin"], "Accept-Encoding,Origin"),
        (["*"], "*"),
        (["Accept-Encoding"], "Accept-Encoding,Origin"),
        (["X-Origin, Origin-X"], "X-Origin,Origin-X,Origin"),
        ([], "Origin"),
    ],
)
async def test_vary_names_the_origin_once(
    proxy: Proxy, form: str, alpha: Upstream, own: list[str], expected: str
) -> None:
    """An answer varies by Origin, which is added where the backend does not say so already."""

    async def answer(_: Seen) -> web.StreamResponse:
        return web.Response(headers=CIMultiDict([("Vary", each) for each in own]))

    alpha.answer = answer
    await proxy.apply(shared_by(form, **FULL))
    for origin in ("https://www.foo.com", "https://b.com"):
        response = await proxy.request("/", headers={"Origin": origin})
        assert ",".join(response.headers.getall("vary")).replace(" ", "") == expected


async def test_no_origin_is_allowed_by_default(proxy: Proxy, form: str) -> None:
    """A policy that names no origins allows none."""
    await proxy.apply(shared_by(form, allowMethods=["GET"]))
    assert told(await preflight(proxy, "https://a.com")) == {}
    assert told(await proxy.request("/", headers={"Origin": "https://a.com"})) == {}
