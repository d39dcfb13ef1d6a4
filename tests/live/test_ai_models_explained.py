"""What is explained of a request with a body is what a real Envoy does with it, where routes go by the model."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator

import pytest

from tests.live.model_routes import at_models, model_route, models, post
from tests.live.objects import Manifest, exact, prefix, route, rule, traffic_policy
from tests.live.proxy import KEY, Proxy
from translator.explain.gateway import explain_at
from translator.explain.request import model_of, parse_request

NAMES = ("gpt-4o", "gpt-4o-mini", "gpt-5", "own", "org/own", "other", "gpt-", "a" * 256, "a" * 257, "ü", "a\nb")
PATTERNS = ("gpt-4o", "gpt-*", "gpt-4o-*", "own", "org/*", "a*", "ü")
PATHS = ("/v1/chat/completions", "/v1/messages", "/v1/models", "/v1/models/own", "/v1", "/v2/x", "/")
BODIES = (b"", b"{}", b"[]", b"x", b'{"model": "own", "model": "own"}', b'{"model": 1}', b"null", b'"own"', b"\xff")
HEADER = "X-Gateway-Model-Name"


def rules(chosen: random.Random) -> list[Manifest]:
    """Return rules of a ModelRoute."""
    return [
        models(
            *chosen.sample([each for each in PATTERNS if each.isascii()], chosen.randint(0, 3)),
            to=chosen.choice(["alpha", "beta", "gamma"]),
            **({"headers": [{"name": "X-Team", "value": "red"}]} if chosen.random() < 0.3 else {}),
        )
        for _ in range(chosen.randint(1, 3))
    ]


def http_rules(chosen: random.Random) -> Iterator[Manifest]:
    """Yield rules of an HTTPRoute, some of which ask for models."""
    for backend in ("alpha", "beta", "gamma"):
        matches = []
        for _ in range(chosen.randint(1, 2)):
            expression = chosen.random() < 0.4
            value = chosen.choice(["gpt-.*", ".*own", "[^g].*"]) if expression else chosen.choice(NAMES[:5])
            header = {"name": HEADER, "value": value, **({"type": "RegularExpression"} if expression else {})}
            path = chosen.choice([prefix("/"), prefix("/v1"), exact("/v1/messages")])
            matches.append({**path, **({"headers": [header]} if chosen.random() < 0.7 else {})})
        yield rule(backend, matches=matches)


def requests(chosen: random.Random) -> Iterator[tuple[str, bytes, dict[str, str]]]:
    """Yield requests: path, body, and headers."""
    for _ in range(40):
        named = json.dumps({"model": chosen.choice(NAMES), "stream": False}, ensure_ascii=False).encode()
        headers = {"X_Team": "red"} if chosen.random() < 0.5 else {}
        headers |= {"X_Gateway_Model_Name": chosen.choice(NAMES[:5])} if chosen.random() < 0.4 else {}
        yield chosen.choice(PATHS), named if chosen.random() < 0.8 else chosen.choice(BODIES), headers


@pytest.mark.parametrize("seed", range(12))
async def test_what_is_explained_of_models(proxy: Proxy, seed: int) -> None:
    """For random routes and bodies: the status and the backend are those explained."""
    chosen = random.Random(seed)
    objects = [model_route(*rules(chosen)), route(*http_rules(chosen), name="route")]
    kept = objects[: 1 if seed % 3 == 0 else 2] if seed % 3 != 1 else objects[1:]
    policies = [at_models(csrf={}), traffic_policy("route", name="other", csrf={})]
    await proxy.apply(*kept, *(policies if seed % 4 == 0 else ()))
    for path, body, headers in requests(chosen):
        response = await post(proxy, body, path, **headers)
        lines = [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
        url = f"http://example.com:{proxy.port}{path}"
        lines.append("content-type: application/json")
        asked = parse_request("POST", url, lines, len(body), model_of(body))
        (outcome,) = explain_at(KEY, proxy.snapshot, asked).outcomes
        seen = response.backend if response.status == 200 else response.status
        to = outcome.destinations[0] if outcome.destinations else None
        told = (to.status or to.cluster.partition("/")[2].partition(":")[0]) if to is not None else 0
        if seen == 503:  # a model that no header can hold, which Envoy sends nowhere
            assert b"invalid header" in response.body
            continue
        assert (told or outcome.status) == seen, (path, body, headers, response.body, outcome)
