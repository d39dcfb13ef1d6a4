"""The status store: transition times, and condition changes that are logged once."""

from datetime import UTC, datetime
from typing import Any

from headgate.controlplane.status_store import StatusStore
from translator.objects.gateway_api.gateway import Gateway
from translator.objects.gateway_api.httproute import HTTPRoute
from translator.refs import Ref
from translator.registry import KINDS

WEB = Ref(Gateway.kind, "default", "web")
SHOP = Ref(HTTPRoute.kind, "default", "shop")
NOON, LATER = datetime(2026, 1, 1, 12, tzinfo=UTC), datetime(2026, 1, 1, 13, tzinfo=UTC)


def condition(kind: str, status: str, message: str = "", reason: str = "Because") -> dict[str, Any]:
    """Return a condition as the translator gives it."""
    return {"type": kind, "status": status, "reason": reason, "message": message}


def gateway(*conditions: dict[str, Any]) -> dict[str, Any]:
    """Return a Gateway's status."""
    return {
        "conditions": list(conditions),
        "listeners": [{"name": "http", "conditions": [condition("Accepted", "True")]}],
    }


def route(parent: str, *conditions: dict[str, Any]) -> dict[str, Any]:
    """Return a route's status at one parent."""
    return {"parents": [{"parentRef": {"name": parent}, "conditions": list(conditions)}]}


def statuses() -> StatusStore:
    """Statuses of objects of which only the Gateway is known."""
    raw = {
        "apiVersion": "gateway.networking.k8s.io/v1",
        "kind": "Gateway",
        "metadata": {"name": "web", "generation": 3},
        "spec": {"gatewayClassName": "headgate", "listeners": [{"name": "http", "port": 80, "protocol": "HTTP"}]},
    }
    return StatusStore({WEB: KINDS.parse(raw).object}.get)


def told(found: StatusStore, ref: Ref, status: dict[str, Any] | None) -> list[str]:
    """Return what is told of a new status."""
    return [each.text for each in found.update({ref: status}, NOON)]


def test_a_condition_s_time_is_that_of_its_last_transition() -> None:
    """`lastTransitionTime` stays while the condition's status does, whatever its message and neighbours do."""
    found = statuses()
    found.update({WEB: gateway(condition("Accepted", "True"), condition("Programmed", "False"))}, NOON)
    found.update({WEB: gateway(condition("Accepted", "True", "other words"), condition("Programmed", "True"))}, LATER)
    (shown,) = found.objects()
    times = [each["lastTransitionTime"] for each in shown["status"]["conditions"]]
    assert times == ["2026-01-01T12:00:00Z", "2026-01-01T13:00:00Z"]
    (listener,) = shown["status"]["listeners"]
    assert listener["conditions"][0]["lastTransitionTime"] == "2026-01-01T12:00:00Z"


def test_objects_look_as_the_api_server_s() -> None:
    """An object is shown with apiVersion, kind, metadata and status, and what is needed of its spec."""
    found = statuses()
    found.update({WEB: gateway(), SHOP: route("web")})
    (shown,) = found.objects()
    assert shown["apiVersion"] == "gateway.networking.k8s.io/v1"
    assert shown["metadata"] == {"name": "web", "namespace": "default", "generation": 3}
    assert shown["spec"] == {"gatewayClassName": "headgate"}


def test_a_gateway_that_works_is_told_once() -> None:
    """The first time a Gateway is programmed is told, an equal status is not."""
    found = statuses()
    assert told(found, WEB, gateway(condition("Programmed", "True"))) == ["Gateway default/web is programmed"]
    assert told(found, WEB, gateway(condition("Programmed", "True"))) == []


def test_what_is_not_good_is_told_once() -> None:
    """A condition that is not good is told with its message; again only when the message is another."""
    found = statuses()
    bad = route("web", condition("Accepted", "False", "no such Gateway"))
    assert told(found, SHOP, bad) == ["HTTPRoute default/shop is not accepted (Gateway web): no such Gateway"]
    assert told(found, SHOP, bad) == []
    other = route("web", condition("Accepted", "False", "not allowed"))
    assert told(found, SHOP, other) == ["HTTPRoute default/shop is not accepted (Gateway web): not allowed"]


def test_what_is_good_again_is_told() -> None:
    """A condition that was not good and is now is told, also when the route has another parent by then."""
    found = statuses()
    told(found, SHOP, route("wbe", condition("Accepted", "False", "no such Gateway")))
    assert told(found, SHOP, route("web", condition("Accepted", "True"))) == ["HTTPRoute default/shop is accepted"]


def test_what_is_no_longer_partially_invalid_is_told() -> None:
    """A condition that is there only while something is wrong is told to be mended when it goes, if nothing else is."""
    found = statuses()
    accepted, partly = condition("Accepted", "True"), condition("PartiallyInvalid", "True", "Fall Back: no")
    assert told(found, SHOP, route("web", accepted, partly)) == [
        "HTTPRoute default/shop is valid only in part (Gateway web): Fall Back: no"
    ]
    assert told(found, SHOP, route("web", accepted)) == ["HTTPRoute default/shop is valid as a whole"]
    told(found, SHOP, route("web", accepted, partly))
    worse = condition("Accepted", "False", "nothing is left")
    assert told(found, SHOP, route("web", worse)) == [
        "HTTPRoute default/shop is not accepted (Gateway web): nothing is left"
    ]


def test_one_message_is_told_once_per_object() -> None:
    """What a Gateway and its listener say alike is told once."""
    status = gateway(condition("Accepted", "False", "listener http: the port is reserved"))
    status["listeners"][0]["conditions"] = [condition("Accepted", "False", "the port is reserved")]
    assert told(statuses(), WEB, status) == ["Gateway default/web is not accepted: listener http: the port is reserved"]


def test_negative_conditions_are_good_when_they_are_false() -> None:
    """Conflicted=False is nothing to tell; Conflicted=True is."""
    found = statuses()
    status = gateway()
    status["listeners"][0]["conditions"] = [condition("Conflicted", "False")]
    assert told(found, WEB, status) == []
    status = gateway()
    status["listeners"][0]["conditions"] = [condition("Conflicted", "True", "with https")]
    assert told(found, WEB, status) == ["Gateway default/web, listener http, is in conflict: with https"]


def test_what_is_gone_is_forgotten() -> None:
    """An object without a status any more is not shown; when it comes back it is news."""
    found = statuses()
    told(found, WEB, gateway(condition("Programmed", "True")))
    assert told(found, WEB, None) == []
    assert found.objects() == []
    assert told(found, WEB, gateway(condition("Programmed", "True"))) == ["Gateway default/web is programmed"]


def test_the_conditions_of_a_policy_are_those_of_its_ancestors() -> None:
    """What an ancestor of a policy says is logged with the Gateway's name, and has its own times."""
    policy = Ref("TrafficPolicy", "default", "slow")

    def status(*conditions: dict[str, Any]) -> dict[str, Any]:
        ancestor = {"kind": "Gateway", "namespace": "default", "name": "web"}
        return {"ancestors": [{"ancestorRef": ancestor, "conditions": list(conditions)}]}

    found = statuses()
    overridden = condition("Attached", "False", "cors is overridden.", "Overridden")
    assert told(found, policy, status(condition("Accepted", "True"), overridden)) == [
        "TrafficPolicy default/slow is not attached (Gateway default/web): cors is overridden."
    ]
    assert told(found, policy, status(condition("Accepted", "True"), condition("Attached", "True"))) == [
        "TrafficPolicy default/slow is attached"
    ]
