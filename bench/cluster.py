"""Propagation in a cluster: from the API server's answer to a new route to the answers of the gateway.

Headgate and other implementations are measured alike: routes are created through the API server, and requests are
sent to the address of each one's Gateway, in turns.
"""

from __future__ import annotations

import dataclasses
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass

from bench import propagation
from bench.cluster_target import cluster
from bench.propagation import Propagation, compare
from bench.workload import Options, Table


@dataclass(frozen=True)
class ClusterPropagation:
    """What a new route takes in a cluster, and what it took to load the others.

    Attributes:
        propagation: the figures of new routes.
        stored: seconds until the API server had stored the routes of this size that were not there yet.
        answered: seconds until the gateway answered for them.
    """

    propagation: Propagation
    stored: float
    answered: float


def measure(options: Options) -> list[ClusterPropagation]:
    """Install what must be, and measure all implementations at each size.

    Raises:
        ValueError: no implementation is given.
    """
    if not options.implementations:
        raise ValueError("name what to measure: --implementation NAME --gateway NAMESPACE/NAME --address HOST:PORT")
    for each in options.implementations:
        if each.install:
            subprocess.run(each.install, shell=True, check=True)
    results = []
    with cluster(options.implementations, options.kubeconfig) as targets:
        for size in sorted(options.sizes):
            loads = [each.load(size) for each in targets]
            found = compare(targets, size, options)
            results += [ClusterPropagation(each, *load) for each, load in zip(found, loads, strict=True)]
    return results


def table(results: Sequence[ClusterPropagation]) -> Table:
    """Return the table of propagation, with the seconds of the loads."""
    made = propagation.table([each.propagation for each in results])
    rows = zip(made.rows, results, strict=True)
    return dataclasses.replace(
        made,
        header=(*made.header, "stored, s", "all answer, s"),
        rows=tuple((*row, f"{each.stored:.1f}", f"{each.answered:.1f}") for row, each in rows),
    )
