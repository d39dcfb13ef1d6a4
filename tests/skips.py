"""Which tests may be skipped where all is there that they need: with `--strict-skips`, any other skip is a failure."""

from __future__ import annotations

import re
from typing import Final

import pytest

NO_MOUNTS: Final = "this machine allows no mounts"
"""Where neither root nor a user namespace may mount, which containers often forbid."""

NO_NODE: Final = "this machine has no Node.js"
"""Without which there is no OpenID provider to log in at."""

NO_BROWSER: Final = "this machine has no chromium"

ALLOWED: Final[tuple[str, ...]] = (NO_MOUNTS, NO_NODE, NO_BROWSER)
"""Regular expressions of the reasons that are good everywhere."""


class StrictSkips:
    """Fails the run in which a test was skipped for a reason that is not allowed, and tells which."""

    def __init__(self) -> None:
        self._skipped: list[str] = []

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Note a skipped test; expected failures are reported as skipped too, and are none."""
        if report.skipped and not hasattr(report, "wasxfail"):
            reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else str(report.longrepr)
            if not any(re.search(each, reason) for each in ALLOWED):
                self._skipped.append(f"{report.nodeid}: {reason}")

    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        """Fail the run."""
        if self._skipped and session.exitstatus in (pytest.ExitCode.OK, pytest.ExitCode.NO_TESTS_COLLECTED):
            session.exitstatus = pytest.ExitCode.TESTS_FAILED

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        """Tell which."""
        if self._skipped:
            terminalreporter.section("skipped, and not allowed to be")
            for each in self._skipped:
                terminalreporter.line(each)
