"""What Headgate makes of random trees of routes is what the reference of route delegation says."""

from __future__ import annotations

from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from tests.translator.delegation.emitted import alike, answer, configuration, translated
from tests.translator.delegation.reference import World
from tests.translator.delegation.requests import Asked
from tests.translator.delegation.trees import PATHS, Trees

REQUESTS = 40


def compare(seed: int) -> None:
    """Ask the routes that Headgate makes of a tree, and the reference."""
    trees = Trees(seed)
    objects = trees.world()
    asked = [*map(Asked, PATHS), *(trees.request() for _ in range(REQUESTS))]
    routes, reference = configuration(translated(objects)), World(objects)
    for each in asked:
        assert alike(answer(routes, each), reference.answer(each)), (seed, each)


@settings(max_examples=3 * settings().max_examples, phases=(Phase.explicit, Phase.reuse, Phase.generate))
@given(seed=st.integers(0, 2**32))
def test_agrees_with_the_reference(seed: int) -> None:
    """Who answers a request, in which shares and with which headers, is what a walk over all trees finds."""
    compare(seed)
