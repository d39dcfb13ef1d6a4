"""One engine for all tests of rules: it takes a tenth of a second to load them."""

from __future__ import annotations

import pytest

from headgate.waf.engine import Engine
from headgate.waf.rule_files import RuleFiles
from tests.live.waf_service import rules


@pytest.fixture(scope="session")
def engine() -> Engine:
    """Return an engine with the Core Rule Set."""
    return Engine(RuleFiles.read(rules()))
