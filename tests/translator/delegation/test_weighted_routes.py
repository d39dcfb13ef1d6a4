"""Route-weights that come before the precedence of matches, where the Gateway asks for that."""

from __future__ import annotations

import pytest

from tests.translator.delegation.emitted import answer, configuration, translated
from tests.translator.delegation.manifests import Manifest, child, gateway, root, route, service, to, under
from tests.translator.delegation.reference import WEIGHT
from tests.translator.delegation.requests import Asked

OTHER = under("/", to("b"))


def who(path: str, *routes: Manifest) -> str | int:
    """Return the Service that answers a request, or the status."""
    ordering = gateway(**{"delegation.headgate.dev/weighted-routes": "true"})
    table = configuration(translated([ordering, *map(service, "abc"), *routes]))
    ((found, _),) = answer(table, Asked(path)).items()
    return found.status or found.service


def test_weights_come_before_matches() -> None:
    """A child of more weight takes what a longer match of another would take; other rules keep their places."""
    wide = route("wide", under("/x", to("c")), annotations={WEIGHT: "5"})
    routes = (
        root("top", under("/x", child("wide"), child("deep")), OTHER),
        wide,
        route("deep", under("/x/y", to("a"))),
    )
    assert who("/x/y", *routes) == "default/c"
    assert who("/x/y", *routes, root("direct", under("/x/y", to("b")))) == "default/b"


@pytest.mark.parametrize("weight", ["-5", "0", "5"])
def test_errors_stay_last(weight: str) -> None:
    """The error in place of a missing child is behind its siblings, whatever they weigh, at every level."""
    weighed = route("last", under("/x/y", to("a")), annotations={WEIGHT: weight})
    middle = route("middle", under("/x", child("last"), child("missing")))
    outer = route("outer", under("/x", child("middle"), child("missing")))
    for top in ("last", "middle", "outer"):
        routes = (root("top", under("/x", child(top), child("missing")), OTHER), weighed, middle, outer)
        assert (who("/x/y", *routes), who("/x/z", *routes), who("/z", *routes)) == ("default/a", 500, "default/b")
