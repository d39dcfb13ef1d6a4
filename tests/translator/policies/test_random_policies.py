"""Whatever policies say that is valid, Envoy takes what becomes of it."""

from __future__ import annotations

from pathlib import Path
from random import Random
from typing import Any

from hypothesis import given

from bench.world import GATEWAY, NAMESPACE, Raw, edit, manifest, world
from tests.translator.policies.random_snapshots import RANDOM, check_accepted, leading_somewhere, some_seeds
from tests.translator.values import Maker
from translator.inputs import Settings
from translator.objects.headgate.gatewayextension import MEMBERS, GatewayExtensionSpec
from translator.objects.headgate.policy import AttachedPolicySpec
from translator.objects.headgate.trafficpolicy import TrafficPolicy
from translator.refs import Ref
from translator.translator import Translator
from xds import Snapshot

WEB = Ref("Gateway", NAMESPACE, GATEWAY)
SPEC = TrafficPolicy.spec_model()
GROUP = "gateway.networking.k8s.io"
TARGETS: tuple[Raw, ...] = (
    {"group": GROUP, "kind": "Gateway", "name": GATEWAY},
    {"group": GROUP, "kind": "Gateway", "name": GATEWAY, "sectionName": "http"},
    {"group": GROUP, "kind": "HTTPRoute", "name": "route-0"},
    {"group": GROUP, "kind": "HTTPRoute", "name": "route-1"},
)
FIELDS = tuple(name for name in SPEC.model_fields if name not in AttachedPolicySpec.model_fields)

EXTENDED = frozenset(MEMBERS)
"""The fields that refer to extensions."""


def policy(random: Random, number: int) -> Raw:
    """Return a valid policy of a random target that sets some random fields."""
    target = random.choice(TARGETS)
    spec: dict[str, Any] = {"targetRefs": [target]}
    maker = Maker(random, share=random.choice((0.1, 0.4, 0.8)))
    for field in random.sample(FIELDS, random.randint(1, 4)):
        if field in ("auto_host_rewrite", "oidc") or (field == "url_rewrite" and target["kind"] != "HTTPRoute"):
            continue  # other names of fields; for routes only
        found = maker.field(SPEC, field)
        leading = field in EXTENDED and random.random() < 0.8
        spec[SPEC.model_fields[field].alias or field] = leading_somewhere(found) if leading else found
    if target["kind"] == "Gateway" and random.random() < 0.2:
        spec["enforced"] = True
    if random.random() < 0.2:
        spec["inheritance"] = random.choice(("Merge", "Replace"))
    return manifest("gateway.headgate.dev/v1alpha1", "TrafficPolicy", f"policy-{number}", spec=spec)


def extension(random: Random) -> Raw:
    """Return a valid GatewayExtension with a random member, of the name that the values of references know."""
    maker = Maker(random, share=random.choice((0.1, 0.4, 0.8)))
    member = random.choice(MEMBERS)
    spec = {GatewayExtensionSpec.model_fields[member].alias or member: maker.field(GatewayExtensionSpec, member)}
    return manifest("gateway.headgate.dev/v1alpha1", "GatewayExtension", "a", spec=leading_somewhere(spec))


def snapshot(seed: int) -> Snapshot:
    """Return the snapshot of a Gateway with a few random policies."""
    random = Random(seed)
    made = Translator(Settings(offline=True, allow_lua=True, allow_wasm=True))
    # Names of objects in policies are those that `tests.translator.values` knows.
    service = manifest("v1", "Service", "a", spec={"ports": [{"name": "a", "port": 8080}]})
    made.edit([*world(3, 2, 3), edit(service), edit(extension(random))])
    made.edit([edit(policy(random, number)) for number in range(random.randint(1, 3))])
    assert made.evaluate().failures == []
    return made.snapshots[WEB]


@RANDOM
@given(seeds=some_seeds(20))
def test_envoy_takes_what_becomes_of_valid_policies(seeds: list[int], envoy_path: Path, tmp_path: Path) -> None:
    """A real Envoy accepts the resources of Gateways with random valid policies at random levels."""
    check_accepted(envoy_path, tmp_path, {seed: snapshot(seed) for seed in seeds})
