"""Ownership of a cluster's objects: those of this controller, and those that no controller serves. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from headgate.reporting.findings import name_of
from translator.objects.gateway_api.gateway import Gateway
from translator.objects.gateway_api.gatewayclass import GatewayClass
from translator.objects.gateway_api.listenerset import ListenerSet
from translator.objects.headgate.gatewayparameters import GatewayParameters

Json = Mapping[str, Any]

Parents = Mapping[str, Mapping[str, Json]]
"""Gateways and ListenerSets, by kind and name."""


def status_of(objects: Sequence[Json], controller: str) -> dict[str, Any]:
    """Return the input of `headgate status` for a cluster, in the form of `/status`.

    Args:
        objects: all objects of the kinds that have a status.
        controller: the controller name of Headgate.
    """
    kinds: dict[str, dict[str, Json]] = {}
    for each in objects:
        metadata = {name: value for name, value in each["metadata"].items() if name != "managedFields"}
        kinds.setdefault(each["kind"], {})[name_of(each)] = {**each, "metadata": metadata}
    classes, gateways = kinds.pop(GatewayClass.kind, {}), kinds.pop(Gateway.kind, {})
    parameters = list(kinds.pop(GatewayParameters.kind, {}).values())
    our_classes = {name: each for name, each in classes.items() if each["spec"].get("controllerName") == controller}
    our_gateways = {
        name: each for name, each in gateways.items() if each["spec"].get("gatewayClassName") in our_classes
    }
    sets = kinds.pop(ListenerSet.kind, {})
    our_sets = {name: each for name, each in sets.items() if _parent_gateway(each) in our_gateways}
    parents = {Gateway.kind: gateways, ListenerSet.kind: sets}
    our_parents = {Gateway.kind: our_gateways, ListenerSet.kind: our_sets}
    others = [each for found in kinds.values() for each in found.values()]  # routes and policies
    ours = [_with_our_entries(each, controller) for each in others]
    problems = [] if our_classes else [_no_class(controller)]
    problems += (text for each in gateways.values() for text in _missing_class(each, classes))
    problems += (text for each in others for text in _missing_parents(each, parents))
    problems += (text for each in sets.values() for text in _missing_gateway(each, gateways))
    problems += (text for each in ours for text in _missing_status(each, our_parents))
    shown = [*our_classes.values(), *our_gateways.values(), *our_sets.values()]
    shown += [*(each for each in ours if any(each["status"].values()))]
    return {"objects": [*shown, *parameters], "envoys": [], "problems": problems}


def _with_our_entries(found: Json, controller: str) -> Json:
    """Return a route or policy whose status has only the entries of a controller."""
    status = found.get("status") or {}
    entries = {field: status.get(field) or () for field in ("parents", "ancestors")}
    ours = {
        field: [each for each in some if each.get("controllerName") == controller] for field, some in entries.items()
    }
    return {**found, "status": ours}


def _no_class(controller: str) -> str:
    return (
        f"There is no GatewayClass whose spec.controllerName is {controller}: install Headgate, whose chart brings one "
        f"along, or name the controller with --controller-name"
    )


def _missing_class(gateway: Json, classes: Mapping[str, Json]) -> Iterator[str]:
    name = gateway["spec"].get("gatewayClassName")
    if name not in classes:
        at = f"Gateway {name_of(gateway)}: spec.gatewayClassName"
        yield f"{at}: GatewayClass {name} does not exist, so no controller serves it"


def _parent_gateway(listener_set: Json) -> str | None:
    """Return the name of the Gateway that a ListenerSet names; None if its parent is of another kind."""
    reference = listener_set["spec"].get("parentRef") or {}
    if (reference.get("group", Gateway.group), reference.get("kind", Gateway.kind)) != (Gateway.group, Gateway.kind):
        return None
    return f"{reference.get('namespace', listener_set['metadata']['namespace'])}/{reference.get('name')}"


def _missing_gateway(listener_set: Json, gateways: Mapping[str, Json]) -> Iterator[str]:
    gateway = _parent_gateway(listener_set)
    if gateway is not None and gateway not in gateways:
        at = f"ListenerSet {name_of(listener_set)}: spec.parentRef"
        yield f"{at}: Gateway {gateway} does not exist, so no controller serves it"


def _parents(route: Json) -> Iterator[tuple[int, Json, str, str]]:
    """Yield the parentRefs to Gateways and ListenerSets: index, parentRef, the parent's kind and its name."""
    for place, each in enumerate(route["spec"].get("parentRefs") or ()):
        kind = each.get("kind", Gateway.kind)
        if each.get("group", Gateway.group) == Gateway.group and kind in (Gateway.kind, ListenerSet.kind):
            yield place, each, kind, f"{each.get('namespace', route['metadata']['namespace'])}/{each['name']}"


def _missing_parents(route: Json, parents: Parents) -> Iterator[str]:
    for place, _, kind, name in _parents(route):
        if name not in parents[kind]:
            at = f"{route['kind']} {name_of(route)}: spec.parentRefs[{place}]"
            yield f"{at}: {kind} {name} does not exist, so no controller serves it"


def _missing_status(route: Json, parents: Parents) -> Iterator[str]:
    """Yield a problem for each parentRef to one of our Gateways or ListenerSets without a status entry."""
    written = [each["parentRef"] for each in route["status"]["parents"]]
    for _, parent, kind, name in _parents(route):
        if name in parents[kind] and not any(_is_same(parent, each) for each in written):
            at = f"{route['kind']} {name_of(route)}: Headgate has written no status for {kind} {name} yet"
            yield f"{at}: if none appears, check that Headgate runs and that its leader may write statuses"


def _is_same(one: Json, other: Json) -> bool:
    kinds = [each.get("kind", Gateway.kind) for each in (one, other)]
    fields = ("namespace", "name", "sectionName", "port")
    return kinds[0] == kinds[1] and all(one.get(each) == other.get(each) for each in fields)
