"""Whatever policies for listeners say that is valid, Envoy takes what becomes of it."""

from __future__ import annotations

from pathlib import Path
from random import Random
from typing import Any, Final

from hypothesis import given

from bench.world import GATEWAY, NAMESPACE, Raw, edit, manifest, world
from tests.translator.policies.random_snapshots import RANDOM, check_accepted, leading_somewhere, some_seeds
from tests.translator.values import Maker, is_valid
from translator.extension import Extension
from translator.inputs import Settings
from translator.objects.headgate.listenerpolicy import ListenerConfig, ListenerPolicy, ListenerPolicySpec
from translator.refs import Ref
from translator.registry import REGISTRY
from translator.translator import Translator
from xds import Snapshot

WEB: Final = Ref("Gateway", NAMESPACE, GATEWAY)
GROUP: Final = "gateway.networking.k8s.io"
UNITS: Final = tuple(
    unit.field
    for each in REGISTRY.extensions
    if isinstance(each, Extension)
    for unit in each.units
    if unit.policy is ListenerPolicy
)
"""The units of ListenerPolicies."""


def config(random: Random) -> Raw:
    """Return what listeners do, in which some random units are set that may be set together."""
    while True:
        made = _config(random)
        if is_valid(ListenerConfig, made):
            return made


def _config(random: Random) -> Raw:
    maker = Maker(random, share=random.choice((0.1, 0.4, 0.8)))
    made: dict[str, Any] = {}
    for unit in random.sample(UNITS, random.randint(1, min(5, len(UNITS)))):
        place = made
        *outer, last = ListenerPolicySpec.unit_title(unit).split(".")
        for name in outer:
            place = place.setdefault(name, {})
        place[last] = leading_somewhere(maker.value(ListenerPolicySpec.unit_info(unit)))
    return made


def policy(random: Random, number: int) -> Raw:
    """Return a valid policy for the Gateway, or for a listener of it."""
    target = {"group": GROUP, "kind": "Gateway", "name": GATEWAY}
    if random.random() < 0.5:
        target["sectionName"] = "http"
    spec: Raw = {"targetRefs": [target], "default": config(random)}
    if random.random() < 0.3:
        spec["perPort"] = [{"port": 10080, "listener": config(random)}]
    return manifest("gateway.headgate.dev/v1alpha1", "ListenerPolicy", f"policy-{number}", spec=spec)


def snapshot(seed: int) -> Snapshot:
    """Return the snapshot of a Gateway with a few random policies."""
    random = Random(seed)
    made = Translator(Settings(offline=True))
    service = manifest("v1", "Service", "a", spec={"ports": [{"name": "a", "port": 8080}]})
    made.edit([*world(3, 2, 3), edit(service)])
    made.edit([edit(policy(random, number)) for number in range(random.randint(1, 2))])
    assert made.evaluate().failures == []
    return made.snapshots[WEB]


@RANDOM
@given(seeds=some_seeds(10))
def test_envoy_takes_what_becomes_of_valid_policies(seeds: list[int], envoy_path: Path, tmp_path: Path) -> None:
    """A real Envoy accepts the resources of Gateways with random valid ListenerPolicies."""
    check_accepted(envoy_path, tmp_path, {seed: snapshot(seed) for seed in seeds})
