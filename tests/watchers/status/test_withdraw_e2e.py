"""Withdrawal of statuses at a real API server."""

from __future__ import annotations

import asyncio
from typing import Any

import orjson
import pytest

from tests.watchers.status.cluster_writing import ODD, World, accepted
from translator.refs import Ref
from watchers.kubernetes.client import MERGE_PATCH, ApiClient

pytestmark = pytest.mark.e2e

LISTENER = {"name": "http", "protocol": "HTTP", "port": 80}
SERVED: dict[str, list[dict[str, Any]]] = {
    "conditions": [accepted(), accepted() | {"type": "Programmed"}],
    "addresses": [{"type": "IPAddress", "value": "10.1.2.3"}],
    "listeners": [{"name": "http", "supportedKinds": [], "attachedRoutes": 1, "conditions": [accepted()]}],
}


@pytest.fixture
async def world(client: ApiClient, namespace: str) -> World:
    """Return a writer for a new namespace."""
    return World(client, namespace)


async def served(world: World) -> Ref:
    """Create a Gateway whose status, which we wrote, says that it is served."""
    gateway = await world.create("web", "Gateway", gatewayClassName="none-at-all", listeners=[LISTENER])
    async with world.running():
        world.want(gateway, SERVED)
        await world.until(gateway, "m")
    return gateway


async def write_as(world: World, manager: str, ref: Ref, status: dict[str, Any]) -> None:
    """Write a status with the field manager of another controller."""
    await world.client.request(
        "PATCH",
        world.path(ref, "status"),
        query={"fieldManager": manager},
        body={"status": status},
        content_type=MERGE_PATCH,
    )


async def test_an_unmanaged_gateway_has_the_status_of_a_new_one(world: World, client: ApiClient) -> None:
    """Another Headgate than the writer withdraws a status: it has the conditions of a new one, no address, no listener.

    A condition that another client added stays byte for byte.
    """
    gateway = await served(world)
    conditions = (await world.status(gateway))["conditions"]
    await write_as(world, "auditor", gateway, {"conditions": [ODD, *conditions]})
    foreign = orjson.dumps((await world.status(gateway))["conditions"][0])
    again = World(client, world.namespace)
    async with again.running(), asyncio.timeout(30):
        while again.outcomes["Gateway", "written"] < 1:  # noqa: ASYNC110 (another machine, as it were)
            await asyncio.sleep(0.02)
    left = await world.status(gateway)
    assert left.keys() == {"conditions"}
    assert orjson.dumps(left["conditions"][0]) == foreign
    assert {each["type"]: (each["status"], each["reason"]) for each in left["conditions"][1:]} == {
        "Accepted": ("Unknown", "Pending"),
        "Programmed": ("Unknown", "Pending"),
    }
    assert again.outcomes == {("Gateway", "written"): 1}


async def test_a_gateway_of_another_controller_is_unchanged(world: World) -> None:
    """The status of a new controller is unchanged, although it equals ours in part: there is no write."""
    gateway = await served(world)
    again = World(world.client, world.namespace)
    listener = {**LISTENER, "hostname": "a.example"}
    await world.patch(gateway, {"spec": {"gatewayClassName": "theirs", "listeners": [listener]}})
    conditions = [{**each, "observedGeneration": 2} for each in (await world.status(gateway))["conditions"]]
    await write_as(world, "example.com/other", gateway, {"conditions": conditions, "addresses": SERVED["addresses"]})
    before = await client_bytes(world, gateway)
    other = await world.create("last", "Gateway", gatewayClassName="none-at-all", listeners=[LISTENER])
    async with again.running():
        again.want(other, SERVED)  # written after the other one was processed
        await again.until(other, "m")
    assert await client_bytes(world, gateway) == before
    assert again.outcomes == {("Gateway", "written"): 1}


async def client_bytes(world: World, ref: Ref) -> bytes:
    """Return an object as the API server has it, with its resourceVersion."""
    return orjson.dumps(await world.client.get(world.path(ref)))
