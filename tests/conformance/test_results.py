"""Results of the conformance suite, read from its log."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.conformance.results import main, read

LOG = """\
=== RUN   TestConformance
=== RUN   TestConformance/MeshBasic
    conformance.go:56: Skipping MeshBasic: suite does not support Mesh
--- SKIP: TestConformance/MeshBasic (0.00s)
=== RUN   TestConformance/UDPRoute
    conformance.go:56: Skipping UDPRoute: suite does not support UDPRoute
=== RUN   TestConformance/HTTPRouteCORS
    --- SKIP: TestConformance/UDPRoute (0.00s)
=== NAME  TestConformance/HTTPRouteCORS
    conformance.go:78: 2026-11-28T12:00:00Z: Running HTTPRouteCORS, relying on the following features: Gateway-standard
=== RUN   TestConformance/HTTPRouteCORS/0_a
    --- PASS: TestConformance/HTTPRouteCORS (1.27s)
        --- PASS: TestConformance/HTTPRouteCORS/0_a (0.01s)
"""
DESELECTED = """\
    conformance.go:68: Skipping TCPRouteReferenceGrant: test explicitly skipped
    --- SKIP: TestConformance/TCPRouteReferenceGrant (0.00s)
"""
FAILED = """\
    --- FAIL: TestConformance/HTTPRouteWeight (30.12s)
        --- FAIL: TestConformance/HTTPRouteWeight/0_a (0.01s)
"""
STANDALONE = """\
    standalone_test.go:80: Skipping HTTPRouteWeight: it needs a cluster, because others write to its statuses
    --- SKIP: TestStandalone/HTTPRouteWeight (0.00s)
    standalone_test.go:110: Skipping TestStandalone/HTTPRouteRetry: this is its first request
    --- SKIP: TestStandalone/HTTPRouteRetry (0.00s)
    --- PASS: TestStandalone/HTTPRouteMatching (0.00s)
        --- SKIP: TestStandalone/HTTPRouteMatching/0_a (0.00s)
"""
SKIPPED = """\
    weight.go:12: Skipping GRPCRouteWeight for a reason of its own
    --- SKIP: TestConformance/GRPCRouteWeight (0.00s)
"""


def test_tests_of_features_that_are_not_claimed() -> None:
    """A test that was not run is told with the feature that it needs; meshes are counted apart."""
    results = read(LOG.splitlines())
    assert results.good
    assert results.passed == ("HTTPRouteCORS",)
    assert results.unclaimed == (("UDPRoute", "UDPRoute"),)
    assert results.mesh == ("MeshBasic",)
    assert str(results) == (
        "1 passed, 0 failed, 0 skipped; not run: 1 of features that are not claimed (UDPRoute); 1 of meshes"
    )


def test_tests_that_the_caller_did_not_choose() -> None:
    """A test that was deselected is neither run nor skipped."""
    assert read(DESELECTED.splitlines()).skipped == ()


def test_tests_without_a_cluster() -> None:
    """A test that needs a cluster, or ended at its first request, counts as neither passed nor skipped."""
    results = read(STANDALONE.splitlines())
    assert results.good
    assert results.passed == ("HTTPRouteMatching",)


@pytest.mark.parametrize(("added", "told"), [(FAILED, "FAIL: HTTPRouteWeight"), (SKIPPED, "SKIP: GRPCRouteWeight")])
def test_failures(added: str, told: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A failed test, or one that was skipped though its features are claimed, is told, and fails the run."""
    log = tmp_path / "log"
    log.write_text(LOG + added)
    assert main("standard", str(log)) == 1
    assert f"standard: {told}\n" in capsys.readouterr().out


@pytest.mark.parametrize("log", ["", DESELECTED, "panic: no cluster"])
def test_a_run_without_tests(log: str) -> None:
    """A run in which no test passed is no good one."""
    assert not read(log.splitlines()).good
