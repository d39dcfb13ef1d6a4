"""Headers changed on the way to the backend and back (Gateway API, `HTTPHeaderFilter`)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from aiohttp import web
from multidict import CIMultiDict

from tests.live.objects import Manifest, prefix, route, rule
from tests.live.proxy import Proxy
from tests.live.upstream import Seen, Upstream


def pairs(**headers: str) -> list[Manifest]:
    """Headers as the API writes them; an underscore stands for a hyphen."""
    return [{"name": name.replace("_", "-"), "value": value} for name, value in headers.items()]


def on_request(**change: Any) -> Manifest:
    """Return a filter that changes the request's headers."""
    return {"type": "RequestHeaderModifier", "requestHeaderModifier": change}


def on_response(**change: Any) -> Manifest:
    """Return a filter that changes the response's headers."""
    return {"type": "ResponseHeaderModifier", "responseHeaderModifier": change}


async def test_request_headers_are_set_added_and_removed(proxy: Proxy) -> None:
    """`set` overwrites all values, `add` comes behind those that are there, `remove` takes a header in any case."""
    change = {"set": pairs(X_Set="new"), "add": pairs(X_Add="b,c", X_Fresh="d"), "remove": ["X-Gone", "x-absent"]}
    await proxy.apply(route(rule("alpha", filters=[on_request(**change)])))
    sent = [("x-set", "old"), ("x-set", "older"), ("x-add", "a"), ("x-gone", "1"), ("x-gone", "2"), ("x-kept", "e, f")]
    response = await proxy.request(headers=sent)
    found = {name: ",".join(response.sent(name)) for name in ("x-set", "x-add", "x-fresh", "x-gone", "x-kept")}
    assert found == {"x-set": "new", "x-add": "a,b,c", "x-fresh": "d", "x-gone": "", "x-kept": "e, f"}


async def test_response_headers_are_set_added_and_removed(proxy: Proxy, alpha: Upstream) -> None:
    """The same on the way back; several values of a header stay several."""

    async def answer(_: Seen) -> web.Response:
        old = [("x-set", "old"), ("x-add", "a"), ("x-gone", "1"), ("set-cookie", "a=1"), ("set-cookie", "b=2")]
        return web.Response(headers=CIMultiDict(old))

    alpha.answer = answer
    change = {"set": pairs(X_Set="new"), "add": pairs(X_Add="b", Set_Cookie="c=3"), "remove": ["X-Gone"]}
    await proxy.apply(route(rule("alpha", filters=[on_response(**change)])))
    found = (await proxy.request()).headers
    assert (found.getall("x-set"), found.getall("x-add"), found.getall("x-gone", [])) == (["new"], ["a", "b"], [])
    assert found.getall("set-cookie") == ["a=1", "b=2", "c=3"]


VALUES = ["100%", "%REQ(:path)%", "%%", "%DOWNSTREAM_REMOTE_ADDRESS%", "a, b;q=0.1", '"quoted" \\ back', "{x}", "a\tb"]
VALUES += ["two  blanks", "café", "!" * 4096]


@pytest.mark.parametrize("value", VALUES)
async def test_values_are_meant_as_they_are_written(proxy: Proxy, value: str) -> None:
    """Nothing in a value has a meaning for the proxy, in neither direction."""
    filters = [on_request(set=pairs(X_Literal=value)), on_response(set=pairs(X_Literal=value))]
    await proxy.apply(route(rule("alpha", filters=filters)))
    response = await proxy.request()
    assert response.sent("x-literal") == [value.encode().decode("latin-1")]
    assert response.headers["x-literal"] == value


async def test_blanks_at_the_ends_are_no_part_of_a_value(proxy: Proxy) -> None:
    """They are left out, since no header has them (RFC 9110, section 5.5)."""
    filters = [on_request(set=pairs(X_Literal=" \ta b ")), on_response(set=pairs(X_Literal="  "))]
    await proxy.apply(route(rule("alpha", filters=filters)))
    response = await proxy.request()
    assert (response.sent("x-literal"), response.headers["x-literal"]) == (["a b"], "")


async def test_the_host_header_can_be_set(proxy: Proxy) -> None:
    """Setting `Host`, in any case, changes the Host that the backend sees."""
    await proxy.apply(
        route(
            rule("alpha", filters=[on_request(set=pairs(Host="internal.example.org"))], matches=[prefix("/a")]),
            rule("alpha", filters=[on_request(set=pairs(host="other.example.org:8080"))], matches=[prefix("/b")]),
        )
    )
    assert (await proxy.request("/a")).sent("host") == ["internal.example.org"]
    assert (await proxy.request("/b")).sent("host") == ["other.example.org:8080"]


async def test_headers_of_one_backend_only(proxy: Proxy) -> None:
    """A filter of a backend acts on the requests that go there, after those of the rule, and on their responses."""
    change = {"set": pairs(X_Set="beta", Host="beta.internal"), "add": pairs(X_Add="beta"), "remove": ["x-gone"]}
    special = {"name": "beta", "filters": [on_request(**change), on_response(set=pairs(X_Set="beta"))]}
    every = {"set": pairs(X_Set="rule", X_Gone="rule", Host="rule.internal"), "add": pairs(X_Add="rule", X_Rule="rule")}
    await proxy.apply(
        route(rule("alpha", special, filters=[on_request(**every), on_response(add=pairs(X_Set="rule", X_Add="rule"))]))
    )
    seen: dict[str, Any] = {}
    while len(seen) < 2:
        response = await proxy.request()
        names = ("x-set", "x-gone", "x-add", "x-rule", "host")
        back = [response.headers.getall(each, []) for each in ("x-set", "x-add")]
        seen[response.backend] = [",".join(response.sent(name)) for name in names], back
    assert seen == {
        "alpha": (["rule", "rule", "rule", "rule", "rule.internal"], [["rule"], ["rule"]]),
        "beta": (["beta", "", "rule,beta", "rule", "beta.internal"], [["beta"], ["rule"]]),
    }


async def test_headers_of_the_only_backend(proxy: Proxy) -> None:
    """A filter of a backend works where there is no other backend, too."""
    await proxy.apply(route(rule({"name": "beta", "filters": [on_request(set=pairs(X_Which="beta"))]})))
    assert (await proxy.request()).sent("x-which") == ["beta"]


async def test_the_server_header_is_the_backends(proxy: Proxy, alpha: Upstream) -> None:
    """The gateway passes the backend's `Server` on, unless a filter sets or removes it."""

    async def answer(_: Seen) -> web.Response:
        return web.Response(headers={"server": "backend/1"})

    alpha.answer = answer
    await proxy.apply(
        route(
            rule("alpha", matches=[prefix("/kept")]),
            rule("alpha", matches=[prefix("/set")], filters=[on_response(set=pairs(Server="mine"))]),
            rule("alpha", matches=[prefix("/gone")], filters=[on_response(remove=["Server"])]),
        )
    )
    found = [(await proxy.request(path)).headers.get("server") for path in ("/kept", "/set", "/gone")]
    assert found == ["backend/1", "mine", None]


async def test_what_a_redirect_answers_can_have_headers_too(proxy: Proxy) -> None:
    """Response headers are set on the gateway's own answers as well."""
    redirect = {"type": "RequestRedirect", "requestRedirect": {"statusCode": 301, "hostname": "other.org"}}
    await proxy.apply(route(rule(filters=[redirect, on_response(set=pairs(X_Why="moved"))])))
    response = await proxy.request()
    assert (response.status, response.headers["x-why"]) == (301, "moved")


FORBIDDEN: list[Manifest] = [
    {"remove": [":path"]},
    {"remove": ["Host"]},
    {"remove": [""]},
    {"remove": ["a b"]},
    {"add": pairs(Host="x")},
    {"set": pairs(Content_Length="5")},
    {"add": pairs(content_length="5")},
    {"remove": ["Content-Length"]},
    {"set": pairs(Transfer_Encoding="identity")},
    {"add": pairs(TRANSFER_ENCODING="chunked")},
    {"remove": ["transfer-encoding"]},
    {"set": pairs(Connection="close, x-secret")},
    {"set": pairs(Upgrade="h2c")},
    {"set": pairs(X="a\r\nX-Evil: 1")},
    {"add": pairs(X="a\x00b")},
    {"add": pairs(X="\x7f")},
]


@pytest.mark.parametrize("direction", [on_request, on_response])
@pytest.mark.parametrize("change", FORBIDDEN, ids=ascii)
async def test_a_change_that_cannot_be_made_breaks_its_rule_only(
    proxy: Proxy, change: Manifest, direction: Callable[..., Manifest]
) -> None:
    """A header or value that no proxy may set, add or remove costs the rule that asks for it, and nothing else.

    That is so for what frames a message too: with it, one message could be taken for two.
    """
    await proxy.apply(
        route(
            rule("alpha", matches=[prefix("/bad")], filters=[direction(**change)]),
            rule("alpha", matches=[prefix("/good")]),
        )
    )
    assert (await proxy.request("/bad")).status == 500
    assert (await proxy.request("/good")).backend == "alpha"
    [parent] = proxy.status("HTTPRoute", "route")["parents"]
    assert "PartiallyInvalid" in [each["type"] for each in parent["conditions"]]
