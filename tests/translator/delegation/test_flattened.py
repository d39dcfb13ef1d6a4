"""What Headgate makes of random trees of routes is what the reference of route delegation says."""

from __future__ import annotations

from unittest.mock import patch

from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from tests.translator.delegation.emitted import alike, answer, configuration, translated
from tests.translator.delegation.reference import MOST, World
from tests.translator.delegation.requests import Asked
from tests.translator.delegation.trees import PATHS, Trees

REQUESTS = 40


def compare(seed: int, most: int = MOST) -> None:
    """Ask the routes that Headgate makes of a tree, and the reference; children have so many matches at most."""
    trees = Trees(seed)
    objects = trees.world()
    asked = [*map(Asked, PATHS), *(trees.request() for _ in range(REQUESTS))]
    with patch("translator.routes.crowded.MOST_SERVED", most):
        routes, reference = configuration(translated(objects)), World(objects, most)
    for each in asked:
        assert alike(answer(routes, each), reference.answer(each)), (seed, each)


@settings(max_examples=3 * settings().max_examples, phases=(Phase.explicit, Phase.reuse, Phase.generate))
@given(seed=st.integers(0, 2**32))
def test_agrees_with_the_reference(seed: int) -> None:
    """Who answers a request, in which shares and with which headers, is what a walk over all trees finds."""
    compare(seed)


@settings(max_examples=settings().max_examples, phases=(Phase.explicit, Phase.reuse, Phase.generate))
@given(seed=st.integers(0, 2**32), most=st.integers(1, 6))
def test_agrees_where_children_are_crowded(seed: int, most: int) -> None:
    """A child with more matches over all of its paths than it may have is answered with 500 by its parents."""
    compare(seed, most)
