"""The cost of an edit of a ModelRoute among 10,000 routes, counted in executed queries and sent resources."""

from __future__ import annotations

import pytest

from bench.world import Raw, edit, manifest, removal, world
from tests.translator.costs import HOSTS, ROUTES, SERVICES, cost, put_back
from translator.inputs import Settings
from translator.translator import Translator

pytestmark = pytest.mark.slow

FEW = 8
"""The most queries that an edit of one ModelRoute executes: those of it, its virtual host and its table."""


def model_route(number: int, *models: str, weight: int = 1) -> Raw:
    """Return a ModelRoute for a host of its own."""
    backend = {"name": "service-0", "port": 80, "weight": weight}
    spec = {
        "parentRefs": [{"name": "web"}],
        "hostnames": [f"model-{number}.example.com"],
        "rules": [{"models": list(models), "backendRefs": [backend]}],
    }
    return manifest("gateway.headgate.dev/v1alpha1", "ModelRoute", f"model-{number}", spec=spec)


@pytest.fixture(scope="module")
def busy() -> Translator:
    """Return a Gateway with 10,000 HTTPRoutes and 100 ModelRoutes; tests leave it as they found it."""
    made = Translator(Settings(offline=True))
    made.edit(list(world(ROUTES, HOSTS, SERVICES)))
    made.edit(edit(model_route(each, "gpt-4o", "gpt-*")) for each in range(100))
    assert made.evaluate().failures == []
    return made


def test_an_edit_of_a_model_route(busy: Translator) -> None:
    """An edit of the models of one route executes its queries only, and changes the status of nobody else."""
    with put_back(busy, edit(model_route(5, "gpt-4o", "gpt-*"))):
        found = cost(busy, edit(model_route(5, "gpt-4o", "o3", "gpt-*")))
        assert found.runs <= FEW
        assert found.statuses in ([], ["ModelRoute shop/model-5"])
        assert sum(map(len, found.resources.values())) == 1


def test_the_first_model_route(busy: Translator) -> None:
    """A ModelRoute that comes changes no listener, and none of the 10,000 routes is computed again."""
    with put_back(busy, removal(model_route(100, "a"))):
        found = cost(busy, edit(model_route(100, "a")))
        assert found.runs <= 15
        assert {type_.rpartition(".")[2] for type_, names in found.resources.items() if names} == {"RouteConfiguration"}
