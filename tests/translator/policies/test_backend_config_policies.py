"""BackendConfigPolicies with values that are wrong, or of kinds and places that matter."""

from __future__ import annotations

from functools import cache
from random import Random

import pytest

from bench.world import NAMESPACE, Raw, edit, manifest
from deploy.leaves import Leaf
from deploy.reference import rows, settings_of_backends
from tests.translator.policies.test_wrong_values import serving, snapshot_with
from tests.translator.values import Maker, in_path, replaced, wrong_values
from translator.inputs import Edit, Invalid
from translator.kinds import PolicyKind
from translator.objects.headgate.backendconfigpolicy import BackendConfigPolicy, BackendConfigPolicySpec
from translator.objects.partial import partial_object
from translator.refs import Ref
from translator.registry import KINDS, REGISTRY
from xds import CLUSTER, ENDPOINT, ROUTE, Snapshot, diff

KIND: PolicyKind = REGISTRY.policy(BackendConfigPolicy.kind)
POLICY = Ref(BackendConfigPolicy.kind, NAMESPACE, "policy")
TARGETS = [{"group": "", "kind": "Service", "name": "service-1"}]
LEAVES = tuple(leaf for kind, leaf, _ in rows() if kind is BackendConfigPolicy and settings_of_backends(KIND, leaf))


def path_of(leaf: Leaf) -> str:
    """Return the name of a test's parameter."""
    return leaf.path


@cache
def valid_spec(leaf: Leaf) -> Raw:
    """Return a spec in which a leaf is set, with as little else as can be."""
    steps = tuple(leaf.path.split("."))[1:]
    found = Maker(Random(leaf.path), share=0.05).struct(BackendConfigPolicySpec, steps)
    top = steps[0].removesuffix("[]")
    return {"targetRefs": TARGETS, top: found[top]}


def policy(spec: Raw) -> Raw:
    """Return the manifest of the policy."""
    return manifest("gateway.headgate.dev/v1alpha1", BackendConfigPolicy.kind, "policy", spec=spec)


def invalid(spec: Raw) -> Edit:
    """Return the edit that has the policy be invalid, as a source makes it of its problems."""
    found = KINDS.parse(policy(spec))
    assert found.object is None
    return Edit(POLICY, Invalid("; ".join(map(str, found.problems)), partial_object(policy(spec))))


def accepted() -> tuple[str, str, str]:
    """Return status, reason and message of the policy's condition."""
    (ancestor,) = serving().statuses[POLICY]["ancestors"]
    (found,) = (each for each in ancestor["conditions"] if each["type"] == "Accepted")
    return found["status"], found["reason"], found["message"]


@pytest.mark.parametrize("leaf", LEAVES, ids=path_of)
def test_wrong_values(leaf: Leaf) -> None:
    """The error is at the field; the policy of before stays, a new one has no effect, or closes if it sets `tls`."""
    spec = valid_spec(leaf)
    for each in wrong_values(leaf):
        found = KINDS.parse(policy(replaced(spec, tuple(leaf.path.split("."))[1:], each)))
        path = in_path(leaf)
        assert found.object is None, (leaf.path, each)
        assert any(problem.path[: len(path)] == path for problem in found.problems), (each, found.problems)
    wrong = replaced(spec, tuple(leaf.path.split("."))[1:], next(wrong_values(leaf)))
    without = snapshot_with(Edit(POLICY, None))
    before = snapshot_with(edit(policy(spec)))
    assert not diff(snapshot_with(invalid(wrong)), before)
    status, reason, message = accepted()
    assert (status, reason) == ("False", "Invalid")
    assert leaf.path.replace("[]", "[0]") in message
    snapshot_with(Edit(POLICY, None))
    after = snapshot_with(invalid(wrong))
    if settings_of_backends(KIND, leaf) in KIND.closed_fields:
        assert "Requests to its targets are refused" in accepted()[2]
        assert clusters(after) < clusters(without)
    else:
        assert not diff(after, without)
    snapshot_with(Edit(POLICY, None))


def clusters(snapshot: Snapshot) -> set[str]:
    """Return the names of clusters, without their hashes."""
    return {name.rpartition("/")[0] for name in snapshot.resources(CLUSTER)}


def test_a_policy_changes_its_backend_only() -> None:
    """The cluster of the backend gets another name, and the routes to it name that: nothing else changes."""
    without = snapshot_with(Edit(POLICY, None))
    found = snapshot_with(edit(policy({"targetRefs": TARGETS, "loadBalancer": {"random": {}}})))
    changed = diff(without, found)
    assert changed.keys() == {CLUSTER, ENDPOINT, ROUTE}
    assert {name.rpartition("/")[0] for name in changed[CLUSTER]} == {f"{NAMESPACE}/service-1:80"}
    snapshot_with(Edit(POLICY, None))
