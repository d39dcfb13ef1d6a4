"""A minimal API server: paginated lists of objects in stored form, and watches without events."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import orjson
from aiohttp import web

from bench.world import GATEWAY, Raw

TIME = "2026-01-31T12:00:00Z"


def stored(raw: Raw, number: int) -> Raw:
    """Return a route as an API server stores it, after Headgate has written its status."""
    metadata = {
        **raw["metadata"],
        "uid": f"2f1c9a34-8f0b-4c19-9d4b-{number:012}",
        "resourceVersion": str(1_000_000 + number),
        "generation": 1,
        "creationTimestamp": TIME,
        "managedFields": [
            {"manager": each, "operation": "Update", "apiVersion": raw["apiVersion"], "time": TIME, "fieldsV1": {}}
            for each in ("kubectl", "headgate")
        ],
    }
    parent = {"group": "gateway.networking.k8s.io", "kind": "Gateway", "name": GATEWAY}
    conditions = [_condition("Accepted", "The route is attached."), _condition("ResolvedRefs", "All are resolved.")]
    status = {"parents": [{"parentRef": parent, "controllerName": "headgate", "conditions": conditions}]}
    return {**raw, "metadata": metadata, "spec": {**raw["spec"], "parentRefs": [parent]}, "status": status}


def _condition(kind: str, message: str) -> dict[str, Any]:
    condition = {"type": kind, "status": "True", "reason": kind, "message": message}
    return {**condition, "observedGeneration": 1, "lastTransitionTime": TIME}


def _page(items: list[Raw], start: int, limit: int) -> bytes:
    end = start + limit
    metadata = {"resourceVersion": "2000000", **({"continue": str(end)} if end < len(items) else {})}
    return orjson.dumps({"metadata": metadata, "items": items[start:end]})


@asynccontextmanager
async def serving(items: list[Raw]) -> AsyncIterator[str]:
    """Serve these objects as the list of every kind, page by page; yield the URL."""
    ended = asyncio.Event()

    async def answer(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        if "watch" in request.query:
            await ended.wait()
        else:
            await response.write(_page(items, int(request.query.get("continue") or 0), int(request.query["limit"])))
        return response

    app = web.Application()
    app.router.add_get("/{path:.*}", answer)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    try:
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        host, port = runner.addresses[0][:2]
        yield f"http://{host}:{port}"
    finally:
        ended.set()
        await runner.cleanup()
