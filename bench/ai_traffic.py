"""The cost of AI traffic: Envoy's CPU time a request that is sent by its model, beside the same one sent by its path.

Two Envoys serve the same plain route, one of them beside routes of models: what these cost others is seen there.
"""

from __future__ import annotations

import json
import statistics
from base64 import b64encode
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Final

from bench.endtoend import free_port
from bench.envoy_cpu import cpu_of_requests
from bench.filters import measured_in_turns, quartiles, ratios, running, translated
from bench.upstream import upstream
from bench.workload import Options, Table
from bench.world import GATEWAY, Raw, edit, endpoint_slice, gateway, manifest, route, service
from translator.inputs import Settings

ROUNDS: Final = 12
REQUESTS: Final = 1_000
GROUP_VERSION: Final = "gateway.headgate.dev/v1alpha1"
HOST: Final = "host-0.example.com"
QUESTION: Final = "How many roads must a man walk down? " * 100
"""About 4 KB, as a short conversation has."""
ANSWER: Final = json.dumps(
    {
        "id": "chat-1",
        "object": "chat.completion",
        "created": 1,
        "model": "small",
        "choices": [{"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": QUESTION}}],
        "usage": {"prompt_tokens": 900, "completion_tokens": 900, "total_tokens": 1800},
    }
).encode()
HEAD: Final = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n" % len(ANSWER)
PLAIN, BY_MODEL, TO_PROVIDER = "plain", "by-model", "to-provider"
LOCAL: Final = Settings(offline=True, local_backends=True)


@dataclass(frozen=True)
class AiCost:
    """CPU time a request, in microseconds: the medians of rounds in turns.

    Attributes:
        case: what becomes of the requests.
        own: with it.
        plain: the same requests without it.
        ratio: the quartiles of the ratios of rounds that followed each other.
    """

    case: str
    own: float
    plain: float
    ratio: tuple[float, ...]


def measure_all(_: Options) -> list[AiCost]:
    """Send requests to both Envoys, in turns."""
    with_ai, without = free_port(), free_port()
    with upstream(HEAD + ANSWER) as backend:
        shared = [service(0), endpoint_slice(0, "127.0.0.1", backend), route(0, 1, 1, f"/{PLAIN}")]
        beside = translated(map(edit, (gateway(with_ai), *shared, *_models(backend))), LOCAL)
        alone = translated(map(edit, (gateway(without), *shared)), LOCAL)
        with running(beside, with_ai) as process, running(alone, without) as other:
            cases = [(other, without, PLAIN), *((process, with_ai, each) for each in (PLAIN, BY_MODEL, TO_PROVIDER))]
            found = measured_in_turns(
                [partial(cpu_of_requests, pid, port, _request(path), REQUESTS) for pid, port, path in cases], ROUNDS
            )
    bare, plain, by_model, to_provider = found
    return [
        _cost("a plain route beside those of models", plain, bare),
        _cost("a route picked by the model", by_model, plain),
        _cost("the same, to a provider with a key", to_provider, plain),
    ]


def _cost(case: str, own: tuple[float, ...], plain: tuple[float, ...]) -> AiCost:
    return AiCost(case, statistics.median(own), statistics.median(plain), ratios(own, plain))


def _models(port: int) -> list[Raw]:
    provider = {
        "name": "local",
        "custom": {},
        "host": "127.0.0.1",
        "port": port,
        "tls": {"disable": {}},
        "auth": {"secretRef": {"name": "key"}},
    }
    backend = {"group": "gateway.headgate.dev", "kind": "Backend", "name": "provider"}
    return [
        manifest("v1", "Secret", "key", data={"apiKey": b64encode(b"sk-bench").decode()}),
        manifest(GROUP_VERSION, "Backend", "provider", spec={"ai": {"providers": [provider]}}),
        _model_route(BY_MODEL, {"name": "service-0", "port": 80}),
        _model_route(TO_PROVIDER, backend),
    ]


def _model_route(name: str, backend: Raw) -> Raw:
    spec = {
        "parentRefs": [{"name": GATEWAY}],
        "hostnames": [HOST],
        "pathPrefix": f"/{name}",
        "rules": [{"models": ["small"], "backendRefs": [backend]}],
    }
    return manifest(GROUP_VERSION, "ModelRoute", name, spec=spec)


def _request(path: str) -> bytes:
    body = json.dumps({"model": "small", "messages": [{"role": "user", "content": QUESTION}]}).encode()
    head = f"POST /{path}/chat/completions HTTP/1.1\r\nHost: {HOST}\r\nContent-Type: application/json\r\n"
    return f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body


def table(results: Sequence[AiCost]) -> Table:
    """Return the table."""
    return Table(
        ("requests of", "with, µs", "without, µs", "more, µs", "ratio", "quartiles"),
        tuple(
            (
                each.case,
                f"{each.own:.1f}",
                f"{each.plain:.1f}",
                f"{each.own - each.plain:.1f}",
                f"{each.ratio[1]:.2f}",
                quartiles(each.ratio),
            )
            for each in results
        ),
        (f"Questions and answers of about {len(ANSWER) // 1000} KB on loopback; {ROUNDS} rounds in turns.",),
    )
