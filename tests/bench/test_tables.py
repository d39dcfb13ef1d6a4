"""The tables of all workloads, from results, and small runs of those that need no process of Headgate."""

from __future__ import annotations

from typing import Any

import pytest

from bench import (
    ai_traffic,
    cold_start,
    endpoint_churn,
    endtoend,
    filters,
    other_controllers,
    reconnects,
    report,
    stream_acks,
    transformations,
    translation,
    xds_streams,
)
from bench.registry import WORKLOADS
from bench.translation import Edited, Figures, Size

FIGURES = Figures(Size(100, 100, 10), 0.5, 20, 1_000, {"route changed": Edited(0.5, 20)})
STREAMS = xds_streams.Streams(
    1_000, (xds_streams.Push("delta", 0.3, 0.2),), xds_streams.Change(1_000, 1_050, 1_100), 5e4
)
ACKS = stream_acks.Acks(80, 150, 90)
RESULTS: dict[str, tuple[Any, Any, str]] = {
    "cold-start": (cold_start, cold_start.ColdStart(10_000, 3, 4, 2.5, 2**28, 5, 2.1, 2), "1.05"),
    "reconnects": (reconnects, reconnects.Reconnects(100, 1_000, 4, 2, 3, 1, 2**20, 2**21, 7, 0), "3.00"),
    "endpoint-churn": (
        endpoint_churn,
        endpoint_churn.EndpointChurn(10_000, 100, 500, 5, 9, 1, 2, 1.5, 499, 0, 2**27),
        "499",
    ),
    "other-controllers": (
        other_controllers,
        other_controllers.OtherControllers(10_000, 60, 3_000, 1.1, 1, 0.05),
        "1.10",
    ),
    "stream-acks": (stream_acks, stream_acks.StreamAcks(1_000, 20, ACKS, ACKS, 60_000, True), "150"),
    "edits": (endtoend, endtoend.Latency(1_000, 20, 30), "20.0"),
    "translation": (translation, FIGURES, "0.50 (1.0) 20"),
    "streams": (xds_streams, STREAMS, "1.50"),
    "ai-traffic": (ai_traffic, ai_traffic.AiCost("by its model", 150, 50, (2.9, 3.0, 3.1)), "3.00"),
    "transformations": (transformations, transformations.TemplateCost("a header", 55, 50, (1.05, 1.1, 1.15)), "1.10"),
    "filters": (filters, filters.Cost(12, 55, 50, (1.05, 1.1, 1.15)), "1.100"),
}


@pytest.mark.parametrize("name", RESULTS)
def test_a_table_has_a_cell_for_each_column(name: str) -> None:
    """A result becomes a row with as many cells as there are columns, its most telling figure among them."""
    module, result, figure = RESULTS[name]
    made = module.table([result])
    assert [len(each) for each in made.rows] == [len(made.header)]
    assert figure in made.rows[0]
    assert figure in report.text(made)
    assert next(each for each in WORKLOADS if each.name == name).table is module.table


def test_objects_of_another_controller_can_be_measured() -> None:
    """A small run measures edits of ours and theirs."""
    found = other_controllers.measure_one(20)
    assert found.objects == 20
    assert min(found.load, found.edit, found.edit_alone, found.foreign_edit) > 0
