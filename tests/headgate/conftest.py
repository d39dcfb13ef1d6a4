"""Fixtures of the application's tests: a state directory, and a `headgate run` over a folder."""

import shutil
import tempfile
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import psutil
import pytest

from tests.headgate.running import GATEWAY, ROUTE, SERVICE, Headgate, upstream
from xds import FINGERPRINTS


@pytest.fixture(autouse=True)
def without_key() -> Iterator[None]:
    """Take the key of fingerprints away that a controller of a test set in this process."""
    yield
    FINGERPRINTS.use_key(b"")


@pytest.fixture
def state_root() -> Iterator[Path]:
    """Yield a directory for state with a path short enough for Unix sockets."""
    path = Path(tempfile.mkdtemp(prefix="headgate-test-"))
    yield path
    shutil.rmtree(path)


@pytest.fixture
async def headgate(tmp_path: Path, state_root: Path, envoy_path: Path) -> AsyncIterator[Headgate]:
    """Yield a folder with a Gateway, a route for /a and a Service that runs; Headgate is not started yet."""
    running = Headgate(tmp_path, state_root, envoy_path)
    async with upstream() as port:
        running.write("gateway", GATEWAY.format(name="web", port=running.port))
        running.write("route", ROUTE.format(parent="web", path="/a"))
        running.write("service", SERVICE.format(port=port))
        yield running
        if running.process:
            await running.end()
    for pid in (running.envoy_pid(), running.envoy_pid("default.other")):
        if pid and psutil.pid_exists(pid):
            psutil.Process(pid).kill()
