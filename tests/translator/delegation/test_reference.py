"""The reference of route delegation, held against expectations that were written by hand."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import pytest

from tests.translator.delegation.manifests import (
    Manifest,
    child,
    exact,
    gateway,
    grant,
    header,
    labelled,
    of_route,
    prefix,
    regex,
    root,
    route,
    rule,
    service,
    setting,
    to,
    under,
)
from tests.translator.delegation.reference import INHERITS, LABEL, WEIGHT, Answer, Reason, World
from tests.translator.delegation.requests import Asked

SERVICES = [service(name, namespace) for name in ("a", "b", "c") for namespace in ("default", "team")]
HALF = Fraction(1, 2)


def answers(*objects: Manifest, **asked: Any) -> str:
    """Return who answers all requests of a kind among these objects: `namespace/name`, or a status."""
    return of(World([gateway(), *SERVICES, *objects]), **asked)


def of(world: World, path: str = "/", **asked: Any) -> str:
    """Return the same of a world."""
    ((answer, _),) = world.answer(Asked(path, **asked)).items()
    return answer.service or str(answer.status)


def table(world: World, *paths: str) -> dict[str, str]:
    """Return who answers each of the paths."""
    return {path: of(world, path) for path in paths}


def world(*objects: Manifest) -> World:
    """Return a world with the Gateway and the Services `a`, `b` and `c` of two namespaces."""
    return World([gateway(), *SERVICES, *objects])


A, B, C = "default/a", "default/b", "default/c"


def test_prefixes_are_whole_elements() -> None:
    """A child under `/team1` is asked for that and for what lies below, never for `/team10`."""
    found = world(
        root("parent", under("/team1/", child("child")), under("/", to("c"))),
        route("child", rule(to("a"), matches=[prefix("/team1"), prefix("/team10")])),
        route("unasked", under("/team1/own", to("b"))),
    )
    expected = {"/team1": A, "/team1/": A, "/team1/own": A, "/team10": C, "/team10/x": C, "/": C}
    assert table(found, *expected) == expected


def test_children_do_not_leave_their_prefix() -> None:
    """Rules above or beside the parent's prefix are not served; paths that no rule takes fall to the next route."""
    found = world(
        root("parent", under("/a", child("child")), under("/b", to("c"))),
        route("child", under("/a/x", to("a")), under("/b", to("b")), rule(to("b"), matches=[exact("/")])),
    )
    assert table(found, "/a/x", "/a/y", "/b", "/") == {"/a/x": A, "/a/y": "404", "/b": C, "/": "404"}
    assert found.reasons == {Reason(("default", "child"), "PartiallyInvalid", ("default", "parent"))}


def test_a_child_that_fits_nowhere() -> None:
    """Where no rule of the only child fits, the parent's own prefix answers 500."""
    found = world(
        root("parent", under("/a", child("child")), under("/", to("c"))), route("child", under("/b", to("a")))
    )
    assert table(found, "/a/x", "/b") == {"/a/x": "500", "/b": C}
    assert found.reasons == {Reason(("default", "child"), "NoMatchingParentMatcher", ("default", "parent"))}


def test_a_rule_without_matches() -> None:
    """A rule without matches takes what its parent's rule takes; as the API server writes it, too."""
    for matches in (None, [], [prefix("/")]):
        found = world(
            root("parent", rule(child("child"), matches=[prefix("/a", headers=[header("X", "1")])])),
            route("child", rule(to("a"), matches=matches)),
        )
        assert of(found, "/a/x", headers=(("x", "1"),)) == A
        assert of(found, "/a/x") == "404"


def test_expressions_are_kept_inside() -> None:
    """A child's expression takes only paths that lie in the parent's prefix."""
    found = world(root("parent", under("/a", child("child"))), route("child", rule(to("a"), matches=[regex("/.*b")])))
    assert table(found, "/a/b", "/ab", "/a", "/c/b") == {"/a/b": A, "/ab": "404", "/a": "404", "/c/b": "404"}


def test_values_of_the_parent_are_demanded() -> None:
    """Rules that lack a header, parameter or method of their parent's match are not served."""
    wanted = {"headers": [header("X-Team", "1")], "queryParams": [header("q", "1")], "method": "GET"}
    more = {**wanted, "headers": [header("x-team", "1"), header("y", "2")]}
    lacking = [{key: value for key, value in wanted.items() if key != left} for left in wanted]
    found = world(
        root("parent", rule(child("child"), matches=[prefix("/a", **wanted)])),
        route(
            "child",
            *(rule(to("b"), matches=[prefix("/a", **each)]) for each in lacking),
            rule(to("b"), matches=[prefix("/a", **{**wanted, "headers": [header("x-team", "2")]})]),
            rule(to("a"), matches=[prefix("/a/x", **more)]),
        ),
    )
    assert of(found, "/a/x", headers=(("x-team", "1"), ("y", "2")), query=(("q", "1"),)) == A
    assert of(found, "/a", headers=(("x-team", "1"),), query=(("q", "1"),)) == "404"


def test_a_child_that_inherits() -> None:
    """With the annotation a child's matches are joined with its parent's."""
    inherits = {INHERITS: "true"}
    parent = prefix("/a", headers=[header("x", "1")], method="POST")
    own = [prefix("/"), prefix("/b"), exact("/c"), regex("/d[0-9]|/e"), prefix("/f", headers=[header("X", "2")])]
    rules = [rule(to(name), matches=[match]) for name, match in zip("abcab", own, strict=True)]
    found = world(root("parent", rule(child("child"), matches=[parent])), route("child", *rules, annotations=inherits))
    expected = {"/a": A, "/a/z": A, "/a/b": B, "/a/b/c": B, "/a/c": C, "/a/c/d": A, "/a/d1": A, "/a/e": A, "/a/f": B}
    asked = {"headers": (("x", "1"),), "method": "POST"}
    assert {path: of(found, path, **asked) for path in expected} == expected
    assert of(found, "/a/f", headers=(("x", "2"),), method="POST") == "404"
    assert [of(found, path, **asked) for path in ("/e", "/b", "/")] == ["404"] * 3


def test_expressions_of_a_child_that_inherits_are_kept_inside() -> None:
    """An expression that is joined to a prefix cannot leave it: neither by an alternative nor in the same element."""
    inherits = {INHERITS: "true"}
    found = world(
        root("parent", under("/a", child("child"))),
        route("child", rule(to("a"), matches=[regex("|/b"), regex("0/x")]), annotations=inherits),
    )
    assert table(found, "/b", "/a0/x", "/a", "/a/b") == {"/b": "404", "/a0/x": "404", "/a": A, "/a/b": A}


def test_hostnames_and_foreign_parents_are_refused() -> None:
    """A named child with hostnames, or with parentRefs to others, leaves 500 behind the other children."""
    for fields in ({"hostnames": ["x.test"]}, {"parents": [of_route("other")]}):
        found = world(
            root("parent", under("/a", child("good"), child("bad")), under("/", to("c"))),
            route("good", under("/a/x", to("a"))),
            route("bad", under("/a/y", to("b")), **fields),
        )
        assert table(found, "/a/x", "/a/y", "/a/z", "/b") == {"/a/x": A, "/a/y": "500", "/a/z": "500", "/b": C}
        assert found.reasons == {Reason(("default", "bad"), "NotAllowedByParent", ("default", "parent"))}


def test_a_missing_child() -> None:
    """A child that is missing leaves 500 behind the others, which no wider rule answers for; a longer one does."""
    found = world(
        root("parent", under("/a", child("good"), child("missing")), under("/a", to("b")), under("/", to("c"))),
        root("direct", under("/a/direct", to("b"))),
        route("good", under("/a/x", to("a"))),
    )
    assert table(found, "/a/x", "/a/z", "/a/direct", "/b") == {"/a/x": A, "/a/z": "500", "/a/direct": B, "/b": C}
    assert found.reasons == {Reason(("default", "parent"), "ChildNotFound")}


def test_a_namespace_and_a_label_as_children() -> None:
    """`*` selects the routes of a namespace that may be children; a label those that carry it; none is 500."""
    labels = {LABEL: "red"}
    found = world(
        root("parent", under("/a", child("*")), under("/b", labelled("red")), under("/c", labelled("blue"))),
        route("one", under("/a/1", to("a")), under("/b/1", to("a")), labels=labels),
        route("two", under("/a/2", to("b")), under("/b/2", to("b")), parents=[of_route("parent")]),
        route("hosts", under("/a/3", to("c")), hostnames=["x.test"]),
        route("another", under("/a/4", to("c")), parents=[of_route("two")]),
    )
    expected = {"/a/1": A, "/a/2": B, "/a/3": "404", "/a/4": "404", "/b/1": A, "/b/2": "404", "/c": "500"}
    assert table(found, *expected) == expected


def test_other_namespaces_need_a_grant_or_a_handshake() -> None:
    """A child of another namespace is skipped unless it is granted, or names its parent."""
    parent = root("parent", under("/a", child("one", "team"), child("two", "team")), under("/", to("c")))
    handshake = {"parents": [of_route("parent", "default")]}

    def found(*grants: Manifest, **fields: Any) -> World:
        one = route("one", under("/a/1", to("a")), namespace="team", **fields)
        return world(parent, one, route("two", under("/a/2", to("b")), namespace="team"), *grants)

    assert table(found(), "/a/1", "/a/2", "/a/3") == {"/a/1": "500", "/a/2": "500", "/a/3": "500"}
    assert found().reasons == {Reason(("default", "parent"), "RefNotPermitted")}
    for each in (found(**handshake), found(grant("team", "default", "one"))):
        assert table(each, "/a/1", "/a/2", "/a/3") == {"/a/1": "team/a", "/a/2": C, "/a/3": C}
    both = table(found(grant("team", "default")), "/a/1", "/a/2", "/a/3")
    assert both == {"/a/1": "team/a", "/a/2": "team/b", "/a/3": C}
    assert table(found(grant("team", "other")), "/a/1") == {"/a/1": "500"}


def test_cycles() -> None:
    """The reference that would close a cycle answers 500 in its own rule; everything else is served."""
    found = world(
        root("a", under("/x", child("b")), under("/", to("c"))),
        route("b", under("/x/y", child("a"), child("d")), under("/x/z", to("b"))),
        route("d", under("/x/y/d", to("a"))),
    )
    expected = {"/x/y/d": A, "/x/y": "500", "/x/z": B, "/x/w": "404", "/": C}
    assert table(found, *expected) == expected | {"/x/w": C}
    assert found.reasons == {Reason(("default", name), "DelegationCycle") for name in "ab"}
    assert answers(root("a", under("/x", child("a"))), path="/x") == "500"


def test_diamonds() -> None:
    """A child below two parents is served once for each, with what it has from either."""
    found = world(
        root("top", under("/", child("left"), child("right"))),
        route("left", rule(child("leaf"), matches=[prefix("/l")], filters=[setting("left")])),
        route("right", rule(child("leaf"), matches=[prefix("/r")], filters=[setting("right")])),
        route("leaf", rule(to("a"))),
    )
    for path, by in (("/l/x", "left"), ("/r/x", "right")):
        assert found.answer(Asked(path)) == {Answer(A, 0, (("x-by", by),)): 1}
    assert of(found, "/x") == "404"


def test_depth() -> None:
    """Sixteen delegations below each other are served, the seventeenth answers 500."""
    for depth, answer in ((16, A), (17, "500")):
        chain = [route(f"r{place}", rule(child(f"r{place + 1}"))) for place in range(1, depth)]
        found = world(root("r0", rule(child("r1"))), *chain, route(f"r{depth}", rule(to("a"))))
        assert of(found) == answer
        assert bool(found.reasons) is (answer != A)


def test_mixed_and_other_matches_are_errors() -> None:
    """A rule that delegates and forwards answers 500, as does a match of one that is no prefix, and another filter."""
    leaf = route("leaf", rule(to("a")))
    assert answers(root("top", under("/x", child("leaf"), to("a"))), leaf, path="/x") == "500"
    found = world(root("top", rule(child("leaf"), matches=[exact("/x"), prefix("/y"), regex("/z+")])), leaf)
    assert table(found, "/x", "/y", "/zz", "/") == {"/x": "500", "/y": A, "/zz": "500", "/": "404"}
    rewrite = {"type": "URLRewrite", "urlRewrite": {"path": {"type": "ReplaceFullPath", "replaceFullPath": "/"}}}
    assert answers(root("top", under("/x", child("leaf"), filters=[rewrite])), leaf, path="/x") == "500"


def test_precedence_of_equal_matches() -> None:
    """Of equal matches the parent's age decides, then its rule, then the child's weight, age and name."""
    heavy = {WEIGHT: "10"}
    same = {"created": "2026-01-01T00:00:00Z"}
    top = root("top", under("/x", child("one"), child("two")), **same)

    def found(one: Manifest, two: Manifest, *more: Manifest) -> str:
        return answers(
            top, route("one", under("/x", to("a")), **one), route("two", under("/x", to("b")), **two), *more, path="/x"
        )

    assert found({}, {}) == A
    assert found({"created": "2026-01-02T00:00:00Z"}, same) == B
    assert found(same, {"created": "2026-01-02T00:00:00Z", "annotations": heavy}) == B
    direct = under("/x", to("c"))
    assert found({}, {}, root("aaa", direct, **same)) == C
    assert found({}, {}, root("zzz", direct, **same)) == A
    assert found({}, {}, root("zzz", rule(to("c"), matches=[exact("/x")]), **same)) == C


def test_weights() -> None:
    """Weights that differ share the requests of equal matches; a weight of 0 is never; equal ones share nothing."""

    def shares(one: int, two: int, path: str = "/x") -> dict[str, Fraction]:
        found = world(
            root("top", under("/x", child("one", weight=one), child("two", weight=two))),
            route("one", under("/x", to("a"))),
            route("two", under("/x", to("b", weight=1), to("c", weight=1)), under("/x/2", to("c"))),
        ).answer(Asked(path))
        return {answer.service or str(answer.status): share for answer, share in found.items()}

    assert shares(1, 1) == {A: 1}
    assert shares(2, 1) == {A: Fraction(2, 3), B: Fraction(1, 6), C: Fraction(1, 6)}
    assert shares(2, 1, "/x/2") == {C: 1}
    assert shares(0, 1) == {B: HALF, C: HALF}
    assert shares(1, 0, "/x/2") == {A: 1}
    assert shares(0, 0) == {"500": 1}


def test_headers_are_inherited_by_name() -> None:
    """A child has the headers that its parents set, but for those of the names that it sets itself."""
    found = world(
        root("top", under("/x", child("middle"), filters=[setting("top")])),
        route("middle", rule(child("leaf"), filters=[setting("middle", "x-more")])),
        route("leaf", rule(to("a")), under("/x/y", to("b"), filters=[setting("leaf")])),
    )
    assert found.answer(Asked("/x")) == {Answer(A, 0, (("x-by", "top"), ("x-more", "middle"))): 1}
    assert found.answer(Asked("/x/y")) == {Answer(B, 0, (("x-by", "leaf"), ("x-more", "middle"))): 1}


@pytest.mark.parametrize("host", ["", "x.test", "*.test"])
def test_hosts_are_those_of_the_parent(host: str) -> None:
    """Children are served under the hostnames of the route at the top; a child with a Gateway of its own there too."""
    hosts = [host] if host else []
    both = route("leaf", under("/x", to("a")), parents=[of_route("top"), {"name": "web"}])
    found = world(root("top", rule(child("leaf")), hostnames=hosts), both)
    assert of(found, "/x", host="x.test") == A
    assert of(found, "/y", host="x.test") == ("404")
    found = world(root("top", rule(child("leaf")), hostnames=hosts), route("leaf", rule(to("a"))))
    assert of(found, "/x", host="x.test") == A
    assert of(found, "/x", host="example.com") == (A if not host else "404")
