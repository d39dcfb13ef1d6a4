"""One Envoy for all tests that compare a check with it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.agreement.oracle import Oracle, running_oracle
from translator.proxy import MAX_REGEX_PROGRAM_SIZE


@pytest.fixture(scope="session")
def oracle(envoy_path: Path) -> Iterator[Oracle]:
    """Yield an Envoy with the limits of Headgate's own bootstrap."""
    with running_oracle(envoy_path, {"re2.max_program_size.error_level": MAX_REGEX_PROGRAM_SIZE}) as found:
        yield found
