"""The cost of inspections: CPU time a request of Envoy and `headgate waf`, beside that of the same Envoy alone."""

from __future__ import annotations

import contextlib
import json
import socket
import statistics
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import psutil

from bench.endtoend import PATIENCE_SECONDS, free_port
from bench.filters import ratios, running, translated
from bench.upstream import upstream
from bench.usage import cpu_seconds
from bench.workload import Options, Table
from bench.world import Raw, edit, endpoint_slice, gateway, policy, route, service
from translator.inputs import ServiceAddress, Settings

ROUNDS = 6
REQUESTS = 200
RULES: Final = Path(".e2e/crs")
HEAD: Final = b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 2\r\n\r\nok"
AGENT: Final = (
    "User-Agent: Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Firefox/128.0\r\nAccept: */*\r\nAccept-Language: en"
)
FORM: Final = b"name=Jane+Doe&comment=hello+there%2C+this+is+a+comment&id=5"
DOCUMENT: Final = json.dumps(
    {"items": [{"id": each, "name": f"item {each}", "price": 1.5} for each in range(22)]}
).encode()
"""About 1 KB of JSON."""
POLICIES: Final[tuple[Raw | None, ...]] = (None, {}, {"paranoiaLevel": 4, "mode": "DetectOnly"})


@dataclass(frozen=True)
class InspectionCost:
    """CPU time a request, in microseconds: medians of rounds in turns.

    Attributes:
        case: what is inspected, and how.
        own: of Envoy and the service.
        envoy: of Envoy alone, of that.
        plain: of Envoy without inspections.
        ratio: the quartiles of the ratios of `own` and `plain`.
    """

    case: str
    own: float
    envoy: float
    plain: float
    ratio: tuple[float, ...]


def measure_all(_: Options) -> list[InspectionCost]:
    """Send requests to routes of one Envoy, in turns."""
    port, asked = free_port(), free_port()
    messages = {
        "GET": _message("GET"),
        "a form": _message("POST", FORM),
        "1 KB of JSON": _message("POST", DOCUMENT, "json"),
    }
    with upstream(HEAD) as backend, _inspecting(asked) as inspecting:
        settings = Settings(offline=True, waf_service=ServiceAddress("127.0.0.1", asked))
        objects = (gateway(port), service(0), endpoint_slice(0, "127.0.0.1", backend), *_routes())
        config = translated(map(edit, objects), settings)
        found: list[InspectionCost] = []
        with running(config, port) as envoy:
            for name, message in messages.items():
                rounds = [_round(port, message, envoy, inspecting) for _ in range(ROUNDS + 1)][1:]
                for number, level in ((1, 1), (2, 4)):
                    plain = [each[0][0] for each in rounds]
                    own = [sum(each[number]) for each in rounds]
                    envoys = statistics.median(each[number][0] for each in rounds)
                    medians = statistics.median(own), envoys, statistics.median(plain)
                    found.append(InspectionCost(f"{name}, paranoia level {level}", *medians, ratios(own, plain)))
    return found


def table(results: Sequence[InspectionCost]) -> Table:
    """Return the table."""
    return Table(
        ("requests", "with, µs", "of that Envoy, µs", "without, µs", "ratio", "a second and core"),
        tuple(
            (
                each.case,
                f"{each.own:.0f}",
                f"{each.envoy:.0f}",
                f"{each.plain:.0f}",
                f"{each.ratio[1]:.0f}",
                f"{1e6 / each.own:,.0f}",
            )
            for each in results
        ),
        (f"CPU time of Envoy and the service; {ROUNDS} rounds of {REQUESTS} requests in turns.",),
    )


def _round(port: int, message: bytes, envoy: int, inspecting: list[int]) -> list[tuple[float, float]]:
    """Return the CPU time a request of Envoy and of the service, for each policy."""
    found = []
    for number in range(len(POLICIES)):
        with socket.create_connection(("127.0.0.1", port), timeout=PATIENCE_SECONDS) as connection:
            before = cpu_seconds([envoy]), cpu_seconds(inspecting)
            for _ in range(REQUESTS):
                connection.sendall(message.replace(b"/route", f"/route-{number}".encode()))
                _receive(connection)
            after = cpu_seconds([envoy]), cpu_seconds(inspecting)
        found.append(((after[0] - before[0]) / REQUESTS * 1e6, (after[1] - before[1]) / REQUESTS * 1e6))
    return found


def _message(method: str, body: bytes = b"", kind: str = "x-www-form-urlencoded") -> bytes:
    length = f"Content-Type: application/{kind}\r\nContent-Length: {len(body)}\r\n" if body else ""
    head = f"{method} /route?page=2&sort=price HTTP/1.1\r\nHost: host-0.example.com\r\n{AGENT}\r\n{length}\r\n"
    return head.encode() + body


def _routes() -> list[Raw]:
    routes = [route(number, 1, 1) for number in range(len(POLICIES))]
    return routes + [policy(number, waf=each) for number, each in enumerate(POLICIES) if each is not None]


@contextlib.contextmanager
def _inspecting(port: int) -> Iterator[list[int]]:
    """Run the service with one process that inspects; yield the ids of both."""
    http = free_port()
    addresses = ("--address", f"127.0.0.1:{port}", "--http-address", f"127.0.0.1:{http}")
    command = (sys.executable, "-m", "headgate", "waf", "--rules", str(RULES), "--processes", "1", *addresses)
    with subprocess.Popen(command, stdout=subprocess.DEVNULL) as process:
        try:
            deadline = time.monotonic() + PATIENCE_SECONDS
            while not _is_ready(http):
                if process.poll() is not None or time.monotonic() > deadline:
                    raise RuntimeError("headgate waf does not start: `make tools` gets the Core Rule Set")
                time.sleep(0.05)
            yield [process.pid, *(each.pid for each in psutil.Process(process.pid).children())]
        finally:
            process.terminate()


def _is_ready(port: int) -> bool:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/readyz", timeout=PATIENCE_SECONDS) as response:
            return bool(response.status == 200)
    except OSError:
        return False


def _receive(connection: socket.socket) -> None:
    received = b""
    while not received.endswith(b"\r\n\r\nok"):
        chunk: Any = connection.recv(1 << 16)
        if not chunk or (received and not received.startswith(b"HTTP/1.1 200 ")):
            raise RuntimeError(f"Envoy does not answer as it should: {received[:200]!r}")
        received += chunk
