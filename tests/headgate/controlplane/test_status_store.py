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
    """Return a condition in the form of the translator."""
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
    """Return a store that knows one object, a Gateway."""
    raw = {
        "apiVersion": "gateway.networking.k8s.io/v1",
        "kind": "Gateway",
        "metadata": {"name": "web", "generation": 3},
        "spec": {"gatewayClassName": "headgate", "listeners": [{"name": "http", "port": 80, "protocol": "HTTP"}]},
    }
    return StatusStore({WEB: KINDS.parse(raw).object}.get)


def changes_of(found: StatusStore, ref: Ref, status: dict[str, Any] | None) -> list[str]:
    """Return the texts of the condition changes of a new status."""
    return [each.text for each in found.update({ref: status}, NOON)]


def test_a_condition_s_time_is_that_of_its_last_transition() -> None:
    """`lastTransitionTime` changes only with the condition's status, not with its message or other conditions."""
    found = statuses()
    found.update({WEB: gateway(condition("Accepted", "True"), condition("Programmed", "False"))}, NOON)
    found.update({WEB: gateway(condition("Accepted", "True", "other words"), condition("Programmed", "True"))}, LATER)
    (shown,) = found.objects()
    times = [each["lastTransitionTime"] for each in shown["status"]["conditions"]]
    assert times == ["2026-01-01T12:00:00Z", "2026-01-01T13:00:00Z"]
    (listener,) = shown["status"]["listeners"]
    assert listener["conditions"][0]["lastTransitionTime"] == "2026-01-01T12:00:00Z"


def test_objects_have_the_api_servers_form() -> None:
    """An object has apiVersion, kind, metadata, status, and some fields of its spec; none if it never was valid."""
    found = statuses()
    found.update({WEB: gateway(), SHOP: route("web")})
    shown, invalid = found.objects()
    assert invalid["metadata"] == {"name": "shop", "namespace": "default"}
    assert invalid["spec"] == {}
    assert shown["apiVersion"] == "gateway.networking.k8s.io/v1"
    assert shown["metadata"] == {"name": "web", "namespace": "default", "generation": 3}
    assert shown["spec"] == {"gatewayClassName": "headgate"}


def test_listener_sets_are_shown_with_their_gateway() -> None:
    """The fields of a ListenerSet's spec are there that `headgate status` has in its table."""
    listener = {"name": "http", "port": 80, "protocol": "HTTP"}
    spec = {"parentRef": {"name": "web"}, "listeners": [listener]}
    raw = {"apiVersion": "gateway.networking.k8s.io/v1", "kind": "ListenerSet", "metadata": {"name": "more"}}
    ref = Ref("ListenerSet", "default", "more")
    found = StatusStore({ref: KINDS.parse({**raw, "spec": spec}).object}.get)
    found.update({ref: gateway()})
    (shown,) = found.objects()
    assert shown["spec"] == {"parentRef": {"name": "web"}}


def test_a_programmed_gateway_is_reported_once() -> None:
    """The first time that a Gateway is programmed is a change, an equal status is not."""
    found = statuses()
    assert changes_of(found, WEB, gateway(condition("Programmed", "True"))) == ["Gateway default/web is programmed"]
    assert changes_of(found, WEB, gateway(condition("Programmed", "True"))) == []


def test_a_bad_condition_is_reported_once() -> None:
    """A condition that turns bad is reported with its message, and again only with another message."""
    found = statuses()
    bad = route("web", condition("Accepted", "False", "no such Gateway"))
    assert changes_of(found, SHOP, bad) == ["HTTPRoute default/shop is not accepted (Gateway web): no such Gateway"]
    assert changes_of(found, SHOP, bad) == []
    other = route("web", condition("Accepted", "False", "not allowed"))
    assert changes_of(found, SHOP, other) == ["HTTPRoute default/shop is not accepted (Gateway web): not allowed"]


def test_a_resolved_condition_is_reported() -> None:
    """A condition that turns good is reported, even if the route has another parent by then."""
    found = statuses()
    changes_of(found, SHOP, route("wbe", condition("Accepted", "False", "no such Gateway")))
    assert changes_of(found, SHOP, route("web", condition("Accepted", "True"))) == [
        "HTTPRoute default/shop is accepted"
    ]


def test_the_removal_of_a_negative_condition_is_reported() -> None:
    """A condition that exists only while it is bad is reported as resolved when it is removed and no other is bad."""
    found = statuses()
    accepted, partly = condition("Accepted", "True"), condition("PartiallyInvalid", "True", "Fall Back: no")
    assert changes_of(found, SHOP, route("web", accepted, partly)) == [
        "HTTPRoute default/shop is valid only in part (Gateway web): Fall Back: no"
    ]
    assert changes_of(found, SHOP, route("web", accepted)) == ["HTTPRoute default/shop is valid as a whole"]
    changes_of(found, SHOP, route("web", accepted, partly))
    worse = condition("Accepted", "False", "nothing is left")
    assert changes_of(found, SHOP, route("web", worse)) == [
        "HTTPRoute default/shop is not accepted (Gateway web): nothing is left"
    ]


def test_a_message_is_reported_once_per_object() -> None:
    """A message that a Gateway and its listener share is reported once."""
    status = gateway(condition("Accepted", "False", "listener http: the port is reserved"))
    status["listeners"][0]["conditions"] = [condition("Accepted", "False", "the port is reserved")]
    assert changes_of(statuses(), WEB, status) == [
        "Gateway default/web is not accepted: listener http: the port is reserved"
    ]


def test_negative_conditions_are_good_when_they_are_false() -> None:
    """Conflicted=True is reported, Conflicted=False is not."""
    found = statuses()
    status = gateway()
    status["listeners"][0]["conditions"] = [condition("Conflicted", "False")]
    assert changes_of(found, WEB, status) == []
    status = gateway()
    status["listeners"][0]["conditions"] = [condition("Conflicted", "True", "with https")]
    assert changes_of(found, WEB, status) == ["Gateway default/web, listener http, is in conflict: with https"]


def test_what_is_gone_is_forgotten() -> None:
    """An object that no longer has a status is not listed; a later status is a change again."""
    found = statuses()
    changes_of(found, WEB, gateway(condition("Programmed", "True")))
    assert changes_of(found, WEB, None) == []
    assert found.objects() == []
    assert changes_of(found, WEB, gateway(condition("Programmed", "True"))) == ["Gateway default/web is programmed"]


def test_the_conditions_of_a_policy_are_those_of_its_ancestors() -> None:
    """Conditions of a policy's ancestor are reported with the Gateway's name, and have their own times."""
    policy = Ref("TrafficPolicy", "default", "slow")

    def status(*conditions: dict[str, Any]) -> dict[str, Any]:
        ancestor = {"kind": "Gateway", "namespace": "default", "name": "web"}
        return {"ancestors": [{"ancestorRef": ancestor, "conditions": list(conditions)}]}

    found = statuses()
    overridden = condition("Attached", "False", "cors is overridden.", "Overridden")
    assert changes_of(found, policy, status(condition("Accepted", "True"), overridden)) == [
        "TrafficPolicy default/slow is not attached (Gateway default/web): cors is overridden."
    ]
    assert changes_of(found, policy, status(condition("Accepted", "True"), condition("Attached", "True"))) == [
        "TrafficPolicy default/slow is attached"
    ]


def test_missing_targets_of_policies_are_counted() -> None:
    """The store knows how many targets of policies do not exist, as statuses come, change and go."""
    store, policy = StatusStore(lambda _: None), Ref("TrafficPolicy", "a", "p")

    def status(*reasons: str) -> dict[str, Any]:
        conditions = [{"type": "Accepted", "status": "False", "reason": each, "message": ""} for each in reasons]
        ancestors = [{"ancestorRef": {"kind": "HTTPRoute", "name": f"{n}"}} for n in range(len(reasons))]
        both = zip(ancestors, conditions, strict=True)
        return {"ancestors": [{**ancestor, "conditions": [each]} for ancestor, each in both]}

    for found, count in (
        (status("TargetNotFound", "TargetNotFound", "Invalid"), 2),
        (status("TargetNotFound"), 1),
        (None, 0),
    ):
        store.update({policy: found})
        assert store.missing_targets == count
