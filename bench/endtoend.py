"""End-to-end latency: from an edited file to a changed response of a real Envoy, through `headgate run`."""

from __future__ import annotations

import http.client
import socket
import statistics
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import yaml

from bench.headgate_run import headgate_run
from bench.workload import Options, Table
from bench.world import NAMESPACE, Raw, gateway, manifest, route

EDITS = 20
LIMIT_MILLISECONDS = 100
PATIENCE_SECONDS = 60
HOST = "edited.example.com"


@dataclass(frozen=True)
class Latency:
    """The latency of edits, in milliseconds, with `others` routes beside the edited one."""

    others: int
    median: float
    slowest: float


def measure(others: int) -> Latency:
    """Edit a route `EDITS` times, and wait each time until Envoy's response has changed.

    Raises:
        RuntimeError: the response did not change in time; the message has Headgate's log.
    """
    with tempfile.TemporaryDirectory(prefix="headgate-bench-") as root:
        folder, port = Path(root) / "config", free_port()
        folder.mkdir()
        _write(folder / "gateway.yaml", [gateway(port)])
        _write(folder / "others.yaml", [route(number, max(1, others // 100), 1) for number in range(others)])
        _write(folder / "edited.yaml", [edited(0)])
        log = Path(root) / "headgate.log"
        with headgate_run(folder, Path(root) / "state", log, free_port(), free_port()):
            _until_answer(port, 0, log)
            times = []
            for number in range(1, EDITS + 1):
                _write(folder / "edited.yaml", [edited(number)])
                start = time.perf_counter()
                _until_answer(port, number, log)
                times.append((time.perf_counter() - start) * 1000)
    return Latency(others, statistics.median(times), max(times))


def measure_all(options: Options) -> list[Latency]:
    """Measure alone and among a thousand routes."""
    return [measure(others) for others in (0, min(1_000, max(options.sizes)))]


def table(results: Sequence[Latency]) -> Table:
    """Return the table: one row for each number of other routes."""
    rows = tuple((f"{each.others:,}", f"{each.median:.1f}", f"{each.slowest:.1f}") for each in results)
    return Table(
        ("other routes", "median, ms", "slowest, ms"), rows, (f"Target: medians below {LIMIT_MILLISECONDS} ms.",)
    )


def edited(number: int) -> Raw:
    """Return the edited route, which redirects to a path with the number of the edit."""
    path = {"type": "ReplaceFullPath", "replaceFullPath": f"/edit-{number}"}
    rule = {"filters": [{"type": "RequestRedirect", "requestRedirect": {"path": path}}]}
    spec = {"parentRefs": [{"name": "web"}], "hostnames": [HOST], "rules": [rule]}
    return manifest("gateway.networking.k8s.io/v1", "HTTPRoute", "edited", NAMESPACE, spec=spec)


def _write(path: Path, manifests: list[Raw]) -> None:
    """Write a file as editors do: replace it with a new one."""
    fresh = path.with_suffix(".new")
    fresh.write_text(yaml.dump_all(manifests, Dumper=getattr(yaml, "CSafeDumper", yaml.SafeDumper)))
    fresh.replace(path)


def _until_answer(port: int, number: int, log: Path) -> None:
    """Send requests until the response is that of the edit, on one connection while it lasts."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
    while time.monotonic() < deadline:
        try:
            connection.request("GET", "/", headers={"Host": HOST})
            response = connection.getresponse()
            response.read()
        except (OSError, http.client.HTTPException):
            connection.close()
            time.sleep(0.01)
            continue
        if (response.getheader("location") or "").endswith(f"/edit-{number}"):
            connection.close()
            return
    raise RuntimeError(f"edit {number} did not arrive in {PATIENCE_SECONDS} s; Headgate's log:\n{log.read_text()}")


def free_port() -> int:
    """Return a port of the loopback interface that nothing uses."""
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        port: int = found.getsockname()[1]
        return port
