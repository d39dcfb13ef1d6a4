"""What the tests of the application share: a place for state."""

import shutil
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
