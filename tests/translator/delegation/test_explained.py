"""What is explained of requests to routes that delegate is what the reference of route delegation says."""

from __future__ import annotations

from collections import defaultdict

import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from tests.translator.delegation.emitted import OWN, translated
from tests.translator.delegation.manifests import GATEWAY, PORT, child, gateway, root, route, rule, service, to, under
from tests.translator.delegation.reference import World
from tests.translator.delegation.requests import Asked
from tests.translator.delegation.trees import PATHS, Trees
from translator.explain.explain import explain
from translator.explain.gateway import explain_at
from translator.explain.request import parse_request
from translator.translator import Translator

Shares = dict[str, float]


def explained(translator: Translator, asked: Asked) -> Shares:
    """Return the Services that a request is explained to go to, or the statuses, with their shares."""
    lines = [f"{name}: {value}" for name, value in asked.headers]
    request = parse_request(asked.method, f"http://127.0.0.1:{PORT}{asked.target}", [f"Host: {asked.host}", *lines])
    made: defaultdict[str, float] = defaultdict(float)
    for outcome in explain_at(f"default/{GATEWAY}", translator.snapshots[OWN], request).outcomes:
        if not outcome.destinations:
            made[str(outcome.status)] += outcome.share
        for each in outcome.destinations:
            made[each.backend.partition(":")[0] or str(each.status)] += outcome.share * each.share
    return {name: share for name, share in made.items() if share > 2e-5}


def expected(reference: World, asked: Asked) -> Shares:
    """Return the same of the reference."""
    made: defaultdict[str, float] = defaultdict(float)
    for each, share in reference.answer(asked).items():
        made[each.service or str(each.status)] += float(share)
    return dict(made)


@settings(max_examples=settings().max_examples // 2, phases=(Phase.explicit, Phase.reuse, Phase.generate))
@given(seed=st.integers(0, 2**32))
def test_what_is_explained(seed: int) -> None:
    """The Services or statuses of a request, and their shares, are explained as a walk over all trees finds them."""
    trees = Trees(seed)
    objects = trees.world()
    translator, reference = translated(objects), World(objects)
    for asked in (*map(Asked, PATHS), *(trees.request() for _ in range(20))):
        assert explained(translator, asked) == pytest.approx(expected(reference, asked), abs=2e-5), (seed, asked)


def test_why_nothing_below_a_rule_answers() -> None:
    """Of an error in place of children it is told what is wrong with these; of a child, which rules delegate to it."""
    rules = [under("/a", child("gone")), under("/b", child("one"), name="second")]
    found = translated([gateway(), service("a"), root("p", *rules), route("one", rule(to("a")))])
    lost, served = (
        explain(found.reader, found.snapshots, parse_request("GET", f"http://127.0.0.1:{PORT}{path}", []))[0]
        .outcomes[0]
        .rule
        for path in ("/a/x", "/b/x")
    )
    assert lost is not None
    assert "HTTPRoute default/gone does not exist" in lost.error
    assert served is not None
    assert served.parents == ("HTTPRoute default/p, rule second",)


def test_names_may_be_those_of_parts_of_names() -> None:
    """A route of the namespace `via`, and one of the name, is told by the name of Envoy's route as any other."""
    objects = [service("a", "via"), root("top", under("/", child("via")), namespace="via")]
    found = translated([gateway(), *objects, route("via", rule(to("a")), namespace="via")])
    (told,) = explain(found.reader, found.snapshots, parse_request("GET", f"http://127.0.0.1:{PORT}/", []))
    facts = told.outcomes[0].rule
    assert facts is not None
    assert (facts.route, facts.parents) == ("HTTPRoute via/via", ("HTTPRoute via/top, rule 0",))
