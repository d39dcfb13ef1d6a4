"""The cost of templates: Envoy's CPU time a request of routes with transformations, beside that of one without."""

from __future__ import annotations

import json
import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Final

from bench.endtoend import free_port
from bench.envoy_cpu import cpu_of_requests
from bench.filters import measured_in_turns, quartiles, ratios, running, translated
from bench.upstream import upstream
from bench.workload import Options, Table
from bench.world import Raw, edit, endpoint_slice, gateway, policy, route, service

ROUNDS = 12
REQUESTS = 2_000
ITEMS: Final = [{"id": number, "name": f"item {number}", "price": 1.5, "tags": ["a", "b"]} for number in range(18)]
BODY: Final = json.dumps({"total": len(ITEMS), "items": ITEMS}).encode()
"""About 1 KB of JSON."""
HEAD: Final = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n" % len(BODY)
LIST: Final = "[{% for item in items %}{{ item.name | tojson }}{% if not loop.last %}, {% endif %}{% endfor %}]"
CASES: Final[dict[str, Raw]] = {
    "a header of the request": {"request": {"set": [{"name": "x-path", "value": "{{ path() }}"}]}},
    "headers of both": {
        "request": {"set": [{"name": "x-path", "value": "{{ path() }}"}]},
        "response": {"set": [{"name": "x-made", "value": '{{ request_header("user-agent") | default("none") }}'}]},
    },
    "the response as text": {"response": {"body": {"value": '{{ replace(body(), "item", "thing") }}'}}},
    "the response as JSON": {"response": {"body": {"parseAs": "AsJson", "value": LIST}}},
}
"""By what templates read and write, the transformations."""


@dataclass(frozen=True)
class TemplateCost:
    """CPU time a request, in microseconds: the medians of rounds in turns.

    Attributes:
        case: what the templates do.
        ratio: the quartiles of the ratios of rounds that followed each other.
    """

    case: str
    own: float
    plain: float
    ratio: tuple[float, ...]


def measure_all(_: Options) -> list[TemplateCost]:
    """Send requests to the routes of one Envoy, in turns."""
    port = free_port()
    with upstream(HEAD + BODY) as backend:
        slices = endpoint_slice(0, "127.0.0.1", backend)
        config = translated(map(edit, (gateway(port), service(0), slices, *_routes())))
        with running(config, port) as process:
            paths = [f"/route-{number}" for number in range(len(CASES) + 1)]
            plain, *others = measured_in_turns(
                [partial(cpu_of_requests, process, port, _request(each), REQUESTS) for each in paths], ROUNDS
            )
    return [
        TemplateCost(name, statistics.median(own), statistics.median(plain), ratios(own, plain))
        for name, own in zip(CASES, others, strict=True)
    ]


def _routes() -> list[Raw]:
    routes = [route(number, 1, 1) for number in range(len(CASES) + 1)]
    return routes + [policy(number, transformation=each) for number, each in enumerate(CASES.values(), start=1)]


def table(results: Sequence[TemplateCost]) -> Table:
    """Return the table."""
    return Table(
        ("templates of", "with, µs", "without, µs", "ratio", "quartiles"),
        tuple(
            (each.case, f"{each.own:.1f}", f"{each.plain:.1f}", f"{each.ratio[1]:.2f}", quartiles(each.ratio))
            for each in results
        ),
        (f"Responses of {len(BODY)} bytes from a backend on loopback; {ROUNDS} rounds in turns.",),
    )


def _request(path: str) -> bytes:
    return f"GET {path} HTTP/1.1\r\nHost: host-0.example.com\r\nUser-Agent: bench\r\n\r\n".encode()
