"""Fixtures of the translator's tests: a Gateway with many routes."""

from __future__ import annotations

import pytest

from bench.world import edit, world
from tests.translator.costs import HOSTS, ROUTES, SERVICES, https_gateway, secret
from translator.inputs import Settings
from translator.translator import Translator


@pytest.fixture(scope="module")
def large() -> Translator:
    """Return a Gateway with 10,000 routes over 100 hosts to 1,000 Services; tests leave it as they found it."""
    made = Translator(Settings(offline=True))
    made.edit([*world(ROUTES, HOSTS, SERVICES), edit(secret("one"))])
    made.edit([edit(https_gateway())])
    assert made.evaluate().failures == []
    return made
