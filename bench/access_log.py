"""The cost of the access log: Envoy's CPU time a request among many routes, beside that of the same logger by hand."""

from __future__ import annotations

import json
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any

from bench.endtoend import edited, free_port
from bench.filters import in_turns, members, quartiles, running, translated
from bench.workload import Options, Table
from bench.world import edit, gateway, world
from translator.inputs import Settings

ROUTES, HOSTS, SERVICES = 10_000, 1_000, 100
ROUNDS = 8
LIMIT_RATIO = 1.15


@dataclass(frozen=True)
class Cost:
    """CPU time a request, in microseconds: the medians of rounds in turns.

    Attributes:
        ours: of Headgate's configuration, with its log.
        by_hand: with the routes and the same logger alone: no filters but the router.
        without: of Headgate's configuration without a log.
        ratio: the quartiles of `ours` to `by_hand` in rounds that followed each other.
    """

    ours: float
    by_hand: float
    without: float
    ratio: tuple[float, ...]


def measure() -> Cost:
    """Send requests to the three, in turns."""
    port = free_port()
    settings = Settings(offline=True, scoped_hostnames=0)  # whose filters what is by hand has not
    ours = translated([*world(ROUTES, HOSTS, SERVICES), edit(gateway(port)), edit(edited(0))], settings)
    by_hand, without = json.loads(json.dumps(ours)), json.loads(json.dumps(ours))
    _keep_the_router(by_hand)
    _remove_logs(without)
    with ExitStack() as stack:
        found: list[tuple[int, int]] = []
        for config in (ours, by_hand, without):
            own = free_port()
            for each in config["static_resources"]["listeners"]:
                if each["address"]["socket_address"]["port_value"] == port:
                    each["address"]["socket_address"]["port_value"] = own
            found.append((stack.enter_context(running(config, own)), own))
        (one, two, three), ratio = in_turns(found, ROUNDS)
    return Cost(one, two, three, ratio)


def measure_all(_: Options) -> list[Cost]:
    """Measure, as a workload."""
    return [measure()]


def table(results: Sequence[Cost]) -> Table:
    """Return the table of one row."""
    return Table(
        ("Headgate's, µs", "by hand, µs", "without a log, µs", "ratio", "quartiles"),
        tuple(
            (
                f"{each.ours:.1f}",
                f"{each.by_hand:.1f}",
                f"{each.without:.1f}",
                f"{each.ratio[1]:.3f}",
                quartiles(each.ratio),
            )
            for each in results
        ),
        (f"Among {ROUTES:,} routes; the ratio is to that by hand (target: below {LIMIT_RATIO}).",),
    )


def _keep_the_router(value: Any) -> None:
    for each in members(value, "http_filters"):
        each[:] = [found for found in each if found["name"] == "envoy.filters.http.router"]


def _remove_logs(value: Any) -> None:
    for each in members(value, "access_log"):
        each.clear()
