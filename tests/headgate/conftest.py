"""What the tests of the application share: a place for state; and free ports."""

import shutil
import socket
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest


@pytest.fixture
def state_root() -> Iterator[Path]:
    """A directory for state with a path short enough for Unix sockets."""
    path = Path(tempfile.mkdtemp(prefix="headgate-test-"))
    yield path
    shutil.rmtree(path)


@pytest.fixture
def free_port() -> int:
    """A port of loopback that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
