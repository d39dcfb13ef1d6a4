"""Headers, paths and statuses that templates make, what they must not become, and where policies apply."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import pytest

from tests.live.access_logs import logs, text_log
from tests.live.objects import Manifest, endpoints, exact, route, rule, service, traffic_policy
from tests.live.proxy import Proxy, free_port
from tests.live.raw_requests import exchange, request, status_of
from tests.live.test_access_log import NAMED
from tests.live.transformations import answer, new_body, to_set, transformation
from tests.live.upstream import Upstream


async def test_the_order_of_changes(proxy: Proxy, alpha: Upstream) -> None:
    """Templates see the message as it came; headers are removed, then set, then added."""
    fields = {
        "remove": ["x-a", "X-B", "x-gone"],
        "set": [{"name": "x-b", "value": "{{ header('x-a') }}+{{ header('x-b') }}"}, {"name": "x-c"}],
        "add": [{"name": "x-b", "value": "{{ header('x-c') }}"}, {"name": "x-d", "value": "{{ header('x-none') }}"}],
    }
    await proxy.apply(transformation(request=fields), route(rule("alpha")))
    headers = [("x-a", "1"), ("x-b", "2"), ("x-b", "3"), ("x-c", "4"), ("x-gone", "5")]
    found = await proxy.request(headers=headers)
    assert {name: found.sent(name) for name in ("x-a", "x-b", "x-c", "x-d", "x-gone")} == {
        "x-a": [],
        "x-b": ["1+2,3", "4"],
        "x-c": [],
        "x-d": [],
        "x-gone": [],
    }


async def test_conditions_on_headers(proxy: Proxy, alpha: Upstream) -> None:
    """What kgateway's own tests ask for: names in any case, missing headers, lengths, white space and the status."""
    request_fields = to_set(
        x_foo_bar='foolen_{{header("content-length")}}',
        x_space_test=" foobar ",
        x_client='{% if substring(request_header("User-Agent"), 0, 4) == "curl" %}text{% endif %}',
        x_empty="",
    )
    value = '{%- if request_header("x-aDd-bar") != "" -%}supersuper{{request_header("x-add-baR")}}{% else %}notsuper'
    value += "{% endif %}"
    response = to_set(x_foo_response=value, x_foo_response_status='{{header(":StaTus")}}')
    await proxy.apply(transformation(request=request_fields, response=response), route(rule("alpha")))
    headers = {"User-Agent": "curl/8", "x-empty": "not empty", "x-add-bar": "super"}
    found = await proxy.request(method="POST", body=b"hello", headers=headers)
    names = ("x-foo-bar", "x-space-test", "x-client", "x-empty")
    assert [found.sent(each) for each in names] == [["foolen_5"], ["foobar"], ["text"], []]
    assert (found.headers["x-foo-response"], found.headers["x-foo-response-status"]) == ("supersupersuper", "200")
    found = await proxy.request(headers={"User-Agent": "other"})
    assert (found.headers["x-foo-response"], found.sent("x-client")) == ("notsuper", [])


async def test_no_injection(proxy: Proxy, alpha: Upstream) -> None:
    """Whatever a value is made of, it stays one line of one header."""
    value = "a{{ base64_decode(request_header('x-a')) }}b"
    await proxy.apply(transformation(request=to_set(x_b=value), response=to_set(x_b=value)), route(rule("alpha")))
    encoded = (
        "DQp4LWV2aWw6IDENCg0KR0VUIC9ldmlsIEhUVFAvMS4xDQoNCgA="  # "\r\nx-evil: 1\r\n\r\nGET /evil HTTP/1.1\r\n\r\n\x00"
    )
    answer(alpha, b"body")
    found = await proxy.request(headers={"x-a": encoded})
    expected = "a  x-evil: 1    GET /evil HTTP/1.1     b"
    assert (found.body, found.headers["x-b"], found.headers.get("x-evil")) == (b"body", expected, None)
    assert [each.path for each in alpha.seen] == ["/"]
    assert (alpha.seen[0].values("x-b"), alpha.seen[0].values("x-evil")) == ([expected], [])


BAD_PATHS = [
    "x",
    "/a b",
    "/a\n",
    "/a#b",
    "/é",
    "/a/../b",
    "/a/%2e%2E/b",
    "/a/./b",
    "/a/..",
    "/a%2f..%2fb",
    "/a\\..\\b",
    "/a/..;/b",
    "/a/..%3bx/b",
]


@pytest.mark.parametrize("path", [*BAD_PATHS, "/good", "/a..b/.c/..d?../x"])
async def test_paths(proxy: Proxy, alpha: Upstream, path: str) -> None:
    """A path is one that clients could have asked for: it leads out of no folder, and has no characters of lines."""
    await proxy.apply(transformation(request=to_set(_path="{{ base64_decode(header('x-a')) }}")), route(rule("alpha")))
    found = await proxy.request(headers={"x-a": base64.b64encode(path.encode()).decode()})
    if path in BAD_PATHS and path.strip() != "/a":
        assert (found.status, alpha.seen) == (500, [])
    else:
        assert found.path == path.strip()


@pytest.mark.parametrize(
    ("name", "value", "good"),
    [
        ("_authority", "other.com:8080", True),
        ("_authority", "a b", False),
        ("_authority", "a/b", False),
        ("_authority", "a@b", False),
        ("_method", "PUT", True),
        ("_method", "CONNECT", False),
        ("_method", "PUT /", False),
        ("_method", "", True),
    ],
)
async def test_pseudo_headers(proxy: Proxy, alpha: Upstream, name: str, value: str, good: bool) -> None:
    """A pseudo header gets a value that it can have, or the request 500; one that gets nothing stays."""
    await proxy.apply(transformation(request=to_set(**{name: value})), route(rule("alpha")))
    found = await proxy.request()
    assert found.status == (200 if good else 500)
    if good:
        assert (found.echo["method"], found.sent("host")) == (
            ("GET", ["other.com:8080"]) if name == "_authority" else (value or "GET", ["example.com"])
        )


@pytest.mark.parametrize(
    ("value", "status"), [("418", 418), ("", 200), ("99", 500), ("101", 500), ("600", 500), ("x", 500)]
)
async def test_statuses(proxy: Proxy, alpha: Upstream, value: str, status: int) -> None:
    """The status is one of a final response."""
    await proxy.apply(transformation(response=to_set(_status=value)), route(rule("alpha")))
    assert (await proxy.request()).status == status


async def test_values_that_are_too_long(proxy: Proxy, alpha: Upstream) -> None:
    """The value of a header has 16 KiB at most."""
    fields = {**to_set(x_a="{{ body() }}"), "body": {"parseAs": "AsString"}}
    await proxy.apply(transformation(response=fields), route(rule("alpha")))
    for length, status in ((16384, 200), (16385, 500)):
        answer(alpha, b"x" * length)
        assert status_of(await exchange(proxy.port, request("Connection: close"))) == status


async def test_parts_of_requests(proxy: Proxy, alpha: Upstream) -> None:
    """Templates of requests and responses know path, query, host, cookies and method of the request as it came."""
    parts = ("path()", "query('q')", "host()", "method()", "get_cookie('c')", "request_header('X-A')")
    calls = (*parts, "route_name()", "now() > 1700000000")
    fields = to_set(x_made=" ".join(f"{{{{ {each} }}}}" for each in calls))
    changed = {"set": [*fields["set"], *to_set(_path="/other", x_a="other", cookie="c=other")["set"]]}
    rules = rule("alpha", name="named")
    await proxy.apply(transformation(request=changed, response=fields), route(rules))
    found = await proxy.request("/p?q=a%20b", headers={"cookie": "b=1; c=2", "x-a": "3"})
    assert found.sent("x-made") == [found.headers["x-made"]] == [f"/p a b example.com GET 2 3 {NAMED} true"]
    assert (found.path, found.sent("x-a")) == ("/other", ["other"])


async def test_dynamic_metadata(proxy: Proxy, alpha: Upstream) -> None:
    """Values written into dynamic metadata are there for responses and access logs, and so is why templates failed."""
    written = {"namespace": "my.team", "key": "user", "value": {"stringValue": "{{ header('x-user') }}"}}
    read = to_set(
        x_user="{{ dynamic_metadata('user', 'my.team') }}",
        x_none="[{{ dynamic_metadata('a', 'b') }}]",
        x_fails="{{ 1 + header('x-text') if header('x-text') else '' }}",
    )
    text = "%DYNAMIC_METADATA(my.team:user)% %DYNAMIC_METADATA(headgate.transformation:error)%"
    policy = transformation(request={"dynamicMetadata": [written]}, response=read)
    await proxy.apply(policy, logs(text_log(text)), route(rule("alpha")))
    proxy.access_log.skip()
    found = await proxy.request(headers={"x-user": "é"})
    assert (found.headers["x-user"], found.headers["x-none"]) == ("é", "[]")
    answer(alpha, x_text="secret")
    assert (await proxy.request(headers={"x-user": "me"})).status == 500
    assert await proxy.access_log.texts(2) == ["é -", "me transformation: a value is no number"]


async def test_responses_of_the_proxy(proxy: Proxy) -> None:
    """Templates change responses that the proxy gives itself, such as redirects, and 503 for a backend that is down."""
    redirect = {"type": "RequestRedirect", "requestRedirect": {"hostname": "other.com"}}
    rules = [rule(filters=[redirect], matches=[exact("/redirect")]), rule("down")]
    fields = {**to_set(x_a="{{ header(':status') }} {{ path() }}"), **new_body("sorry")}
    down = [service("down"), *endpoints("down", [free_port()])]
    await proxy.apply(transformation(response=fields), route(*rules), down)
    for path, status in (("/redirect", 302), ("/", 503)):
        found = await proxy.request(path)
        assert (found.status, found.headers["x-a"], found.body) == (status, f"{status} {path}", b"sorry")


async def test_responses_before_the_templates(proxy: Proxy) -> None:
    """A response of a filter before keeps its body: whether its request was HEAD is not known; its headers change."""
    acl = {"defaultAction": "Deny"}
    fields = {**to_set(x_a="[{{ path() }}]"), **new_body("sorry")}
    await proxy.apply(traffic_policy("route", acl=acl, transformation={"response": fields}), route(rule("alpha")))
    found = await proxy.request()
    assert (found.status, found.headers["x-a"], found.body == b"sorry") == (403, "[]", False)


def failing(level: str, name: str, value: str) -> Manifest:
    """Return a policy with a template."""
    return transformation(level, name, request=to_set(x_a=value))


async def test_a_wrong_template_closes(proxy: Proxy, alpha: Upstream) -> None:
    """Routes of a policy with a wrong template answer 500, and its status says where; a rule without it is served."""
    named = rule("alpha", name="named", matches=[exact("/open")])
    await proxy.apply(failing("gateway", "wide", "a\n{% include 'b' %}"), route(named, rule("alpha")))
    found = await proxy.request()
    assert (found.status, alpha.seen) == (500, [])
    (ancestor,) = proxy.status("TrafficPolicy", "wide")["ancestors"]
    (accepted,) = (each for each in ancestor["conditions"] if each["type"] == "Accepted")
    assert "spec.transformation.request.set[x-a].value: line 2: 'include' is not supported" in accepted["message"]
    await proxy.apply(transformation("rule", "near", disable={}))
    assert (await proxy.request("/open")).status == 200
    assert (await proxy.request()).status == 500


async def test_merging(proxy: Proxy, alpha: Upstream) -> None:
    """Headers are merged by their names; a body comes whole from the most specific policy."""
    wide = {
        "set": [{"name": "x-a", "value": "wide"}, {"name": "x-b", "value": "wide"}],
        **new_body("wide", maxBytes=10),
    }
    near = {"set": [{"name": "x-b", "value": "near"}], "add": [{"name": "x-c", "value": "near"}], **new_body("near")}
    await proxy.apply(
        transformation("gateway", "wide", request=wide),
        transformation("rule", "near", request=near),
        route(rule("alpha", name="named", matches=[exact("/near")]), rule("alpha")),
    )
    for path, b, c, status in (("/near", ["near"], ["near"], 200), ("/", ["wide"], [], 413)):
        assert (await proxy.request(path, method="POST", body=b"x" * 11)).status == status
        found = await proxy.request(path, method="POST", body=b"x")
        assert (found.sent("x-a"), found.sent("x-b"), found.sent("x-c")) == (["wide"], b, c)
        assert alpha.seen[-1].body == path.strip("/").encode() or b"wide"


async def test_backends(proxy: Proxy) -> None:
    """A filter of a backendRef names the policy of its share of the requests."""
    reference = {"group": "gateway.headgate.dev", "kind": "TrafficPolicy", "name": "own"}
    own: dict[str, Any] = transformation(name="own", request=to_set(x_a="own"))
    own["spec"].pop("targetRefs")
    own["spec"]["targetSelectors"] = [
        {"group": "gateway.networking.k8s.io", "kind": "HTTPRoute", "matchLabels": {"a": "b"}}
    ]
    filters = [{"type": "ExtensionRef", "extensionRef": reference}]
    await proxy.apply(own, route(rule({"name": "alpha", "filters": filters}, "beta")))
    seen = set()
    for _ in range(40):
        found = await proxy.request()
        seen.add((found.backend, *found.sent("x-a")))
    assert seen == {("alpha", "own"), ("beta",)}


async def test_names_and_values_that_are_no_text(proxy: Proxy, alpha: Upstream) -> None:
    """Names that requests choose may be none, and values that are no UTF-8 are text where they become metadata."""
    written = {"namespace": "team", "key": "user", "value": {"stringValue": "{{ header('x-user') }}"}}
    request_fields = {**to_set(x_asked="[{{ header(query('name')) }}]"), "dynamicMetadata": [written]}
    response = to_set(x_kept="{{ request_header('x-user') }}{{ dynamic_metadata('user', 'team') }}")
    await proxy.apply(transformation(request=request_fields, response=response), route(rule("alpha")))
    for name, value in (
        ("x-user", "a"),
        ("x%0d%0a", ""),
        ("%00", ""),
        ("%ff", ""),
        (":path", "/?name=:path"),
        (":", ""),
    ):
        found = await proxy.request(f"/?name={name}", headers={"x-user": "a"})
        assert found.sent("x-asked") == [f"[{value}]"]
    wire = "GET / HTTP/1.1\r\nHost: example.com\r\nConnection: close\r\nx-user: a\xff\r\n\r\n"
    assert "x-kept: a\xef\xbf\xbda\xef\xbf\xbd" in await exchange(proxy.port, wire.encode("latin-1"))


async def test_many_requests_at_once(proxy: Proxy, alpha: Upstream) -> None:
    """Requests whose bodies come at different times do not see each other's values."""
    fields = {**to_set(x_a="{{ body() }}{{ header('x-number') }}"), "body": {"value": "{{ body() }}{{ query('n') }}"}}
    response = {**to_set(x_b="{{ request_header('x-number') }}"), **new_body("{{ backend }}{{ path() }}", "AsJson")}
    await proxy.apply(transformation(request=fields, response=response), route(rule("alpha")))

    async def one(number: int) -> None:
        async def pieces() -> AsyncIterator[bytes]:
            for each in f"{number}.":
                yield each.encode()
                await asyncio.sleep(0)

        async with aiohttp.ClientSession() as http:
            url = f"http://127.0.0.1:{proxy.port}/p{number}?n={number}"
            headers = {"Host": "example.com", "x-number": f"{number}"}
            async with http.post(url, data=pieces(), headers=headers) as found:
                assert (found.headers["x-b"], await found.text()) == (f"{number}", f"alpha/p{number}")

    await asyncio.gather(*map(one, range(60)))
    assert sorted((*each.values("x-a"), each.body.decode()) for each in alpha.seen) == sorted(
        (f"{each}.{each}", f"{each}.{each}") for each in range(60)
    )
