"""The smallest propagation with real Envoys: `make bench` itself works."""

from __future__ import annotations

from bench import propagation
from bench.workload import Options


def test_a_small_run_measures_both_targets() -> None:
    """With five routes, Headgate and the oracle give both Envoys the same routes, and no answer but 404 and 200."""
    ours, oracle = propagation.measure(Options(sizes=(5,), samples=2, changes=2, stable=5))
    assert (ours.target, oracle.target, ours.routes) == ("Headgate", "oracle", 5)
    for each in (ours, oracle):
        assert each.others == 0
        assert each.first.median > 0
        assert each.stable.maximum >= each.first.median
        assert each.control_plane_cpu is not None
        assert each.control_plane_cpu > 0
        assert each.sent is not None
        assert each.sent > 100
        assert each.proxy_peak > 0
    assert ours.control_plane_peak is not None
    assert ours.control_plane_peak > 0
    assert oracle.control_plane_peak is None
