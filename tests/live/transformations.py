"""Policies with transformations, and backends whose answers are transformed."""

from __future__ import annotations

import json
import re
from typing import Any

from aiohttp import web

from tests.live.objects import Manifest, traffic_policy
from tests.live.upstream import Seen, Upstream


def transformation(level: str = "route", name: str = "policy", **fields: Any) -> Manifest:
    """Return a policy with a transformation."""
    return traffic_policy(level, name, transformation=fields)


def to_set(**templates: str) -> dict[str, Any]:
    """Return fields that set headers, by their names with `_` for `-`, and for `:` at the front."""
    names = {name: re.sub("^-", ":", name.replace("_", "-")) for name in templates}
    return {"set": [{"name": names[name], "value": value} for name, value in templates.items()]}


def new_body(value: str, parse_as: str = "AsString", **fields: Any) -> dict[str, Any]:
    """Return fields that replace a body."""
    return {"body": {"parseAs": parse_as, "value": value, **fields}}


def answer(upstream: Upstream, body: bytes = b"", status: int = 200, **headers: str) -> None:
    """Have an upstream give an answer of its own, with headers by their names with `_` for `-`."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}

    async def respond(_: Seen) -> web.StreamResponse:
        return web.Response(body=body, status=status, headers=named)

    upstream.answer = respond


def answer_json(upstream: Upstream, value: Any) -> bytes:
    """Have an upstream answer with JSON; return it."""
    body = json.dumps(value, indent=2).encode()
    answer(upstream, body, content_type="application/json")
    return body
