"""Matching of CORS preflights to rules (Gateway API, `HTTPCORSFilter`; Fetch, section 3.2.2)."""

from __future__ import annotations

import pytest

from tests.live.cors import preflight, told
from tests.live.objects import Manifest, exact, prefix, route, rule
from tests.live.proxy import Proxy


def regex(path: str, **match: object) -> Manifest:
    """Return a match of a path by a regular expression, and of what else is given."""
    return {"path": {"type": "RegularExpression", "value": path}, **match}


def restricted(origin: str, *matches: Manifest, backend: str = "alpha") -> Manifest:
    """Return a rule for some matches, with the pages of one origin allowed."""
    return rule(backend, matches=list(matches), filters=[{"type": "CORS", "cors": {"allowOrigins": [origin]}}])


async def test_a_preflight_belongs_to_the_rule_of_the_request_to_come(proxy: Proxy) -> None:
    """Rules for methods answer the preflights for them; those that are for no such rule go where OPTIONS goes."""
    await proxy.apply(
        route(
            rule("beta", matches=[prefix("/", method="OPTIONS")]),
            restricted("https://any.com", prefix("/any")),
            restricted("https://get.com", prefix("/", method="GET"), prefix("/any", method="GET")),
            restricted("https://post.com", prefix("/", method="POST")),
            rule("gamma"),
        )
    )
    for path, method, origin in (
        ("/", "GET", "https://get.com"),
        ("/", "POST", "https://post.com"),
        ("/any", "GET", "https://get.com"),
        ("/any", "PUT", "https://any.com"),
    ):
        asked = {"Origin": origin, "Access-Control-Request-Method": method}
        response = await proxy.request(path, method="OPTIONS", headers=asked)
        assert (response.status, response.body, told(response)["allow-origin"]) == (200, b"", origin)
        for foreign in {"https://any.com", "https://get.com", "https://post.com"} - {origin}:
            assert "allow-origin" not in told(
                await proxy.request(path, method="OPTIONS", headers={**asked, "Origin": foreign})
            )
    assert (await preflight(proxy, "https://get.com", "DELETE")).backend == "beta"
    assert (await proxy.request("/", method="OPTIONS", headers={"Origin": "https://get.com"})).backend == "beta"


async def test_the_preflight_of_a_request_with_a_header_announces_it(proxy: Proxy) -> None:
    """A rule that matches a header answers the preflights that name it; what browsers send unannounced need not be."""
    tenant = {"headers": [{"name": "X-Tenant", "value": "a"}]}
    cookie = {"headers": [{"name": "Cookie", "value": "a=b"}]}
    await proxy.apply(
        route(
            restricted("https://tenant.com", prefix("/", **tenant)),
            restricted("https://cookie.com", prefix("/cookie", **cookie)),
            rule("gamma"),
        )
    )
    for headers in ("x-tenant", "x-other,x-tenant", "x-tenant, x-other"):
        assert told(await preflight(proxy, "https://tenant.com", headers=headers))["allow-origin"]
    for headers in ("", "x-tenants", "not-x-tenant"):
        assert (await preflight(proxy, "https://tenant.com", headers=headers)).backend == "gamma"
    asked = {"Origin": "https://cookie.com", "Access-Control-Request-Method": "GET"}
    assert told(await proxy.request("/cookie", method="OPTIONS", headers=asked))["allow-origin"]


OPEN: Manifest = {"filters": [{"type": "CORS", "cors": {"allowOrigins": ["*"], "allowMethods": ["*"]}}]}
"""A rule's policy that allows every page."""
A = "https://a.com"


async def asked(proxy: Proxy, path: str, method: str, headers: str = "", host: str = "") -> str:
    """Return the answer to a preflight: `allowed`, or the backend that it was forwarded to, or else the status."""
    sent = {"Origin": A, "Access-Control-Request-Method": method}
    sent |= {"Access-Control-Request-Headers": headers} if headers else {}
    sent |= {"Host": host} if host else {}
    response = await proxy.request(path, method="OPTIONS", headers=sent)
    if told(response):
        assert (response.status, response.body) == (200, b"")
        return "allowed"
    if response.status != 200 or not response.body:
        return str(response.status)
    assert response.echo["method"] == "OPTIONS"
    return response.backend


@pytest.mark.parametrize("first", [True, False], ids=["first", "last"])
@pytest.mark.parametrize(
    ("match", "belongs", "others"),
    [
        (prefix("/x", method="POST"), [("/x", "POST", "")], [("/x", "PUT", ""), ("/x", "OPTIONS", "")]),
        (prefix("/x/y", method="POST"), [("/x/y/z", "POST", "")], [("/x/y", "GET", ""), ("/x", "POST", "")]),
        (exact("/x/y", method="POST"), [("/x/y", "POST", "")], [("/x/y/z", "POST", "")]),
        (regex("/x/[0-9]+", method="POST"), [("/x/7?q", "POST", "")], [("/x/a", "POST", ""), ("/x/7", "PUT", "")]),
        (
            prefix("/x", headers=[{"name": "X-Tenant", "value": "b"}]),
            [("/x", "POST", "x-tenant"), ("/x", "GET", "x-a, x-tenant")],
            [("/x", "POST", ""), ("/x", "POST", "x-a")],
        ),
        (
            prefix("/x", method="PUT", queryParams=[{"name": "q", "value": "1"}]),
            [("/x?q=1", "PUT", "")],
            [("/x?q=2", "PUT", ""), ("/x?q=1", "GET", "")],
        ),
        (prefix("/x", queryParams=[{"name": "q", "value": "1"}]), [], [("/x?q=2", "PUT", "")]),
        (prefix("/x", headers=[{"name": "Cookie", "value": "b"}]), [], [("/x", "POST", "")]),
    ],
    ids=["method", "longer", "exact", "regex", "header", "query", "query only", "cookie"],
)
async def test_a_preflight_for_a_rule_without_a_policy_is_an_options_request(
    proxy: Proxy,
    match: Manifest,
    belongs: list[tuple[str, str, str]],
    others: list[tuple[str, str, str]],
    first: bool,
) -> None:
    """Of what goes to a rule without a policy no preflight is answered: it goes where OPTIONS goes, in any order."""
    rules = [rule("beta", matches=[match]), rule("alpha", matches=[prefix("/x")], **OPEN)]
    await proxy.apply(route(*(rules if first else reversed(rules))))
    assert [await asked(proxy, *each) for each in belongs] == ["alpha"] * len(belongs)
    assert [await asked(proxy, *each) for each in others] == ["allowed"] * len(others)


async def test_where_options_requests_go(proxy: Proxy) -> None:
    """A preflight that nobody answers goes to the rule for OPTIONS, to one that its query asks for, or nowhere."""
    await proxy.apply(
        route(
            rule("beta", matches=[prefix("/x", method="POST")]),
            rule("gamma", matches=[prefix("/x", method="OPTIONS", queryParams=[{"name": "q", "value": "1"}])]),
            rule("beta", matches=[regex("/x/.*[0-9]", method="OPTIONS")]),
            rule("alpha", matches=[prefix("/", method="GET"), prefix("/x/y")], **OPEN),
            rule("alpha", matches=[prefix("/x", method="PUT"), prefix("/x")], **OPEN, name="any"),
        )
    )
    assert await asked(proxy, "/x?q=1", "POST") == "gamma"
    assert await asked(proxy, "/x", "POST") == "alpha"
    assert await asked(proxy, "/x/7", "POST") == "beta"
    assert await asked(proxy, "/x/7", "PUT") == "beta"
    assert await asked(proxy, "/x/y", "POST") == "allowed"
    assert await asked(proxy, "/", "GET") == "allowed"
    assert await asked(proxy, "/", "POST") == "404"


async def test_what_nobody_takes_is_not_answered(proxy: Proxy) -> None:
    """Where no rule takes OPTIONS requests, a preflight for a rule without a policy is not found."""
    await proxy.apply(
        route(
            rule("beta", matches=[prefix("/x", method="POST", headers=[{"name": "x-tenant", "value": "a"}])]),
            rule("alpha", matches=[prefix("/x", method="POST")], **OPEN),
        )
    )
    assert await asked(proxy, "/x", "POST", "x-tenant") == "404"
    assert await asked(proxy, "/x", "POST", "x-other") == "allowed"


async def test_preflights_of_several_routes_and_hostnames(proxy: Proxy) -> None:
    """The oldest of equal matches, and the most specific hostname, say whose a preflight is, as of requests."""
    old, new = "2020-01-01T00:00:00Z", "2021-01-01T00:00:00Z"
    plain, shared = rule("beta", matches=[prefix("/x", method="POST")]), rule("alpha", matches=[prefix("/x")], **OPEN)
    await proxy.apply(
        route(plain, name="plain", hostnames=["a.com"]),
        route(shared, name="shared", hostnames=["*.com"]),
        route(rule("beta"), name="plain-first", hostnames=["b.org"], created=old),
        route(rule("alpha", **OPEN), name="shared-last", hostnames=["b.org"], created=new),
        route(rule("alpha", **OPEN), name="shared-first", hostnames=["c.org"], created=old),
        route(rule("beta"), name="plain-last", hostnames=["c.org"], created=new),
    )
    assert await asked(proxy, "/x", "POST", host="a.com") == "alpha"
    assert await asked(proxy, "/x", "PUT", host="a.com") == "allowed"
    assert await asked(proxy, "/x", "POST", host="b.com") == "allowed"
    assert await asked(proxy, "/", "POST", host="b.org") == "beta"
    assert await asked(proxy, "/", "POST", host="c.org") == "allowed"
