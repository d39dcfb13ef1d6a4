"""Whatever BackendConfigPolicies and Backends say that is valid, Envoy takes what becomes of it."""

from __future__ import annotations

from pathlib import Path
from random import Random
from typing import Final

from hypothesis import given

from bench.world import GATEWAY, NAMESPACE, Raw, edit, manifest, world
from tests.translator.policies.random_snapshots import RANDOM, check_accepted, some_seeds
from tests.translator.values import Maker, is_valid
from translator.inputs import Settings
from translator.objects.headgate.backend import MEMBERS, HeadgateBackendSpec
from translator.objects.headgate.backendconfigpolicy import BackendConfigPolicySpec
from translator.objects.headgate.policy import AttachedPolicySpec
from translator.refs import Ref
from translator.translator import Translator
from xds import Snapshot

WEB: Final = Ref("Gateway", NAMESPACE, GATEWAY)
VERSION: Final = "gateway.headgate.dev/v1alpha1"
FIELDS: Final = tuple(
    name for name in BackendConfigPolicySpec.model_fields if name not in AttachedPolicySpec.model_fields
)
TARGETS: Final = [
    {"group": "", "kind": "Service", "name": "service-0"},
    {"group": "gateway.headgate.dev", "kind": "Backend", "name": "b"},
]


def policy(random: Random) -> Raw:
    """Return a valid policy for a Service and a Backend, which sets some random fields."""
    maker = Maker(random, share=random.choice((0.1, 0.4, 0.8)))
    while True:
        chosen = random.sample(FIELDS, random.randint(1, 5))
        fields = BackendConfigPolicySpec.model_fields
        spec = {fields[name].alias or name: maker.field(BackendConfigPolicySpec, name) for name in chosen}
        # Files are the proxies': Envoy refuses a cluster with one that it does not find.
        without_files = "files" not in spec.get("tls", {})
        if without_files and is_valid(BackendConfigPolicySpec, {"targetRefs": TARGETS, **spec}):
            return manifest(VERSION, "BackendConfigPolicy", "policy", spec={"targetRefs": TARGETS, **spec})


def backend(random: Random) -> Raw:
    """Return a valid Backend with a random member."""
    member = random.choice(MEMBERS)
    maker = Maker(random, share=random.choice((0.1, 0.4, 0.8)))
    alias = HeadgateBackendSpec.model_fields[member].alias or member
    return manifest(VERSION, "Backend", "b", spec={alias: maker.field(HeadgateBackendSpec, member)})


def snapshot(seed: int) -> Snapshot:
    """Return the snapshot of a Gateway with a random Backend and a random policy for it and for a Service."""
    random = Random(seed)
    made = Translator(Settings(offline=True, local_backends=True))
    reference = {"group": "gateway.headgate.dev", "kind": "Backend", "name": "b"}
    spec = {"parentRefs": [{"name": GATEWAY}], "rules": [{"backendRefs": [reference]}]}
    keys = manifest("v1", "Secret", "a", data=dict.fromkeys(("a", "accessKey", "secretKey"), "YQ=="))
    route = manifest("gateway.networking.k8s.io/v1", "HTTPRoute", "backend", spec=spec)
    made.edit([*world(3, 2, 3), edit(keys), edit(backend(random)), edit(policy(random)), edit(route)])
    assert made.evaluate().failures == []
    return made.snapshots[WEB]


@RANDOM
@given(seeds=some_seeds(15))
def test_envoy_takes_what_becomes_of_valid_backends(seeds: list[int], envoy_path: Path, tmp_path: Path) -> None:
    """A real Envoy accepts the resources of Gateways with random valid Backends and policies for backends."""
    check_accepted(envoy_path, tmp_path, {seed: snapshot(seed) for seed in seeds})
