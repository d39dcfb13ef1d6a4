"""The registry: what is declared once of each kind, and what follows from it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.translator.golden import case as golden
from translator.extension import Extension, PolicyUnit
from translator.extensions import EXTENSIONS
from translator.extensions.cors import Cors
from translator.kinds import PolicyKind
from translator.objects.gateway_api.policy import Policy
from translator.objects.gateway_api.route import Route
from translator.objects.headgate.trafficpolicy import TrafficPolicy
from translator.objects.kubernetes.service import Service
from translator.objects.parse import Kinds
from translator.objects.schema.base import NamespacedObject
from translator.outcome import Outcome
from translator.registry import KINDS, REGISTRY, registry


class Teapot(NamespacedObject):
    """A kind of somebody else's."""

    kind = "Teapot"
    group = "tea.example.com"
    versions = ("v1",)
    plural = "teapots"


class OtherService(NamespacedObject):
    """A kind with the name of one that there is."""

    kind = "Service"
    group = "other.example.com"
    versions = ("v1",)
    plural = "services"


class TeaPolicy(Policy):
    """A kind of policies that no extension brings."""

    kind = "TeaPolicy"
    group = "tea.example.com"
    versions = ("v1",)
    plural = "teapolicies"


def test_an_extension_brings_its_kinds() -> None:
    """What an extension reads is parsed like every other kind."""
    found = registry((*EXTENSIONS, Extension("tea", objects=(Teapot,))))
    parsed = found.kinds.parse({"apiVersion": "tea.example.com/v1", "kind": "Teapot", "metadata": {"name": "a"}})
    assert isinstance(parsed.object, Teapot)
    assert found.status("Teapot") is None
    assert KINDS.get("Teapot") is None


def test_two_kinds_of_one_name_are_refused() -> None:
    """A name stands for one kind: which of two was meant could not be told."""
    with pytest.raises(ValueError, match="two kinds Service"):
        Kinds([Service, OtherService])
    assert len(Kinds([Service, Service])) == 1


@pytest.mark.parametrize(
    ("policy", "field", "text"),
    [
        (TrafficPolicy, "cors", "two units for the field cors of the kind TrafficPolicy"),
        (TrafficPolicy, "tea", "the field tea of the kind TrafficPolicy, whose spec has no such field"),
        (TrafficPolicy, "target_refs", "whose spec has no such field"),
        (TeaPolicy, "cors", "the kind TeaPolicy, which is not among the policies of any extension"),
    ],
)
def test_units_that_no_policy_can_have_are_refused(policy: type[Policy], field: str, text: str) -> None:
    """A unit is for one field of a policy that is read, and the only one for it."""
    unit = PolicyUnit(policy, field, lambda _: Outcome(()), Cors)
    with pytest.raises(ValueError, match=text):
        registry((*EXTENSIONS, Extension("tea", units=(unit,))))


def test_a_unit_that_fails_closed_is_of_a_kind_that_does() -> None:
    """A policy that cannot be read may be one whose unit has requests refused."""
    unit = PolicyUnit(TrafficPolicy, "cors", lambda _: Outcome(()), Cors, closed=True)
    tea = Extension("tea", policies=(PolicyKind(TrafficPolicy),), units=(unit,))
    with pytest.raises(ValueError, match="the field cors fails closed, and the kind TrafficPolicy is not declared"):
        registry((tea,))


def test_every_route_kind_has_a_status_and_a_listener() -> None:
    """A kind of route attaches to listeners of some protocol, and says in its status what came of it."""
    routes = KINDS.subclasses(Route)
    assert routes == tuple(each.model for each in REGISTRY.routes) != ()
    for each in routes:
        assert each in REGISTRY.with_status
        assert any(each.kind in REGISTRY.routes_on(protocol) for protocol in REGISTRY.protocols)


def test_kinds_without_a_status_are_not_ours_to_write() -> None:
    """Of the Gateway API's and our own kinds all get a status but those whose definition has none."""
    without = {each.kind for each in KINDS.values() if "gateway" in each.group and each not in REGISTRY.with_status}
    assert without == {"ReferenceGrant", "DirectResponse"}


def _sentences() -> Iterator[str]:
    yield from (each.rbac_reason for each in KINDS.values())


def test_every_kind_says_why_it_is_read() -> None:
    """The reason stands as a sentence beside the RBAC rule."""
    assert all(each[:1].isupper() and each.endswith(".") for each in _sentences())


def test_every_kind_has_a_golden_case() -> None:
    """What an object does, of the Gateway API's kinds and ours, is pinned down by a case that has one."""
    cases = (path.read_text() for path in Path(golden.__file__).parent.rglob("*.yaml"))
    there = {found for text in cases for found in re.findall(r"^kind: (\w+)$", text, re.MULTILINE)}
    assert {each.kind for each in KINDS.values() if "gateway" in each.group} - there == set()
