"""What a workload is: a name, a measurement with options, and a table of its results."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

R = TypeVar("R")


@dataclass(frozen=True)
class Table:
    """The results of a workload for people.

    Attributes:
        header: the names of the columns, with units; empty if there are only notes.
        rows: the cells, one tuple a row.
        notes: lines below the table.
    """

    header: tuple[str, ...] = ()
    rows: tuple[tuple[str, ...], ...] = ()
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Implementation:
    """An implementation of the Gateway API in a cluster, whose propagation is measured.

    Attributes:
        name: its name in the report.
        gateway: the Gateway that the routes attach to, as "namespace/name".
        address: where that Gateway listens for HTTP, as "host:port".
        processes: what the command lines of its control plane's processes contain; "" if they are not on this machine.
        proxies: the same of its proxies.
        install: a shell command that installs it; "" if it is there.
        backend: the Service of the routes, in the namespace of the Gateway, as "name:port".
    """

    name: str
    gateway: str
    address: str
    processes: str = ""
    proxies: str = ""
    install: str = ""
    backend: str = "echo:8080"


@dataclass(frozen=True)
class Options:
    """What is measured, and how often.

    Attributes:
        sizes: the numbers of routes, one host each.
        samples: how many changes are timed.
        changes: over how many changes CPU time and bytes are summed.
        stable: how many 200s in a row count as stable.
        streams: the numbers of xDS streams.
        objects: the number of Services, or of other objects, of workloads that have one size.
        seconds: how long a workload with a rate of changes lasts.
        implementations: what is measured in a cluster.
        kubeconfig: the file with the credentials of that cluster; "" for none.
    """

    sizes: tuple[int, ...] = (100, 1_000, 10_000)
    samples: int = 20
    changes: int = 200
    stable: int = 50
    streams: tuple[int, ...] = (1_000, 5_000)
    objects: int = 10_000
    seconds: int = 20
    implementations: tuple[Implementation, ...] = ()
    kubeconfig: str = ""


QUICK = Options(sizes=(100, 1_000), samples=5, changes=20, streams=(100,), objects=1_000, seconds=5)
"""Options that find large regressions in a minute or two."""


@dataclass(frozen=True)
class Workload(Generic[R]):
    """A measurement.

    Attributes:
        name: its name on the command line.
        summary: what it measures, in a line.
        measure: measures, and returns results, which are frozen dataclasses.
        table: makes the table of the results; pure.
        in_cluster: whether it needs a cluster.
    """

    name: str
    summary: str
    measure: Callable[[Options], Sequence[R]]
    table: Callable[[Sequence[R]], Table]
    in_cluster: bool = False
