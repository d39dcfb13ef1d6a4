"""The cost of the HTTP filters that every connection manager has and no route uses: Envoy's CPU time a request."""

from __future__ import annotations

import json
import socket
import statistics
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from bench.endtoend import HOST, PATIENCE_SECONDS, edited, free_port
from bench.envoy_cpu import cpu_nanoseconds
from bench.workload import Options, Table
from bench.world import GATEWAY, NAMESPACE, edit, gateway
from build_proto import envoy_binary
from headgate.envoy.static import static_bootstrap
from headgate.reporting.proto_json import resources
from translator.inputs import Edit, Settings
from translator.refs import Ref
from translator.translator import Translator

ROUNDS = 12
REQUESTS = 4_000
REQUEST = f"GET / HTTP/1.1\r\nHost: {HOST}\r\n\r\n".encode()
RESPONSE = b"HTTP/1.1 302 "
OFFLINE = Settings(offline=True)


@dataclass(frozen=True)
class Cost:
    """CPU time a request, in microseconds: the median of rounds, with all filters and without those that are disabled.

    Attributes:
        filters: the number of disabled filters.
        ratio: the quartiles of the ratios of rounds that followed each other: their width is that of the noise.
    """

    filters: int
    with_all: float
    without: float
    ratio: tuple[float, ...]


def measure() -> Cost:
    """Send requests to an Envoy that has the filters and to one that has not, in turns."""
    port = free_port()
    whole = translated([edit(gateway(port)), edit(edited(0))])
    other = free_port()
    bare = json.loads(json.dumps(whole))
    disabled = remove_disabled(bare)
    for each in bare["static_resources"]["listeners"]:
        each["address"]["socket_address"]["port_value"] = other
    with running(whole, port) as full, running(bare, other) as reduced:
        (with_all, without), ratio = in_turns([(full, port), (reduced, other)], ROUNDS)
    return Cost(disabled, with_all, without, ratio)


def measure_all(_: Options) -> list[Cost]:
    """Measure, as a workload."""
    return [measure()]


def table(results: Sequence[Cost]) -> Table:
    """Return the table of one row."""
    return Table(
        ("disabled filters", "with, µs", "without, µs", "ratio", "quartiles"),
        tuple(
            (
                str(each.filters),
                f"{each.with_all:.1f}",
                f"{each.without:.1f}",
                f"{each.ratio[1]:.3f}",
                quartiles(each.ratio),
            )
            for each in results
        ),
        (f"The ratio is that of {ROUNDS} rounds in turns; the width of its quartiles is the noise.",),
    )


def quartiles(ratio: Sequence[float]) -> str:
    """Return the lower and the upper quartile as a cell."""
    return f"{ratio[0]:.3f} to {ratio[2]:.3f}"


def translated(edits: Iterable[Edit], settings: Settings = OFFLINE) -> dict[str, Any]:
    """Return the configuration of an Envoy that serves the Gateway with these objects."""
    made = Translator(settings)
    made.edit(edits)
    made.evaluate()
    return static_bootstrap(resources(made.snapshots[Ref("Gateway", NAMESPACE, GATEWAY)], redacted=False))


def in_turns(proxies: Sequence[tuple[int, int]], rounds: int) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Return the median CPU time a request of each proxy, and the quartiles of the ratios of the first to the second.

    Args:
        proxies: the process ids and ports of the proxies.
        rounds: how often each gets requests, after one round that does not count.
    """
    found = measured_in_turns([partial(_cpu_of_requests, *each) for each in proxies], rounds)
    return tuple(map(statistics.median, found)), ratios(found[0], found[1])


def measured_in_turns(measures: Sequence[Callable[[], float]], rounds: int) -> list[tuple[float, ...]]:
    """Return what each measure gave in the rounds, after one round that does not count."""
    for each in measures:
        each()
    found = []
    for number in range(rounds):
        # What comes first changes, so that none has the warmer caches.
        order = range(len(measures))[:: 1 if number % 2 else -1]
        given = {each: measures[each]() for each in order}
        found.append([given[each] for each in range(len(measures))])
    return list(zip(*found, strict=True))


def ratios(own: Iterable[float], other: Iterable[float]) -> tuple[float, ...]:
    """Return the quartiles of the ratios of one measure to another one, by round."""
    return tuple(statistics.quantiles([one / two for one, two in zip(own, other, strict=True)], n=4))


def remove_disabled(value: Any) -> int:
    """Remove the disabled filters from all connection managers; return how many there were."""
    removed = 0
    for each in members(value, "http_filters"):
        kept = [found for found in each if not found.get("disabled")]
        removed += len(each) - len(kept)
        each[:] = kept
    return removed


def members(value: Any, name: str) -> list[Any]:
    """Return all values of a member in a tree."""
    if isinstance(value, list):
        return [found for each in value for found in members(each, name)]
    if not isinstance(value, dict):
        return []
    own = [value[name]] if name in value else []
    return own + [found for each in value.values() for found in members(each, name)]


@contextmanager
def running(config: dict[str, Any], port: int) -> Iterator[int]:
    """Run an Envoy with one worker; yield its process id once it listens."""
    config["admin"]["address"]["socket_address"]["port_value"] = 0
    with tempfile.TemporaryDirectory(prefix="headgate-bench-") as folder:
        path = Path(folder) / "envoy.json"
        path.write_text(json.dumps(config))
        options = ["--disable-hot-restart", "--concurrency", "1", "--log-level", "error"]
        command = [str(envoy_binary()), *options, "--config-path", str(path)]
        with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
            try:
                _until_listening(port)
                yield process.pid
            finally:
                process.terminate()


def _until_listening(port: int) -> None:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while time.monotonic() < deadline:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
        except OSError:
            time.sleep(0.05)
        else:
            return
    raise RuntimeError("Envoy does not listen")


def _cpu_of_requests(process: int, port: int) -> float:
    """Return the CPU time a request that a number of requests take, one after another, in microseconds."""
    with socket.create_connection(("127.0.0.1", port), timeout=PATIENCE_SECONDS) as connection:
        before = cpu_nanoseconds(process)
        for _ in range(REQUESTS):
            connection.sendall(REQUEST)
            received = b""
            while not received.endswith(b"\r\n\r\n"):
                chunk = connection.recv(1 << 16)
                if not chunk or not (received + chunk).startswith(RESPONSE):
                    raise RuntimeError(f"Envoy does not answer as it should: {received + chunk!r}")
                received += chunk
    return (cpu_nanoseconds(process) - before) / REQUESTS / 1000
