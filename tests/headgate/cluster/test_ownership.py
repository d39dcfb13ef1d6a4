"""Ownership in a cluster: our objects, our status entries, and objects without a controller."""

from __future__ import annotations

from typing import Any

from headgate.cluster.ownership import status_of
from headgate.reporting.findings import findings, name_of

OURS, OTHER = "gateway.headgate.dev/controller", "example.com/other"
API = "gateway.networking.k8s.io/v1"


def manifest(kind: str, name: str, spec: dict[str, Any], **status: Any) -> dict[str, Any]:
    """Return an object as the API server has it."""
    metadata: dict[str, Any] = {"name": name, "generation": 2, "managedFields": [{"manager": "x"}]}
    if kind != "GatewayClass":
        metadata["namespace"] = "default"
    return {"apiVersion": API, "kind": kind, "metadata": metadata, "spec": spec, "status": status}


def accepted(**fields: Any) -> dict[str, Any]:
    """Return the condition Accepted of the current generation."""
    return {
        "type": "Accepted",
        "status": "True",
        "reason": "Accepted",
        "message": "",
        "observedGeneration": 2,
        **fields,
    }


def gateway(name: str, of_class: str, *conditions: dict[str, Any]) -> dict[str, Any]:
    """Return a Gateway of a class."""
    return manifest("Gateway", name, {"gatewayClassName": of_class}, conditions=list(conditions))


def route(name: str, *parents: dict[str, Any], entries: tuple[tuple[str, str], ...] = ()) -> dict[str, Any]:
    """Return a route with status entries of these controllers for these Gateways."""
    statuses = [
        {"parentRef": {"name": parent}, "controllerName": controller, "conditions": [accepted()]}
        for controller, parent in entries
    ]
    return manifest("HTTPRoute", name, {"parentRefs": list(parents)}, parents=statuses)


CLASSES = [
    manifest("GatewayClass", "headgate", {"controllerName": OURS}, conditions=[accepted()]),
    manifest("GatewayClass", "other", {"controllerName": OTHER}),
]


def text(*objects: dict[str, Any]) -> list[str]:
    """Return the findings."""
    return [str(each) for each in findings(status_of(objects, OURS))]


def test_only_our_objects_and_entries_are_shown() -> None:
    """Classes, Gateways and entries of other controllers are left out, and so are managedFields."""
    shown = status_of(
        [
            *CLASSES,
            gateway("web", "headgate", accepted()),
            gateway("theirs", "other"),
            route("both", {"name": "web"}, {"name": "theirs"}, entries=((OTHER, "theirs"), (OURS, "web"))),
            route("theirs", {"name": "theirs"}, entries=((OTHER, "theirs"),)),
            manifest("GatewayParameters", "p", {}, conditions=[accepted()]),
        ],
        OURS,
    )
    assert [(each["kind"], name_of(each)) for each in shown["objects"]] == [
        ("GatewayClass", "headgate"),
        ("Gateway", "default/web"),
        ("HTTPRoute", "default/both"),
        ("GatewayParameters", "default/p"),
    ]
    assert [each["controllerName"] for each in shown["objects"][2]["status"]["parents"]] == [OURS]
    assert all("managedFields" not in each["metadata"] for each in shown["objects"])
    assert findings(shown) == []


def test_of_a_policy_only_our_entries_are_shown() -> None:
    """A policy for Gateways of several controllers has our entries only; one for others' Gateways only is left out."""

    def policy(name: str, *controllers: str) -> dict[str, Any]:
        entries = [
            {"ancestorRef": {"name": each}, "controllerName": each, "conditions": [accepted()]} for each in controllers
        ]
        return manifest("TrafficPolicy", name, {"targetRefs": [{"kind": "Gateway", "name": "web"}]}, ancestors=entries)

    shown = status_of([*CLASSES, policy("both", OTHER, OURS), policy("theirs", OTHER)], OURS)["objects"]
    assert [name_of(each) for each in shown if each["kind"] == "TrafficPolicy"] == ["default/both"]
    assert [each["controllerName"] for each in shown[-1]["status"]["ancestors"]] == [OURS]


def test_listener_sets_belong_to_the_controller_of_their_gateway() -> None:
    """ListenerSets of our Gateways are shown, and as parents of routes; one without a Gateway is a finding."""

    def listener_set(name: str, parent: str) -> dict[str, Any]:
        return manifest("ListenerSet", name, {"parentRef": {"name": parent}}, conditions=[accepted()])

    objects = [*CLASSES, gateway("web", "headgate", accepted()), gateway("theirs", "other")]
    sets = [listener_set("ours", "web"), listener_set("others", "theirs"), listener_set("lost", "wbe")]
    shown = status_of([*objects, *sets], OURS)["objects"]
    assert [name_of(each) for each in shown if each["kind"] == "ListenerSet"] == ["default/ours"]
    parents = [{"kind": "ListenerSet", "name": each} for each in ("ours", "others", "missing")]
    told = text(*objects, *sets, route("r", *parents))
    missing = "does not exist, so no controller serves it"
    assert [each.partition(": if none")[0] for each in told] == [
        f"HTTPRoute default/r: spec.parentRefs[2]: ListenerSet default/missing {missing}",
        f"ListenerSet default/lost: spec.parentRef: Gateway default/wbe {missing}",
        "HTTPRoute default/r: Headgate has written no status for ListenerSet default/ours yet",
    ]


def test_missing_classes_and_parents_are_findings() -> None:
    """A missing class, or a missing parent, is a finding, since no controller reports it in a status."""
    assert text(
        *CLASSES, gateway("lost", "headgte"), route("lost", {"name": "wbe"}, {"name": "web", "kind": "Service"})
    ) == [
        "Gateway default/lost: spec.gatewayClassName: GatewayClass headgte does not exist, so no controller serves it",
        "HTTPRoute default/lost: spec.parentRefs[0]: Gateway default/wbe does not exist, so no controller serves it",
    ]
    (missing,) = text(CLASSES[1])
    assert missing.startswith(f"There is no GatewayClass whose spec.controllerName is {OURS}: install Headgate")


def test_outdated_statuses_are_findings() -> None:
    """An object that is newer than its status, or has none of ours, is a finding: Headgate is late or does not run."""
    older = accepted(observedGeneration=1)
    web = gateway("web", "headgate", older)
    findings = text(
        *CLASSES, web, route("new", {"name": "web", "sectionName": "a"}, entries=((OURS, "web"), (OTHER, "web")))
    )
    assert [each.partition(":")[0] for each in findings] == [
        "HTTPRoute default/new",
        "Gateway default/web is newer than what Headgate says of it",
    ]
    assert "Headgate has written no status for Gateway default/web yet" in findings[0]
    unknown = {"type": "Accepted", "status": "Unknown", "reason": "Pending", "message": "Waiting for controller"}
    assert text(*CLASSES, gateway("web", "headgate", unknown)) == [
        "Gateway default/web is not accepted (Pending): Waiting for controller"
    ]
