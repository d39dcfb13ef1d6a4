"""CORS by TrafficPolicies: what is refused, and what becomes of targets that come and go."""

from __future__ import annotations

import pytest

from bench.world import GATEWAY, NAMESPACE, Raw, edit, gateway, manifest, removal, route, world
from headgate_proto.envoy.config.route.v3.route_pb2 import RouteConfiguration
from translator.extensions.cors import MOST_CONDITION_LENGTH, MOST_NAMES_LENGTH
from translator.inputs import Settings
from translator.refs import Ref
from translator.translator import Translator
from xds import ROUTE, Reference, check, diff

WEB = Ref("Gateway", NAMESPACE, GATEWAY)


def traffic_policy(kind: str, name: str, section: str = "", **cors: object) -> Raw:
    """Return a TrafficPolicy that is called as its target."""
    target = {"group": "gateway.networking.k8s.io", "kind": kind, "name": name}
    spec = {"targetRefs": [target | ({"sectionName": section} if section else {})], "cors": cors}
    return manifest("gateway.headgate.dev/v1alpha1", "TrafficPolicy", f"{name}{section}", spec=spec)


def serving(*raws: Raw) -> Translator:
    """Return a translator with three routes and these objects."""
    made = Translator(Settings(offline=True))
    made.edit((*world(3, 4, 5), *map(edit, raws)))
    assert made.evaluate().failures == []
    return made


def table(translator: Translator) -> RouteConfiguration:
    """Return the route table."""
    resource = translator.snapshots[WEB].get(Reference(ROUTE, "port-10080"))
    assert resource is not None
    return RouteConfiguration.FromString(resource.body)


def conditions(translator: Translator, name: str) -> dict[str, tuple[str, str, str]]:
    """Return status, reason and message of the conditions at the one ancestor of a policy.

    Without ResolvedRefs and Programmed where they hold.
    """
    (ancestor,) = translator.statuses[Ref("TrafficPolicy", NAMESPACE, name)]["ancestors"]
    return {
        each["type"]: (each["status"], each["reason"], each["message"])
        for each in ancestor["conditions"]
        if each["status"] != "True" or each["type"] not in ("ResolvedRefs", "Programmed")
    }


@pytest.mark.parametrize("field", ["allowHeaders", "exposeHeaders"])
@pytest.mark.parametrize(("kind", "name"), [("Gateway", GATEWAY), ("HTTPRoute", "route-1")])
def test_names_of_headers_that_are_too_long(kind: str, name: str, field: str) -> None:
    """Names that no expression can hold are refused with their length; all else is served."""
    names = [f"x-{number:02}-{'a' * 250}" for number in range(30)]
    policy = traffic_policy(kind, name, allowOrigins=["*"])
    policy["spec"]["cors"][field] = names
    translator = serving(policy)
    length = len(", ".join(names))
    assert length > MOST_NAMES_LENGTH
    text = f"spec.cors.{field}: the names take {length} bytes, and {MOST_NAMES_LENGTH} are the most; name fewer."
    found = conditions(translator, name)
    assert found["Accepted"] == ("False", "Invalid", text)
    why = "Nothing of the policy is effective: Accepted and ResolvedRefs say why."
    assert found["Attached"] == ("False", "Invalid", why)
    assert not diff(translator.snapshots[WEB], serving().snapshots[WEB])


def test_many_origins_take_several_conditions() -> None:
    """So many origins that one condition would be longer than a header's value are divided; Envoy's rules hold."""
    origins = [f"https://*.{number:02}.{'a' * 200}.com" for number in range(64)]
    found = table(serving(traffic_policy("Gateway", GATEWAY, allowOrigins=origins)))
    values = [each.header.value for each in found.response_headers_to_add if each.header.key.endswith("allow-origin")]
    assert len(values) > 1
    assert max(map(len, values)) < MOST_CONDITION_LENGTH + 100
    assert all(sum(origin[9:] in value for value in values) == 1 for origin in origins)
    assert not check(found)


def test_a_target_may_come_later() -> None:
    """A policy says that its target is missing until it is there; with the target it is in effect."""
    policy = traffic_policy("HTTPRoute", "route-3", allowOrigins=["https://a.com"])
    translator = serving(policy)
    status, reason, text = conditions(translator, "route-3")["Accepted"]
    assert (status, reason) == ("False", "TargetNotFound")
    assert text.startswith("spec.targetRefs[0]: HTTPRoute shop/route-3 does not exist")
    translator.edit([edit(route(3, 4, 5))])
    translator.evaluate()
    assert {name: found[:2] for name, found in conditions(translator, "route-3").items()} == {
        "Accepted": ("True", "Accepted"),
        "Attached": ("True", "Attached"),
    }
    translator.edit([removal(route(3, 4, 5))])
    translator.evaluate()
    assert conditions(translator, "route-3")["Accepted"][1] == "TargetNotFound"


def test_a_filter_of_all_rules_overrides_a_policy() -> None:
    """A policy whose route says it all by filters of its own has no effect, and says so."""
    own = route(1, 4, 5)
    own["spec"]["rules"][0]["filters"] = [{"type": "CORS", "cors": {"allowOrigins": ["https://own.com"]}}]
    translator = serving(own, traffic_policy("HTTPRoute", "route-1", allowOrigins=["https://a.com"]))
    attached = conditions(translator, "route-1")["Attached"]
    assert attached == ("False", "Overridden", "cors.allowOrigins is overridden by the route itself.")
    assert "a.com" not in str(table(translator))


def test_nothing_is_left_of_policies_that_went() -> None:
    """With policies of all levels gone, everything is as it was before."""
    translator, before = serving(), serving()
    policies = [
        traffic_policy("Gateway", GATEWAY, allowOrigins=["https://a.com"]),
        traffic_policy("Gateway", GATEWAY, "http", allowOrigins=["https://b.com"]),
        traffic_policy("HTTPRoute", "route-1", maxAge=9),
    ]
    translator.edit(map(edit, policies))
    translator.evaluate()
    assert table(translator).most_specific_header_mutations_wins
    translator.edit([edit(gateway(hostname="*.example.com"))])
    translator.evaluate()
    translator.edit([*map(removal, policies), edit(gateway())])
    assert translator.evaluate().failures == []
    assert not diff(translator.snapshots[WEB], before.snapshots[WEB])
    assert dict(translator.statuses) == dict(before.statuses)


def test_a_default_that_is_no_longer_set_is_inherited() -> None:
    """A field that is set to its default overrides the Gateway's; taken out of the policy, it comes from there."""
    wide = traffic_policy("Gateway", GATEWAY, allowOrigins=["https://a.com"], maxAge=9)
    origins = ["https://own.com"]
    translator = serving(wide, traffic_policy("HTTPRoute", "route-1", allowOrigins=origins, maxAge=5))
    unset = traffic_policy("HTTPRoute", "route-1", allowOrigins=origins)
    translator.edit([edit(unset)])
    translator.evaluate()
    assert conditions(translator, "route-1")["Attached"][1] == "Merged"
    assert not diff(translator.snapshots[WEB], serving(wide, unset).snapshots[WEB])


def two_targets() -> Raw:
    """Return a policy for two routes."""
    policy = traffic_policy("HTTPRoute", "route-1", allowOrigins=["https://a.com"])
    policy["metadata"]["name"] = "two"
    targets = policy["spec"]["targetRefs"]
    policy["spec"]["targetRefs"] = [*targets, targets[0] | {"name": "route-2"}]
    return policy


def test_a_policy_that_loses_one_of_its_targets() -> None:
    """A policy is in conflict only where nothing of it is effective; of several targets the status names those lost."""
    older = traffic_policy("HTTPRoute", "route-1", allowOrigins=["https://older.com"])
    translator = serving(older, two_targets())
    assert "https://a.com" in str(table(translator))
    lost = "cors.allowOrigins is overridden by TrafficPolicy shop/route-1"
    assert conditions(translator, "two") == {
        "Accepted": ("True", "Accepted", "The policy is valid."),
        "Attached": ("True", "PartiallyOverridden", f"{lost} at HTTPRoute route-1."),
    }
    also = traffic_policy("HTTPRoute", "route-2", allowOrigins=["https://older.com"])
    translator.edit([edit(also)])
    translator.evaluate()
    both = f"{lost}; cors.allowOrigins is overridden by TrafficPolicy shop/route-2."
    assert conditions(translator, "two") == {
        "Accepted": ("False", "Conflicted", both),
        "Attached": ("False", "Overridden", both),
    }


def test_a_filter_at_one_of_the_targets() -> None:
    """Where one of two routes has a filter of its own, the policy is effective at the other."""
    own = route(1, 4, 5)
    own["spec"]["rules"][0]["filters"] = [{"type": "CORS", "cors": {}}]
    attached = conditions(serving(own, two_targets()), "two")["Attached"]
    lost = "cors.allowOrigins is overridden by the route itself at HTTPRoute route-1."
    assert attached == ("True", "PartiallyOverridden", lost)


@pytest.mark.parametrize(
    ("group", "kind", "text"),
    [
        (
            "",
            "HTTPRoute",
            "[0].group: HTTPRoute is a kind of the group gateway.networking.k8s.io, not of ''",
        ),
        (
            "",
            "Service",
            "[0]: a TrafficPolicy cannot target a Service; it can target: gateway, listener set, ",
        ),
        ("gateway.networking.k8s.io", "httproute", "HTTPRoute, GRPCRoute, ModelRoute, TCPRoute, TLSRoute, UDPRoute."),
    ],
)
def test_targets_of_a_wrong_kind(group: str, kind: str, text: str) -> None:
    """The status tells a wrong group from a wrong kind, and which kinds there are."""
    policy = traffic_policy(kind, "route-1")
    policy["spec"]["targetRefs"][0]["group"] = group
    status, reason, message = conditions(serving(policy), "route-1")["Accepted"]
    assert (status, reason) == ("False", "Invalid")
    assert text in message


def test_a_route_without_parents() -> None:
    """A policy for a route that names no Gateway says that it waits for one."""
    lonely = route(1, 4, 5)
    lonely["spec"]["parentRefs"] = []
    translator = serving(lonely, traffic_policy("HTTPRoute", "route-1", allowOrigins=["https://a.com"]))
    assert conditions(translator, "route-1")["Attached"][:2] == ("False", "Pending")


def test_a_policy_that_is_merged_with_one_that_is_wrong() -> None:
    """The status of the one that is right names the other, with which it is left out."""
    wide = traffic_policy("Gateway", GATEWAY, allowHeaders=[f"x-{number:02}-{'a' * 250}" for number in range(30)])
    translator = serving(wide, traffic_policy("HTTPRoute", "route-1", allowOrigins=["https://a.com"]))
    accepted, attached = conditions(translator, "route-1").values()
    assert accepted[:2] == attached[:2] == ("False", "Invalid")
    assert accepted[2].endswith("; name fewer. It is merged with TrafficPolicy shop/web.")
    assert "a.com" not in str(table(translator))


@pytest.mark.parametrize("section", ["", "none"])
@pytest.mark.parametrize("kind", ["Gateway", "HTTPRoute"])
def test_targets_of_another_controller(kind: str, section: str) -> None:
    """A Gateway of another controller, and its routes, are not for Headgate to report on, nor missing parts of them."""
    spec = {"controllerName": "example.com/other"}
    other = manifest("gateway.networking.k8s.io/v1", "GatewayClass", "other", namespace="", spec=spec)
    foreign, followed = gateway(), route(3, 4, 5)
    foreign["metadata"]["name"], foreign["spec"]["gatewayClassName"] = "foreign", "other"
    followed["metadata"]["name"], followed["spec"]["parentRefs"] = "foreign", [{"name": "foreign"}]
    translator = serving(other, foreign, followed, traffic_policy(kind, "foreign", section, allowOrigins=["*"]))
    assert Ref("TrafficPolicy", NAMESPACE, f"foreign{section}") not in translator.statuses
