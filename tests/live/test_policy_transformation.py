"""Messages that templates change: what kgateway's pages about transformations describe, rewritten."""

from __future__ import annotations

import base64
import json
import re
from pathlib import Path

import yaml

from tests.live.objects import exact, route, rule
from tests.live.proxy import Proxy
from tests.live.transformations import answer, answer_json, to_set, transformation
from tests.live.upstream import Upstream

SLIDES = {
    "slideshow": {
        "author": "Yours Truly",
        "date": "date of publication",
        "slides": [
            {"title": "Wake up to WonderWidgets!", "type": "all"},
            {"items": ["Why <em>WonderWidgets</em> are great"], "title": "Overview", "type": "all"},
        ],
        "title": "Sample Slide Show",
    }
}


async def test_the_status_of_a_response(proxy: Proxy, alpha: Upstream) -> None:
    """The status depends on a header of the response."""
    value = '{% if header("foo") == "bar" %}401{% else %}403{% endif %}'
    await proxy.apply(transformation(response=to_set(_status=value)), route(rule("alpha")))
    for foo, status in (("bar", 401), ("baz", 403)):
        answer(alpha, b"body", foo=foo)
        found = await proxy.request()
        assert (found.status, found.body, found.headers["foo"]) == (status, b"body", foo)


async def test_base64_of_a_header(proxy: Proxy, alpha: Upstream) -> None:
    """A part of a decoded header of the request is a header of the response."""
    value = '{{ substring(base64_decode(request_header("x-base64-encoded")), 11) }}'
    added = {"add": [{"name": "x-base64-decoded", "value": value}]}
    await proxy.apply(transformation(response=added), route(rule("alpha")))
    encoded = base64.b64encode(b"transformation test").decode()
    found = await proxy.request(headers={"x-base64-encoded": encoded})
    assert (found.status, found.headers["x-base64-decoded"]) == (200, "ion test")
    assert "x-base64-decoded" not in (await proxy.request()).headers


async def test_headers_of_responses(proxy: Proxy, alpha: Upstream) -> None:
    """Headers of responses come of those of requests, of fixed texts and of random values."""
    fields = to_set(
        x_gateway_response='{{ request_header("x-gateway-request") }}',
        x_podname='{{ env("POD_NAME") }}',
        x_season="summer",
        x_response_raw='{{ raw_string("hello") }}',
        x_replace='{{ replace_with_random(request_header("baz"), "pattern-to-replace") }}',
    )
    await proxy.apply(transformation(response=fields), route(rule("alpha")))
    headers = {"x-gateway-request": "my custom request header", "baz": "pattern-to-replace"}
    found = await proxy.request(headers=headers)
    assert found.headers["x-gateway-response"] == "my custom request header"
    assert found.headers["x-season"] == "summer"
    assert found.headers["x-response-raw"] == "hello"
    assert re.fullmatch("[A-Za-z0-9+/]{22}", found.headers["x-replace"])
    assert found.headers["x-replace"] != (await proxy.request(headers=headers)).headers["x-replace"]
    assert "x-podname" not in found.headers  # this proxy is in no pod


async def test_the_url_of_a_request(proxy: Proxy, alpha: Upstream) -> None:
    """The backend gets the URL that a client asked for."""
    value = 'https://{{ request_header(":authority") }}{{ request_header(":path") }}'
    added = {"add": [{"name": "x-forwarded-uri", "value": value}]}
    await proxy.apply(transformation(request=added), route(rule("alpha")))
    found = await proxy.request("/get", host="www.example.com:8080")
    assert found.sent("x-forwarded-uri") == ["https://www.example.com:8080/get"]


async def test_path_and_method_of_a_request(proxy: Proxy, alpha: Upstream) -> None:
    """A header changes the path and the method of a request, which keeps its route."""
    fields = to_set(
        _path='{% if request_header("foo") == "bar" %}/post{% else %}{{ header(":path") }}{% endif %}',
        _method='{% if request_header("foo") == "bar" %}POST{% else %}{{ request_header(":method")}}{% endif %}',
    )
    other = rule("beta", matches=[exact("/post")])
    await proxy.apply(transformation(request=fields), route(other, rule("alpha")))
    for headers, method, path in (({"foo": "bar"}, "POST", "/post"), ({}, "GET", "/get")):
        found = await proxy.request("/get", headers=headers)
        assert (found.backend, found.echo["method"], found.path) == ("alpha", method, path)


async def test_the_body_of_a_response(proxy: Proxy, alpha: Upstream) -> None:
    """Fields of a JSON body are those of another one, in the order of the first."""
    value = '{"author": "{{ slideshow.author }}", "title": "{{ slideshow.title }}", "slides": "{{ slideshow.slides }}}'
    await proxy.apply(transformation(response={"body": {"parseAs": "AsJson", "value": value}}), route(rule("alpha")))
    answer_json(alpha, SLIDES)
    found = await proxy.request()
    slides = json.dumps(SLIDES["slideshow"]["slides"], separators=(",", ":"))
    expected = f'{{"author": "Yours Truly", "title": "Sample Slide Show", "slides": "{slides}}}'
    assert (found.status, found.body.decode()) == (200, expected)
    assert found.headers["content-length"] == str(len(expected))


async def test_random_values_in_a_body(proxy: Proxy, alpha: Upstream) -> None:
    """Each place of a pattern in a body gets the same random value."""
    body = {"parseAs": "AsJson", "value": '{{ replace_with_random(body(), "all") }}'}
    await proxy.apply(transformation(response={"body": body}), route(rule("alpha")))
    before = answer_json(alpha, SLIDES).decode()
    found = (await proxy.request()).body.decode()
    (value,) = set(re.findall('"type": "([A-Za-z0-9+/]{22})"', found))
    assert found.replace(value, "all") == before


async def test_the_example_of_the_page(proxy: Proxy, alpha: Upstream) -> None:
    """The example in the documentation gives what is written there, and 422 for an error inside of a response."""
    page = (Path(__file__).parents[2] / "docs" / "policies" / "transformation.md").read_text()
    spec = yaml.safe_load(re.findall("```yaml\n(.*?)```", page, re.DOTALL)[0])["spec"]
    expected = "\n".join(each[4:] for each in re.findall("    \\$ curl .*\n((?:    .*\n)+)", page)[0].splitlines())
    await proxy.apply(transformation(**spec["transformation"]), route(rule("alpha")))
    answer_json(alpha, {"items": [{"name": "Tea"}, {"name": "Cup"}]})
    found = await proxy.request("/orders", headers={"Cookie": "user=me"})
    assert (found.status, found.body.decode()) == (200, expected)
    assert (alpha.seen[0].path, alpha.seen[0].values("x-user")) == ("/v2/orders", ["me"])
    answer_json(alpha, {"error": "none left"})
    assert (await proxy.request()).status == 422
