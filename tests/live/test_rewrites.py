"""URL rewrites (Gateway API, `HTTPURLRewriteFilter` and the table in `HTTPPathModifier`)."""

from __future__ import annotations

import pytest

from tests.live.objects import Manifest, exact, prefix, route, rule
from tests.live.proxy import Proxy


def rewrite(**change: object) -> Manifest:
    """Return a filter that rewrites."""
    return {"type": "URLRewrite", "urlRewrite": change}


def full(path: str) -> Manifest:
    """Replace the whole path."""
    return {"type": "ReplaceFullPath", "replaceFullPath": path}


def instead(path: str) -> Manifest:
    """Replace the prefix that matched."""
    return {"type": "ReplacePrefixMatch", "replacePrefixMatch": path}


PREFIXES = [
    ("/foo/bar", "/foo", "/xyz", "/xyz/bar"),
    ("/foo/bar", "/foo", "/xyz/", "/xyz/bar"),
    ("/foo/bar", "/foo/", "/xyz", "/xyz/bar"),
    ("/foo/bar", "/foo/", "/xyz/", "/xyz/bar"),
    ("/foo", "/foo", "/xyz", "/xyz"),
    ("/foo/", "/foo", "/xyz", "/xyz/"),
    ("/foo/bar", "/foo", "", "/bar"),
    ("/foo/", "/foo", "", "/"),
    ("/foo", "/foo", "", "/"),
    ("/foo/", "/foo", "/", "/"),
    ("/foo", "/foo", "/", "/"),
    # Beyond the specification's table: the root as prefix, deeper paths, and characters that mean something elsewhere.
    ("/", "/", "/xyz", "/xyz/"),
    ("/bar", "/", "/xyz", "/xyz/bar"),
    ("/bar", "/", "/", "/bar"),
    ("/bar", "/", "", "/bar"),
    ("/foo", "/foo/", "/xyz", "/xyz"),
    ("/foo/bar/", "/foo", "/", "/bar/"),
    ("/a.b/c/d", "/a.b", "", "/c/d"),
    ("/a+b/(c)", "/a+b", "/", "/(c)"),
    ("/foo/bar", "/foo", r"/x\1%41", "/x%5C1%41/bar"),
    ("/foo/a%20b", "/foo", "/x", "/x/a%20b"),
    ("/caf%C3%A9/x", "/caf%C3%A9", "/", "/x"),
]


@pytest.mark.parametrize(("path", "matched", "replacement", "expected"), PREFIXES)
async def test_replacing_the_prefix(proxy: Proxy, path: str, matched: str, replacement: str, expected: str) -> None:
    """The elements of the prefix are replaced, the rest and the query stay, and no slash is doubled or lost."""
    await proxy.apply(
        route(rule("alpha", matches=[prefix(matched)], filters=[rewrite(path=instead(replacement))])),
    )
    assert (await proxy.request(path)).path == expected
    assert (await proxy.request(f"{path}?a=/foo&b")).path == f"{expected}?a=/foo&b"


FULL = [
    ("/one/two", "/new", "/new"),
    ("/", "/new/", "/new/"),
    ("/one", "/", "/"),
    ("/one", "", "/"),
    ("/one", r"/\1\\", "/%5C1%5C%5C"),
    ("/one", "/a%20b", "/a%20b"),
]


@pytest.mark.parametrize(("path", "replacement", "expected"), FULL)
async def test_replacing_the_whole_path(proxy: Proxy, path: str, replacement: str, expected: str) -> None:
    """The whole path is replaced by what is written, and the query stays."""
    await proxy.apply(route(rule("alpha", filters=[rewrite(path=full(replacement))])))
    assert (await proxy.request(path)).path == expected
    assert (await proxy.request(f"{path}?a=b")).path == f"{expected}?a=b"


@pytest.mark.parametrize("match", [exact("/one"), {"path": {"type": "RegularExpression", "value": "/o.e"}}], ids=str)
async def test_replacing_the_whole_path_after_other_matches(proxy: Proxy, match: Manifest) -> None:
    """It does not matter how the path was matched."""
    await proxy.apply(route(rule("alpha", matches=[match], filters=[rewrite(path=full("/two"))])))
    assert (await proxy.request("/one?x")).path == "/two?x"


async def test_replacing_the_host(proxy: Proxy) -> None:
    """The backend sees the new Host, with or without a new path; the port of the client's Host goes."""
    await proxy.apply(
        route(
            rule("alpha", matches=[prefix("/host")], filters=[rewrite(hostname="one.example.org")]),
            rule("alpha", matches=[prefix("/both")], filters=[rewrite(hostname="two.example.org", path=instead("/x"))]),
            rule("alpha", matches=[prefix("/path")], filters=[rewrite(path=full("/y"))]),
        )
    )
    found = []
    for path in ("/host/a", "/both/a", "/path/a"):
        response = await proxy.request(path, host="example.com:8080")
        found.append((response.path, *response.sent("host")))
    assert found == [("/host/a", "one.example.org"), ("/x/a", "two.example.org"), ("/y", "example.com:8080")]


async def test_headers_and_path_change_together(proxy: Proxy) -> None:
    """Header modifiers and a rewrite of the same rule both take effect."""
    change = {"set": [{"name": "x-set", "value": "new"}], "remove": ["x-gone"]}
    filters = [rewrite(path=instead("/")), {"type": "RequestHeaderModifier", "requestHeaderModifier": change}]
    await proxy.apply(route(rule("alpha", matches=[prefix("/strip")], filters=filters)))
    response = await proxy.request("/strip/a", headers={"x-set": "old", "x-gone": "1"})
    assert (response.path, response.sent("x-set"), response.sent("x-gone")) == ("/a", ["new"], [])


TEXTS = {
    "/a HTTP/1.1": "/a%20HTTP/1.1",
    "/café": "/caf%C3%A9",
    "/a?b=c#d": "/a%3Fb=c%23d",
    "/100%/%zz/%2f": "/100%25/%25zz/%2f",
    "/a\r\nx-evil: 1": "/a%0D%0Ax-evil:%201",
    "/-._~!$&'()*+,;=:@": "/-._~!$&'()*+,;=:@",
    r"/{x}\0": "/%7Bx%7D%5C0",
}


@pytest.mark.parametrize(("text", "expected"), TEXTS.items())
async def test_what_no_path_can_hold_is_escaped(proxy: Proxy, text: str, expected: str) -> None:
    """Blanks, line breaks and what is not ASCII reach neither backends nor clients as they are, but escaped."""
    redirect = {"type": "RequestRedirect", "requestRedirect": {"hostname": "a.org", "path": full(text)}}
    await proxy.apply(
        route(
            rule("alpha", matches=[prefix("/full")], filters=[rewrite(path=full(text))]),
            rule("alpha", matches=[prefix("/prefix")], filters=[rewrite(path=instead(text))]),
            rule(matches=[prefix("/redirect")], filters=[redirect]),
        ),
    )
    assert (await proxy.request("/full?q=1")).path == f"{expected}?q=1"
    assert (await proxy.request("/prefix/rest")).path == f"{expected}/rest"
    assert (await proxy.request("/redirect?q=1")).headers["location"] == f"http://a.org:{proxy.port}{expected}?q=1"


@pytest.mark.parametrize("rewrite_first", [True, False])
async def test_the_later_of_two_filters_that_set_the_host_counts(proxy: Proxy, rewrite_first: bool) -> None:
    """Filters act in the order given: of a rewrite's hostname and a modified Host header the later one is sent."""
    filters: list[Manifest] = [
        {"type": "URLRewrite", "urlRewrite": {"hostname": "rewrite.example"}},
        {"type": "RequestHeaderModifier", "requestHeaderModifier": {"set": [{"name": "Host", "value": "set.example"}]}},
    ]
    await proxy.apply(route(rule("alpha", filters=filters if rewrite_first else filters[::-1])))
    expected = "set.example" if rewrite_first else "rewrite.example"
    assert (await proxy.request()).sent("host") == [expected]
