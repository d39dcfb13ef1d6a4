"""Invalid policies: units and targets that cannot be read, and what is refused until a policy is valid."""

from __future__ import annotations

from typing import Any

import pytest

from bench.world import GATEWAY, NAMESPACE, Raw, manifest
from headgate_proto.envoy.config.route.v3 import route_pb2
from tests.translator.policies.paint import LEVELS, TABLE, WEB, WITH_PAINT, conditions, painted, policy, serving, target
from translator.envoy.http_filters import CLOSED
from translator.inputs import MAX_KNOWN_TARGETS, Edit, Invalid
from translator.objects.gateway_api.policy import MAX_TARGETS
from translator.objects.headgate.trafficpolicy import TrafficPolicy
from translator.objects.partial import partial_object
from translator.refs import Ref
from translator.translator import Translator
from xds import diff


def refusing(translator: Translator) -> set[str]:
    """Return the paths of the routes that are closed."""
    resource = translator.snapshots[WEB].get(TABLE)
    assert resource is not None
    found = route_pb2.RouteConfiguration.FromString(resource.body)
    routes = [each for host in found.virtual_hosts for each in host.routes]
    return {each.match.path_separated_prefix for each in routes if CLOSED in each.typed_per_filter_config}


def test_a_unit_that_cannot_be_read_is_left_out_or_closed() -> None:
    """Its policy is not accepted; a closed unit has the rules that it protects answer 500, and no others."""
    translator = serving(
        policy("wrong", target("HTTPRoute", "route-1"), paint={"color": "black"}),
        policy("closed", target("HTTPRoute", "route-2", "named"), lock={"color": "black"}),
    )
    text = "spec.paint.color: there is no black."
    assert conditions(translator, "wrong")[0]["Accepted"] == ("False", "Invalid", text)
    assert conditions(translator, "closed")[0]["Accepted"] == (
        "False",
        "Invalid",
        "spec.lock.color: there is no black. Its routes answer 500.",
    )
    assert refusing(translator) == {"/named-2"}
    assert painted(translator) == {}


def test_an_invalid_policy_goes_on_as_it_was() -> None:
    """What it was stays in use, and its status says why."""
    translator = serving(LEVELS[0])
    before = painted(translator)
    translator.edit([unreadable("on-gateway", target("Gateway", GATEWAY), 3)])
    assert translator.evaluate().failures == []
    assert painted(translator) == before != {}
    (found,) = conditions(translator, "on-gateway")
    assert found["Accepted"][:2] == ("False", "Invalid")
    assert "what it was before stays in use" in found["Accepted"][2]
    assert found["Attached"][:2] == ("True", "Attached")


def unreadable(name: str, *targets: Any, unit: str = "lock") -> Edit:
    """Return the edit that has a policy be invalid, which names a unit."""
    raw = manifest("paint.example.com/v1", "PaintPolicy", name, spec={"targetRefs": list(targets), unit: 7})
    return Edit(Ref("PaintPolicy", NAMESPACE, name), Invalid("spec.paint is not a map", partial_object(raw)))


@pytest.mark.parametrize(
    ("at", "refused"),
    [
        (target("Gateway", GATEWAY), {f"/{rule}-{number}" for rule in ("route", "named") for number in range(3)}),
        (
            target("Gateway", GATEWAY, "http"),
            {f"/{rule}-{number}" for rule in ("route", "named") for number in range(3)},
        ),
        (target("Gateway", GATEWAY, "other"), set()),
        (target("HTTPRoute", "route-1"), {"/route-1", "/named-1"}),
        (target("HTTPRoute", "route-1", "named"), {"/named-1"}),
        (target("HTTPRoute", "route-1", "named") | {"sectionName": 7}, {"/route-1", "/named-1"}),
    ],
)
def test_a_policy_that_never_was_valid_fails_closed(at: Raw, refused: set[str]) -> None:
    """Requests to the targets that can be read are refused until it is valid or gone, and its status says so."""
    translator = serving(LEVELS[0])
    whole = translator.snapshots[WEB]
    for end in (Edit(Ref("PaintPolicy", NAMESPACE, "new"), None), policy("new", target("HTTPRoute", "no-other"))):
        translator.edit([unreadable("new", at, 3)])
        assert translator.evaluate().failures == []
        assert refusing(translator) == refused
        if refused:
            (found,) = conditions(translator, "new")
            assert found["Accepted"][:2] == ("False", "Invalid")
            assert "nothing of it is in use. Requests to its targets are refused." in found["Accepted"][2]
        translator.edit([end])
        assert translator.evaluate().failures == []
        assert not diff(translator.snapshots[WEB], whole)


def test_a_policy_without_a_closed_unit_fails_open() -> None:
    """Nothing is refused for an invalid policy that names no unit which fails closed."""
    translator = serving(LEVELS[0])
    whole = translator.snapshots[WEB]
    translator.edit([unreadable("new", target("HTTPRoute", "route-1"), unit="paint")])
    assert translator.evaluate().failures == []
    assert not diff(translator.snapshots[WEB], whole)
    assert "refused" not in conditions(translator, "new")[0]["Accepted"][2]


@pytest.mark.parametrize(
    ("written", "fields"),
    [
        ({"extAuth", "cors", "targetRefs"}, {"ext_auth", "cors", "target_refs"}),
        ({"oidc"}, {"oidc", "oauth2"}),
        ({"ext_auth", "extauth", "no-field"}, set()),
    ],
)
def test_the_fields_of_an_invalid_policy_are_known_by_what_is_written(written: set[str], fields: set[str]) -> None:
    """A spec names its fields as the API does, and some by another name; what is no field of it is left out."""
    assert TrafficPolicy.spec_model().fields_of(written) == fields


@pytest.mark.parametrize("worse", [(), (3,), (target("HTTPRoute", "route-2"), 3)])
def test_a_policy_that_fails_closed_loses_no_target_that_cannot_be_read(worse: tuple[Any, ...]) -> None:
    """An edit that makes less of its targets readable opens none of them; one with all targets says which they are."""
    translator = serving(LEVELS[0])
    for targets, refused in (
        ((target("HTTPRoute", "route-1"),), {"/route-1", "/named-1"}),
        (worse, {"/route-1", "/named-1"} | ({"/route-2", "/named-2"} if len(worse) > 1 else set())),
        ((target("HTTPRoute", "route-2"),), {"/route-2", "/named-2"}),
    ):
        translator.edit([unreadable("new", *targets)])
        assert translator.evaluate().failures == []
        assert refusing(translator) == refused


def test_so_many_targets_of_an_invalid_policy_are_known() -> None:
    """Edits that make its targets unreadable keep so many of those that are known; the last that were written stay."""
    known = Invalid("", partial_object({"spec": {"targetRefs": [target("HTTPRoute", f"a-{n}") for n in range(600)]}}))
    more = [*(target("HTTPRoute", f"b-{n}") for n in range(600)), 3]
    found = Invalid("", partial_object({"spec": {"targetRefs": more}})).after(known).partial.targets
    assert len(found) == MAX_KNOWN_TARGETS
    assert {each.name[0] for each in found[:600]} == {"b"}


def test_a_policy_has_so_many_targets() -> None:
    """One more target than a list may have makes the policy invalid."""
    targets = [target("HTTPRoute", f"route-{number}") for number in range(MAX_TARGETS + 1)]
    parsed = WITH_PAINT.kinds.parse(
        manifest("paint.example.com/v1", "PaintPolicy", "many", spec={"targetRefs": targets})
    )
    assert [str(each) for each in parsed.problems if "targetRefs" in str(each)] != []
    assert parsed.object is None
