"""Ownership of a cluster's objects: those of this controller, and those that no controller serves. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from headgate.reporting.findings import name_of
from translator.objects.gateway_api.gateway import Gateway
from translator.objects.gateway_api.gatewayclass import GatewayClass
from translator.objects.headgate.gatewayparameters import GatewayParameters

Json = Mapping[str, Any]


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
    others = [each for found in kinds.values() for each in found.values()]  # routes and policies
    ours = [_with_our_entries(each, controller) for each in others]
    problems = [] if our_classes else [_no_class(controller)]
    problems += (text for each in gateways.values() for text in _missing_class(each, classes))
    problems += (text for each in others for text in _missing_parents(each, gateways))
    problems += (text for each in ours for text in _missing_status(each, our_gateways))
    shown = [*our_classes.values(), *our_gateways.values(), *(each for each in ours if any(each["status"].values()))]
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


def _parents(route: Json) -> Iterator[tuple[int, Json, str]]:
    """Yield the parentRefs to Gateways: index, parentRef and the Gateway's name."""
    for place, each in enumerate(route["spec"].get("parentRefs") or ()):
        if (each.get("group", Gateway.group), each.get("kind", Gateway.kind)) == (Gateway.group, Gateway.kind):
            yield place, each, f"{each.get('namespace', route['metadata']['namespace'])}/{each['name']}"


def _missing_parents(route: Json, gateways: Mapping[str, Json]) -> Iterator[str]:
    for place, _, gateway in _parents(route):
        if gateway not in gateways:
            at = f"{route['kind']} {name_of(route)}: spec.parentRefs[{place}]"
            yield f"{at}: Gateway {gateway} does not exist, so no controller serves it"


def _missing_status(route: Json, gateways: Mapping[str, Json]) -> Iterator[str]:
    """Yield a problem for each parentRef to one of our Gateways without a status entry."""
    written = [each["parentRef"] for each in route["status"]["parents"]]
    for _, parent, gateway in _parents(route):
        if gateway in gateways and not any(_is_same(parent, each) for each in written):
            at = f"{route['kind']} {name_of(route)}: Headgate has written no status for Gateway {gateway} yet"
            yield f"{at}: if none appears, check that Headgate runs and that its leader may write statuses"


def _is_same(one: Json, other: Json) -> bool:
    return all(one.get(each) == other.get(each) for each in ("namespace", "name", "sectionName", "port"))
