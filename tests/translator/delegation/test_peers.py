"""What other gateways test of route delegation, rewritten: what becomes of requests, with the differences named."""

from __future__ import annotations

from collections.abc import Iterable

import pytest

from tests.translator.delegation.emitted import answer, configuration, translated
from tests.translator.delegation.manifests import (
    OF_GATEWAY,
    Manifest,
    child,
    exact,
    gateway,
    grant,
    header,
    of_route,
    prefix,
    regex,
    root,
    route,
    rule,
    service,
    to,
    under,
)
from tests.translator.delegation.reference import INHERITS, WEIGHT
from tests.translator.delegation.requests import Asked

Expected = dict[Asked | str, str | int]
BASE = [gateway(), service("own"), *(service("svc", namespace) for namespace in ("a", "b", "a-b"))]
BASE += [grant("a", "default"), grant("b", "default"), grant("a-b", "a"), grant("a-c", "a")]
OWN = under("/", to("own"))
SVC = to("svc")
RELATIVE = {INHERITS: "true"}
HEADER1 = header("header1", "val1")
OF_PARENT = of_route("parent", "default")
BOTH = [OF_GATEWAY, OF_PARENT]
A, B, AB = "a/svc", "b/svc", "a-b/svc"


def parent(*rules: Manifest, hostname: str = "example.com") -> Manifest:
    """Return the route of the Gateway that all cases begin with."""
    return root("parent", *rules, hostnames=[hostname])


def case(expected: Expected, *routes: Manifest) -> tuple[Expected, Iterable[Manifest]]:
    """Return a case: who answers, and the routes."""
    return expected, routes


def asked(path: str, *, method: str = "GET", host: str = "example.com", **values: str) -> Asked:
    """Return a request with headers, or with a parameter `q`."""
    query = (("q", values.pop("q")),) if "q" in values else ()
    return Asked(path, host, method, tuple(values.items()), query)


CASES = {
    "prefixes of two namespaces": case(
        {"/a/1": A, "/a": "own", "/a/10": "own", "/b/1/x": B, "/c": "own"},
        parent(under("/a", child("*", "a")), under("/b", child("*", "b")), OWN),
        route("a", rule(SVC, matches=[exact("/a/1")]), namespace="a"),
        route("b", under("/b/1", SVC), namespace="b"),
    ),
    # There: the rule is left out, so that the wider one answers for it.
    "a child with a hostname is none": case(
        {"/a/1": 500, "/b": "own"},
        parent(under("/a", child("*", "a")), OWN),
        route("a", under("/a/1", SVC), namespace="a", hostnames=["foo.com"]),
    ),
    "a child with a hostname of its own at the Gateway": case(
        {"/a/1": 500, asked("/a/1", host="foo.com"): A, asked("/b", host="foo.com"): 404},
        parent(under("/a", child("a", "a")), OWN),
        route("a", under("/a/1", SVC), namespace="a", hostnames=["foo.com"], parents=BOTH),
    ),
    "a child that is attached to the Gateway as well": case(
        {"/a/1": A, asked("/a/1", host="foo.com"): A, "/other": "own", asked("/other", host="foo.com"): A},
        parent(under("/a", child("a", "a")), OWN),
        route("a", under("/a/1", SVC), under("/other", SVC), namespace="a", parents=BOTH),
    ),
    "three levels, and nothing at two places": case(
        {"/a/b/1": AB, "/a/b/2": "own", "/a/1": A, "/a/c": 500, "/a/c/x": 500, "/b": 500, "/": "own"},
        parent(under("/a", child("*", "a")), under("/b", child("*", "b")), OWN),
        route(
            "a", under("/a/1", SVC), under("/a/b", child("ab", "a-b")), under("/a/c", child("*", "a-c")), namespace="a"
        ),
        route("ab", under("/a/b/1", SVC), namespace="a-b"),
    ),
    "a child that inherits and one that names another parent": case(
        {
            asked("/a/bar", method="POST", header1="val1", q="1"): A,
            asked("/a/bar", method="GET", header1="val1", q="1"): "own",
            asked("/a/bar", method="POST", q="1"): "own",
            asked("/a/foo", method="PUT", header1="val1", q="1"): "own",
        },
        parent(
            rule(child("*", "a"), matches=[prefix("/a", headers=[HEADER1], queryParams=[header("q", "1")])]),
            OWN,
        ),
        route("a", under("/foo", SVC), namespace="a", annotations=RELATIVE, parents=[of_route("another", "default")]),
        route(
            "b",
            rule(SVC, matches=[prefix("/bar", method="POST")]),
            namespace="a",
            annotations=RELATIVE,
            parents=[OF_PARENT],
        ),
    ),
    "some levels inherit, others repeat": case(
        {
            asked("/a/b/c", header1="val1", header2="val2"): AB,
            asked("/a/b/c", header2="val2"): 404,
            asked("/a/1", header1="val1"): A,
            "/a/1": 404,
            asked("/a/b/d", header1="val1"): 404,
        },
        parent(rule(child("*", "a"), matches=[prefix("/a", headers=[HEADER1])])),
        route(
            "a",
            rule(SVC, matches=[prefix("/a/1", headers=[header("Header1", "val1")])]),
            rule(child("ab", "a-b"), matches=[prefix("/a/b", headers=[HEADER1])]),
            namespace="a",
        ),
        route(
            "ab",
            rule(SVC, matches=[prefix("/c", headers=[header("header2", "val2")])]),
            namespace="a-b",
            annotations=RELATIVE,
        ),
    ),
    "one of a child's matches is outside": case(
        {"/a/1": A, "/a/2": A, "/a/3/x": A, "/b/1": "own", "/a/3": "own"},
        parent(under("/a", child("*", "a")), OWN),
        route(
            "a",
            rule(SVC, matches=[prefix("/a/1"), exact("/a/2"), regex("/a/3/.*"), prefix("/b/1"), exact("/")]),
            namespace="a",
        ),
    ),
    "the oldest child, unless one has more weight": case(
        {"/a/1": B, "/a/2": A},
        parent(rule(child("old", "a"), child("young", "b"), matches=[prefix("/a")])),
        route("old", under("/a/1", SVC), under("/a/2", SVC), namespace="a", created="2026-01-01T00:00:00Z"),
        route("young", under("/a/1", SVC), namespace="b", created="2026-01-02T00:00:00Z", annotations={WEIGHT: "5"}),
    ),
    # There: the route that closes the circle is left out, with what it has besides.
    "circles": case(
        {"/a/1": A, "/a/b": 500, "/a/b/c": 500, "/b": "own"},
        parent(under("/a", child("a", "a")), OWN),
        route(
            "a",
            under("/a/1", SVC),
            under("/a/b", child("ab", "a-b")),
            namespace="a",
            parents=[OF_PARENT, of_route("ab", "a-b")],
        ),
        route("ab", under("/a/b", child("a", "a")), namespace="a-b"),
    ),
    # There: an expression of the parent is joined with the child's path. Here it does not delegate.
    "an expression of a parent": case(
        {"/teams/one/members": 500, "/teams": "own"},
        parent(rule(child("a", "a"), matches=[regex("/teams/[^/]+(?:/.*)?")]), OWN),
        route("a", under("/members", SVC), namespace="a", annotations=RELATIVE),
    ),
    "a child below its own prefix again": case(
        {"/a/a": A, "/a/a/x": A, "/a": "own"},
        parent(under("/a", child("a", "a")), OWN),
        route("a", under("/a", SVC), namespace="a", annotations=RELATIVE),
    ),
}


@pytest.mark.parametrize(("expected", "routes"), CASES.values(), ids=CASES)
def test_who_answers(expected: Expected, routes: Iterable[Manifest]) -> None:
    """The Service that answers each request, or the status, is that of the case."""
    table = configuration(translated([*BASE, *routes]))
    found = {}
    for each in expected:
        ((who, _),) = answer(table, Asked(each) if isinstance(each, str) else each).items()
        found[each] = who.status or who.service.removeprefix("default/")
    assert found == expected
