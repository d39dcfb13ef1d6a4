"""Observed statuses of an informer."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from typing import Any, Final

from translator.objects.gateway_api.httproute import HTTPRoute
from translator.refs import Ref
from watchers.diagnostics import DiagnosticSet
from watchers.informers.informer import AT_ONCE, Informer
from watchers.informers.list_watch import ListWatch
from watchers.informers.reflector import Reflected, Reflector

MANAGER: Final = "gateway.headgate.dev/controller"
COUNT: Final = 3 * AT_ONCE


class Lists(Reflector):
    """A reflector that reads these lists, one after another."""

    def __init__(self, *lists: dict[str, Any]) -> None:
        self.model, self.version, self.mirror = HTTPRoute, "v1", ListWatch("HTTPRoute")
        self._lists = lists

    async def batches(self) -> AsyncGenerator[Reflected, None]:
        """Yield the changes of each list."""
        for each in self._lists:
            self.mirror.expired()
            yield Reflected(self.mirror.page(each), False)


def routes(version: int) -> dict[str, Any]:
    """Return a list of routes whose resource version, generation and status identify the list."""
    metadata = {"namespace": "shop", "resourceVersion": str(version), "generation": version, "managedFields": []}
    items = [
        {
            "metadata": {**metadata, "name": f"r{number}", "uid": f"u{number}"},
            "spec": {},
            "status": {"parents": [{"controllerName": f"example.com/{version}"}]},
        }
        for number in range(COUNT)
    ]
    return {"metadata": {"resourceVersion": str(version)}, "items": items}


async def test_observed_version_and_status_are_consistent() -> None:
    """However many objects change at once, each is observed with the version of its status."""
    objects = Informer(Lists(routes(1), routes(2)), DiagnosticSet(), MANAGER)
    seen = set()
    async for _ in objects.batches():
        for number in range(COUNT):
            if found := objects.observed(Ref("HTTPRoute", "shop", f"r{number}")):
                (parent,) = found.status["parents"]
                seen.add((found.resource_version, found.generation, parent["controllerName"]))
    assert seen == {("1", 1, "example.com/1"), ("2", 2, "example.com/2")}


async def test_a_changed_status_yields_no_edit() -> None:
    """An object of which only the status has changed is observed, but neither parsed nor yielded; any other one is."""
    first, second, third = routes(1), routes(1), routes(1)
    for version, listed in ((2, second), (3, third)):
        listed["metadata"]["resourceVersion"] = str(version)
        for each in listed["items"]:
            each["metadata"]["resourceVersion"] = str(version)
            each["status"] = {"parents": [{"controllerName": f"example.com/{version}"}]}
    third["items"][0]["metadata"]["labels"] = {"a": "b"}
    third["items"][1]["spec"] = {"hostnames": ["a.example"]}
    told: list[Ref] = []
    objects = Informer(Lists(first, second, third), DiagnosticSet(), MANAGER, told.extend)
    edited = [each.ref.name async for batch in objects.batches() for each in batch.edits]
    assert edited[COUNT:] == ["r0", "r1"]
    assert len(told) == COUNT + COUNT - 2
    found = objects.observed(Ref("HTTPRoute", "shop", "r2"))
    assert found is not None
    assert (found.resource_version, found.status["parents"][0]["controllerName"]) == ("3", "example.com/3")
