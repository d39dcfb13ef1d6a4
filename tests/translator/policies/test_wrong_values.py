"""A wrong value in any field of any of Headgate's kinds: who is told what, and what goes on being served."""

from __future__ import annotations

from functools import cache
from random import Random
from typing import Any

import pytest

from bench.world import GATEWAY, NAMESPACE, Raw, edit, manifest, parsed, world
from deploy.leaves import Leaf, type_name
from deploy.reference import rows, spec_of
from headgate_proto.envoy.config.route.v3.route_pb2 import RouteConfiguration
from tests.translator.values import Maker, in_path, replaced, wrong_values
from translator.envoy.http_filters import CLOSED
from translator.extension import PolicyUnit
from translator.inputs import Edit, Invalid, Settings
from translator.objects.headgate.trafficpolicy import TrafficPolicy
from translator.objects.partial import partial_object
from translator.objects.schema.base import KubernetesObject
from translator.refs import Ref
from translator.registry import KINDS
from translator.translator import Translator
from xds import ROUTE, Reference, Snapshot, diff

ROWS = tuple(rows())
OF_UNITS = tuple((leaf, unit) for kind, leaf, unit in ROWS if unit is not None and kind is TrafficPolicy)
WEB = Ref("Gateway", NAMESPACE, GATEWAY)
TARGETS = [{"group": "gateway.networking.k8s.io", "kind": "HTTPRoute", "name": "route-1"}]
POLICY = Ref("TrafficPolicy", NAMESPACE, "policy")
UNREADABLE = {"regular expression": "("}
"""By the name of a type, a value that it takes, and whoever reads it refuses."""

KEY = "kind, leaf, unit"


def name(value: object) -> str:
    """Return the name of a parameter of a test."""
    if isinstance(value, Leaf):
        return value.path
    return str(getattr(value, "kind", None) or getattr(value, "field", "") or "-")


@cache
def valid_spec(kind: type[KubernetesObject], path: str) -> Raw:
    """Return the spec of an object of a kind in which a leaf is set, with as little else as can be."""
    steps = tuple(path.split("."))[1:]
    found = Maker(Random(path), share=0.05).struct(spec_of(kind), steps)
    if kind is TrafficPolicy:
        top = steps[0].removesuffix("[]")
        return {"targetRefs": TARGETS, top: found[top]}
    return found


def object_of(kind: type[KubernetesObject], spec: Raw) -> Raw:
    """Return the manifest of an object of a kind."""
    return manifest(f"{kind.group}/{kind.versions[0]}", kind.kind, "policy", spec=spec)


@pytest.mark.parametrize(KEY, ROWS, ids=name)
def test_what_is_not_of_the_type_is_told_with_its_path(
    kind: type[KubernetesObject], leaf: Leaf, unit: PolicyUnit | None
) -> None:
    """A value of another type, out of its range, too long or of another form is an error at the path of its field."""
    spec = valid_spec(kind, leaf.path)
    parsed(object_of(kind, spec))
    wrong = list(wrong_values(leaf))
    assert wrong
    for each in wrong:
        found = KINDS.parse(object_of(kind, replaced(spec, tuple(leaf.path.split("."))[1:], each)))
        errors = [problem for problem in found.problems if problem.severity == "error"]
        path = in_path(leaf)
        assert found.object is None, (leaf.path, each)
        assert any(problem.path[: len(path)] == path for problem in errors), (each, [str(each) for each in errors])
        assert all(problem.message for problem in errors)


@cache
def serving() -> Translator:
    """Return a translator with three routes, of which policies target one."""
    made = Translator(Settings(offline=True, allow_lua=True, allow_wasm=True))
    made.edit(world(3, 3, 3))
    assert made.evaluate().failures == []
    return made


def snapshot_with(*edits: Edit) -> Snapshot:
    """Return the snapshot after edits."""
    translator = serving()
    translator.edit(edits)
    assert translator.evaluate().failures == []
    return translator.snapshots[WEB]


def accepted() -> tuple[str, str, str]:
    """Return status, reason and message of the policy's condition."""
    (ancestor,) = serving().statuses[POLICY]["ancestors"]
    (found,) = (each for each in ancestor["conditions"] if each["type"] == "Accepted")
    return found["status"], found["reason"], found["message"]


def invalid(spec: Raw) -> Edit:
    """Return the edit that has the policy be invalid, as a source makes it of its problems."""
    raw = object_of(TrafficPolicy, spec)
    found = KINDS.parse(raw)
    assert found.object is None
    return Edit(POLICY, Invalid("; ".join(map(str, found.problems)), partial_object(raw)))


def other(unit: PolicyUnit) -> Raw:
    """Return a valid value of another unit, beside one."""
    field = "buffer" if unit.field != "buffer" and "buffer" in TrafficPolicy.spec_model().model_fields else "cors"
    return {"buffer": {"maxRequestSize": "10Mi"}} if field == "buffer" else {"cors": {"allowOrigins": ["http://a.b"]}}


@pytest.mark.parametrize(("leaf", "unit"), OF_UNITS, ids=name)
def test_an_object_with_a_wrong_value_goes_on_as_it_was(leaf: Leaf, unit: PolicyUnit) -> None:
    """The policy of before stays in effect, and its status names the path; a new one is closed if its unit is."""
    spec = valid_spec(TrafficPolicy, leaf.path) | (other(unit) if unit.field != "cors" else {})
    wrong = replaced(spec, tuple(leaf.path.split("."))[1:], next(wrong_values(leaf)))
    without = snapshot_with(Edit(POLICY, None))
    before = snapshot_with(edit(object_of(TrafficPolicy, spec)))
    assert not diff(snapshot_with(invalid(wrong)), before)
    status, reason, message = accepted()
    assert (status, reason) == ("False", "Invalid")
    assert leaf.path.replace("[]", "[0]") in message
    assert "what it was before stays in use" in message
    snapshot_with(Edit(POLICY, None))
    after = snapshot_with(invalid(wrong))
    assert closed(after) == ({"/route-1"} if unit.closed else set())
    assert ("Requests to its targets are refused" in accepted()[2]) == bool(unit.closed)
    assert unit.closed or not diff(after, without)
    snapshot_with(Edit(POLICY, None))


READ = tuple((leaf, unit) for leaf, unit in OF_UNITS if type_name(leaf.annotation, leaf.metadata) in UNREADABLE)


@pytest.mark.parametrize(("leaf", "unit"), READ, ids=name)
def test_a_unit_with_a_value_that_cannot_be_read_is_left_out_or_closed(leaf: Leaf, unit: PolicyUnit) -> None:
    """Only the unit is left out, or has the requests of its target refused; the policy's other units are in effect."""
    spec = valid_spec(TrafficPolicy, leaf.path)
    value = UNREADABLE[type_name(leaf.annotation, leaf.metadata)]
    wrong = object_of(TrafficPolicy, replaced(spec, tuple(leaf.path.split("."))[1:], value) | other(unit))
    snapshot_with(Edit(POLICY, None))
    alone = snapshot_with(edit(object_of(TrafficPolicy, {"targetRefs": TARGETS} | other(unit))))
    found = snapshot_with(edit(wrong))
    status, reason, message = accepted()
    assert (status, reason) == ("False", "Invalid")
    assert leaf.path.replace("[]", "[0]") in message
    policy = parsed(wrong)
    assert isinstance(policy, TrafficPolicy)
    if unit.is_closed(policy.spec.__dict__[unit.field]):
        assert closed(found) == {"/route-1"}
    else:
        assert not diff(found, alone)
    snapshot_with(Edit(POLICY, None))


def closed(snapshot: Snapshot) -> set[str]:
    """Return the paths of the routes whose requests are refused."""
    resource: Any = snapshot.get(Reference(ROUTE, "port-10080"))
    hosts = RouteConfiguration.FromString(resource.body).virtual_hosts
    routes = [route for host in hosts for route in host.routes]
    return {route.match.path_separated_prefix for route in routes if CLOSED in route.typed_per_filter_config}
