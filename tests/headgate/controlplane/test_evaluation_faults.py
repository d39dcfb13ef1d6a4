"""Bugs in one Gateway's evaluation are reported there, and all other Gateways are served."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from unittest.mock import patch

import pytest

from bench.world import edit, manifest
from headgate.controlplane.events import Events
from tests.headgate.controlplane.planes import batches, make
from tests.headgate.waiting import eventually
from translator.engine.query import Query
from translator.gateway import listeners
from translator.infrastructure import manifests
from translator.inputs import Edit
from translator.resources.listeners import listener_resource, port_listener
from translator.resources.outputs import gateway_outputs
from translator.resources.routes import table_resource
from translator.status.gateway import gateway_status
from translator.translator import Translator
from xds.server.server import Server

QUERIES: list[Query[..., Any]] = [
    listeners.valid_listeners,
    listeners.listeners,
    gateway_outputs,
    port_listener,
    listener_resource,
    table_resource,
    manifests.proxy_manifests,
    gateway_status,
]
"""The queries of a Gateway, from its objects to its resources and its status."""


@contextmanager
def bug(query: Query[..., Any], about: str) -> Iterator[None]:
    """Make a query raise for arguments with a name."""
    function = query.function

    def raising(db: Any, *args: Any) -> Any:
        found = function(db, *args)
        if about in str(args):
            raise LookupError("a secret that no status may tell")
        return found

    with patch.object(query, "function", raising):
        yield


def gateway(name: str, port: int) -> Edit:
    """Return a Gateway of one HTTP listener."""
    spec = {"gatewayClassName": "headgate", "listeners": [{"name": "http", "port": port, "protocol": "HTTP"}]}
    return edit(manifest("gateway.networking.k8s.io/v1", "Gateway", name, spec=spec))


def programmed(translator: Translator, name: str) -> str:
    """Return the status and message of a Gateway's condition Programmed."""
    for ref, found in translator.statuses.items():
        if (ref.kind, ref.name) == ("Gateway", name):
            return next(
                f"{each['status']} {each['message']}" for each in found["conditions"] if each["type"] == "Programmed"
            )
    return ""


@pytest.mark.parametrize("query", QUERIES, ids=lambda each: each.name)
async def test_a_bug_affects_one_gateway_only(query: Query[..., Any]) -> None:
    """While any query of one Gateway raises, from the start or later, other Gateways are published."""
    queue: asyncio.Queue[tuple[Edit, ...]] = asyncio.Queue()

    async def queued() -> Any:
        while True:
            yield await queue.get()

    async with Server(lambda node: node.cluster) as server, asyncio.TaskGroup() as group:
        plane, _ = make(server)
        translator, evaluator = plane.translator, plane.evaluator
        tasks = [group.create_task(evaluator.take(queued())), group.create_task(evaluator.run())]
        with bug(query, "broken"):
            queue.put_nowait((gateway("broken", 9001), gateway("good", 9002)))
            await eventually(lambda: programmed(translator, "broken").startswith("False A bug in Headgate"))
            assert "secret" not in programmed(translator, "broken")
            await eventually(lambda: programmed(translator, "good").startswith("True"))
            queue.put_nowait((gateway("good", 9003),))
            await eventually(lambda: ports(translator, "good") == ["port-9003"])
        queue.put_nowait((gateway("broken", 9004),))
        await eventually(lambda: programmed(translator, "broken").startswith("True"))
        assert ports(translator, "broken") == ["port-9004"]
        with bug(query, "broken"):
            queue.put_nowait((gateway("broken", 9005), gateway("good", 9006)))
            await eventually(lambda: programmed(translator, "broken").startswith("False A bug in Headgate"))
            await eventually(lambda: ports(translator, "good") == ["port-9006"])
        for each in tasks:
            each.cancel()


def ports(translator: Translator, name: str) -> list[str]:
    """Return the names of the listeners that are published for a Gateway."""
    found = [snapshot for ref, snapshot in translator.snapshots.items() if ref.name == name]
    return [each.name for snapshot in found for each in snapshot if each.reference.type_url.endswith(".Listener")]


async def test_a_bug_in_an_event_handler_is_contained() -> None:
    """A bug in an event handler does not end the evaluation loop."""

    def fail(*_: Any) -> None:
        raise RuntimeError("a bug")

    events = Events()
    for method in ("gateways_changed", "conditions_changed", "evaluated"):
        setattr(events, method, fail)
    async with Server(lambda node: node.cluster) as server:
        plane, _ = make(server, events)
        evaluating = asyncio.create_task(plane.evaluator.run())
        await plane.evaluator.take(batches(gateway("one", 9001)))
        await plane.keys.ready.wait()
        with patch.object(Server, "publish", fail):
            await plane.evaluator.take(batches(gateway("two", 9002)))
            await eventually(lambda: len(plane.translator.snapshots) == 2)
        assert not evaluating.done()
        evaluating.cancel()
