"""The finalizer of GatewayClasses: on those that are used, if it is asked for, and never touched on others'."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Any

import pytest

from tests.watchers.status.keeper import Keeper
from translator.inputs import Edit, in_cluster
from translator.refs import Ref
from translator.registry import KINDS
from translator.translator import Translator
from watchers.finalizers.reconciler import FINALIZER, FinalizerReconciler
from watchers.kubernetes.errors import ApiError

CLASS = Ref("GatewayClass", "", "headgate")
OTHERS = "example.com/other"


@asynccontextmanager
async def running(
    keeper: Keeper, in_use: dict[Ref, bool], *, enabled: bool = True, leads: bool = True
) -> AsyncIterator[FinalizerReconciler]:
    """Run a reconciler."""
    reconciler = FinalizerReconciler(keeper, in_use, enabled=enabled, may_write=lambda: leads)
    task = asyncio.create_task(reconciler.run())
    try:
        yield reconciler
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


def stored(**metadata: Any) -> Keeper:
    """Return an API server with a class."""
    keeper = Keeper()
    keeper.put(CLASS, {}, **metadata)
    return keeper


def finalizers(keeper: Keeper) -> list[str]:
    """Return the finalizers of the class."""
    return list(keeper.objects[CLASS]["metadata"].get("finalizers") or [])


async def test_a_class_in_use_has_the_finalizer_until_it_is_not() -> None:
    """The finalizer comes with the first Gateway and goes with the last one; those of others stay, in their order."""
    keeper, in_use = stored(finalizers=[OTHERS]), {CLASS: False}
    async with running(keeper, in_use) as reconciler:
        await keeper.until(lambda: keeper.requests == [("GET", CLASS)])
        in_use[CLASS] = True
        reconciler.enqueue([CLASS, Ref("Gateway", "default", "web")])
        await keeper.until(lambda: keeper.wrote(CLASS) == 1 and keeper.running == 0)
        assert finalizers(keeper) == [OTHERS, FINALIZER]
        in_use[CLASS] = False
        reconciler.enqueue([CLASS])
        await keeper.until(lambda: keeper.wrote(CLASS) == 2 and keeper.running == 0)
        assert finalizers(keeper) == [OTHERS]


async def test_a_removed_finalizer_is_set_again() -> None:
    """A class whose finalizer somebody removes gets it again once that is observed."""
    keeper = stored()
    async with running(keeper, {CLASS: True}) as reconciler:
        await keeper.until(lambda: keeper.wrote(CLASS) == 1 and keeper.running == 0)
        keeper.put(CLASS, {})
        reconciler.enqueue([CLASS])
        await keeper.until(lambda: keeper.wrote(CLASS) == 2 and keeper.running == 0)
    assert finalizers(keeper) == [FINALIZER]


@pytest.mark.parametrize(
    ("in_use", "enabled", "leads", "metadata", "after"),
    [
        ({CLASS: True}, False, True, {"finalizers": [FINALIZER]}, []),
        ({CLASS: False}, True, True, {"finalizers": [FINALIZER], "deletionTimestamp": "2026-01-01T00:00:00Z"}, []),
        ({CLASS: True}, True, True, {"deletionTimestamp": "2026-01-01T00:00:00Z", "finalizers": [OTHERS]}, [OTHERS]),
        ({CLASS: True}, True, False, {"finalizers": [OTHERS]}, [OTHERS]),
        ({}, True, True, {"finalizers": [FINALIZER]}, [FINALIZER]),
    ],
    ids=["not asked for", "deleted, no longer used", "deleted, used", "another leads", "of another controller"],
)
async def test_what_becomes_of_a_class(
    in_use: dict[Ref, bool], enabled: bool, leads: bool, metadata: dict[str, Any], after: list[str]
) -> None:
    """The finalizer is removed where it is not asked for, or not needed; where it cannot be set, nothing is written."""
    keeper = stored(**metadata)
    async with running(keeper, in_use, enabled=enabled, leads=leads) as reconciler:
        reconciler.enqueue([CLASS])
        if after != metadata["finalizers"]:
            await keeper.until(lambda: keeper.wrote(CLASS) == 1 and keeper.running == 0)
        elif in_use:
            await keeper.until(lambda: ("GET", CLASS) in keeper.requests and keeper.running == 0)
    assert finalizers(keeper) == after
    assert keeper.wrote(CLASS) == (after != metadata["finalizers"])


async def test_a_conflict_is_tried_again() -> None:
    """A class that changes between the read and the write is read again."""
    keeper = stored()
    keeper.failures = [ApiError("GET", 409, "Conflict")]
    async with running(keeper, {CLASS: True}) as reconciler:
        await keeper.until(lambda: bool(keeper.requests))
        reconciler.enqueue([CLASS])
        await keeper.until(lambda: keeper.wrote(CLASS) == 1 and keeper.running == 0)
    assert finalizers(keeper) == [FINALIZER]


def gateway_class(controller: str = in_cluster().controller_name) -> dict[str, Any]:
    """Return the class, of a controller."""
    spec = {"controllerName": controller}
    metadata = {"name": CLASS.name}
    return {
        "apiVersion": "gateway.networking.k8s.io/v1",
        "kind": CLASS.kind,
        "metadata": metadata,
        "spec": spec,
    }


def gateway(name: str) -> dict[str, Any]:
    """Return a Gateway of the class."""
    listeners = [{"name": "http", "port": 80, "protocol": "HTTP"}]
    spec = {"gatewayClassName": CLASS.name, "listeners": listeners}
    return {
        "apiVersion": "gateway.networking.k8s.io/v1",
        "kind": "Gateway",
        "metadata": {"name": name, "namespace": "default"},
        "spec": spec,
    }


def edit(raw: dict[str, Any]) -> Edit:
    """Return the edit that creates or changes an object."""
    found = KINDS.parse(raw).object
    assert found is not None
    return Edit(found.ref, found)


def test_which_classes_are_in_use() -> None:
    """A class of this controller is in use while some Gateway names it; of others' nothing is known."""
    translator = Translator(in_cluster(offline=True))
    translator.edit([edit(gateway_class())])
    assert translator.evaluate().classes_in_use == {CLASS: False}
    translator.edit([edit(gateway("one")), edit(gateway("two"))])
    assert translator.evaluate().classes_in_use == {CLASS: True}
    translator.edit([Edit(Ref("Gateway", "default", "one"), None)])
    assert translator.evaluate().classes_in_use == {}
    translator.edit([Edit(Ref("Gateway", "default", "two"), None)])
    assert translator.evaluate().classes_in_use == {CLASS: False}
    translator.edit([edit(gateway_class("example.com/other"))])
    assert translator.evaluate().classes_in_use == {CLASS: None}
    assert translator.classes_in_use == {}
