"""A hundred EndpointSlices that change each second, among many Services: what is sent, and how soon."""

from __future__ import annotations

import asyncio
import re
import statistics
import tempfile
import time
import urllib.request
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

from bench.folder import FolderTarget
from bench.hosts import KEY, SEPARATE
from bench.oracle_target import OracleTarget, run_settings
from bench.upstream import upstream
from bench.usage import cpu_seconds, peak_bytes, until_idle
from bench.whole_clients import WholeClients
from bench.workload import Options, Table
from bench.world import endpoint_slice
from headgate.security.proxy_tokens import ProxyTokens
from headgate_proto.envoy.config.endpoint.v3.endpoint_pb2 import ClusterLoadAssignment
from xds import ENDPOINT, Reference

PUSHES = re.compile(
    r'^headgate_xds_push_seconds_bucket{le="([^"]+)",type="ClusterLoadAssignment"} (\S+)$', re.MULTILINE
)
RATE = 100
"""Changes a second."""
FIRST_PORT = 20_000
"""The port of the first changed endpoint; each change has the next, by which it is known again."""


@dataclass(frozen=True)
class EndpointChurn:
    """Changes of EndpointSlices at a rate.

    Attributes:
        services: the number of Services.
        rate: changes a second that were asked for.
        changes: how many were made.
        median: milliseconds from the rename of a file to the assignment at a client: the median.
        p99: the same, which 99 of 100 changes did not exceed.
        own_median: milliseconds from the edit, as Headgate has read it, to the response: the median.
        own_p99: the same, which 99 of 100 responses did not exceed.
        cpu: milliseconds of Headgate's CPU a change.
        sent: how many assignments the client received.
        other: how many other resources it received.
        peak: the peak of Headgate's resident memory, in bytes.
    """

    services: int
    rate: int
    changes: int
    median: float
    p99: float
    own_median: float
    own_p99: float
    cpu: float
    sent: int
    other: int
    peak: int


def measure(options: Options) -> list[EndpointChurn]:
    """Measure with one client."""
    return [asyncio.run(_measure(options.objects, options.seconds * RATE))]


async def _measure(size: int, changes: int) -> EndpointChurn:
    arrived: dict[int, float] = {}
    counts = {True: 0, False: 0}

    def note(reference: Reference, body: bytes) -> None:
        now = time.perf_counter()
        counts[reference.type_url == ENDPOINT] += 1
        if reference.type_url == ENDPOINT:
            arrived.setdefault(_port(body), now)

    with tempfile.TemporaryDirectory(prefix="hg-") as folder, upstream() as port:
        root = Path(folder)
        for name in ("a", "b"):
            (root / name).mkdir()
        ours = FolderTarget(root / "a", size, port, size)
        expected = OracleTarget(root / "b", size, port, size, ours.port, run_settings(own_envoys=False)).snapshot
        with ours.running("--no-envoy"):
            ours.until_ready()
            clients = WholeClients(ours.xds, KEY, ProxyTokens.load(ours.state).token(KEY), expected, note)
            clients.connect(1)
            await clients.until_complete(1)
            until_idle(ours.control_plane)
            await asyncio.sleep(1)  # for the client, which reads the last responses
            pushes = _pushes(ours.admin)
            before, counts[True], counts[False] = cpu_seconds(ours.control_plane), 0, 0
            made = await _change(ours, min(SEPARATE, size), changes)
            async with asyncio.timeout(60):
                while FIRST_PORT + changes - 1 not in arrived:  # noqa: ASYNC110 - the clients tell by a callback
                    await asyncio.sleep(0.05)
            cpu, peak = cpu_seconds(ours.control_plane) - before, peak_bytes(ours.control_plane)
            own = _pushes(ours.admin) - pushes
            await clients.close()
    times = sorted((arrived[port] - start) * 1000 for port, start in made.items() if port in arrived)
    return EndpointChurn(
        services=size,
        rate=RATE,
        changes=changes,
        median=statistics.median(times),
        p99=times[int(len(times) * 0.99)],
        own_median=_quantile(own, 0.5),
        own_p99=_quantile(own, 0.99),
        cpu=cpu * 1000 / changes,
        sent=counts[True],
        other=counts[False],
        peak=peak,
    )


async def _change(target: FolderTarget, services: int, changes: int) -> dict[int, float]:
    """Make changes at the rate; return when each was made, by its port."""
    made, begun = {}, time.perf_counter()
    for number in range(changes):
        await asyncio.sleep(max(0.0, begun + number / RATE - time.perf_counter()))
        service, port = number % services, FIRST_PORT + number
        made[port] = target.replace(f"slice-{service}", [endpoint_slice(service, "127.0.0.1", port)])
    return made


def _pushes(admin: int) -> Counter[float]:
    """Return how many responses with assignments there were, by the upper bounds of their milliseconds."""
    with urllib.request.urlopen(f"http://127.0.0.1:{admin}/metrics") as response:
        found = PUSHES.findall(response.read().decode())
    totals = sorted((float(bound) * 1000, int(float(count))) for bound, count in found)
    return Counter({bound: total - before for (_, before), (bound, total) in pairwise([(0.0, 0), *totals])})


def _quantile(counts: Counter[float], share: float) -> float:
    """Return a bound that a share of the counted does not exceed, between those of its bucket in proportion."""
    left, lower = share * counts.total(), 0.0
    for bound, count in sorted(counts.items()):
        if left <= count:
            return bound if bound == float("inf") else lower + (bound - lower) * left / count
        left, lower = left - count, bound
    return 0.0


def _port(body: bytes) -> int:
    """Return the port of the first endpoint of an assignment; 0 if there is none."""
    message = ClusterLoadAssignment.FromString(body)
    found = (
        each.endpoint.address.socket_address.port_value for some in message.endpoints for each in some.lb_endpoints
    )
    return next(found, 0)


def table(results: Sequence[EndpointChurn]) -> Table:
    """Return the table: one row a number of Services."""
    return Table(
        (
            "Services",
            "changes a second",
            "changes",
            "to the client, ms",
            "p99",
            "of it Headgate's own, ms",
            "p99",
            "CPU a change, ms",
            "assignments sent",
            "other resources",
            "peak, MiB",
        ),
        tuple(
            (
                f"{each.services:,}",
                f"{each.rate:,}",
                f"{each.changes:,}",
                f"{each.median:.1f}",
                f"{each.p99:.1f}",
                f"{each.own_median:.1f}",
                f"{each.own_p99:.1f}",
                f"{each.cpu:.2f}",
                f"{each.sent:,}",
                f"{each.other:,}",
                f"{each.peak / 2**20:.0f}",
            )
            for each in results
        ),
        (
            "The times have the file system, the parsing of the file and the client in them. Headgate's own begin with"
            " the parsed edit and end with the response (target: p99 of 5 ms), by headgate_xds_push_seconds.",
        ),
    )
