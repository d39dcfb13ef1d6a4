"""Random objects of policies, and a real Envoy that judges what becomes of them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st

from tests.translator.golden.envoy import envoy_error
from xds import Snapshot

KEYS = """
    {"kty": "EC", "crv": "P-256", "x": "mvRKyuOzy8vOzU-PcubPSsrh3bL3bWPa6NPOKW5QsNY",
     "y": "h-DTsAKmAhz4Lqmpi7U5Ul-B4bLGRdh9Myg-rZVBJTM"}
"""
"""Keys that verify tokens."""
BACKEND = {"name": "a", "port": 8080}

RANDOM: Final = settings(
    max_examples=4,
    # A seed says nothing of its size, so that a smaller one is no simpler.
    phases=[Phase.explicit, Phase.reuse, Phase.generate],
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
"""The settings of tests that take some seeds at once."""


def some_seeds(number: int) -> st.SearchStrategy[list[int]]:
    """Return so many seeds, all different: Envoy validates what they give together."""
    return st.lists(st.integers(0, 2**32), min_size=number, max_size=number, unique=True)


def leading_somewhere(value: Any) -> Any:
    """Return a value whose references to backends and extensions lead to those that exist, and whose keys are some."""
    if isinstance(value, list):
        return [leading_somewhere(each) for each in value]
    if not isinstance(value, dict):
        return value
    if "jwks" in value and "local" in value["jwks"]:
        value = {**value, "jwks": {"local": {"inline": KEYS}}}
    known = {
        "backendRef": BACKEND,
        "jwksBackendRef": BACKEND,
        "extensionRef": {"name": "a"},
        "extensionRefs": [{"name": "a"}],
    }
    return {key: known.get(key) or leading_somewhere(each) for key, each in value.items()}


def check_accepted(envoy: Path, folder: Path, made: Mapping[int, Snapshot]) -> None:
    """Fail unless a real Envoy accepts all snapshots, and tell by their seeds which it does not."""
    if envoy_error(envoy, folder, made.values()):
        errors = {seed: envoy_error(envoy, folder, [found]) for seed, found in made.items()}
        assert {seed: error for seed, error in errors.items() if error} == {}
        raise AssertionError("Envoy rejects all together, but none alone")
