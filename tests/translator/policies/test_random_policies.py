"""Whatever policies say that is valid, Envoy takes what becomes of it."""

from __future__ import annotations

from pathlib import Path
from random import Random
from typing import Any

from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from bench.world import GATEWAY, NAMESPACE, Raw, edit, manifest, world
from tests.translator.golden.envoy import envoy_error
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
KEYS = """
    {"kty": "EC", "crv": "P-256", "x": "mvRKyuOzy8vOzU-PcubPSsrh3bL3bWPa6NPOKW5QsNY",
     "y": "h-DTsAKmAhz4Lqmpi7U5Ul-B4bLGRdh9Myg-rZVBJTM"}
"""
"""Keys that verify tokens."""
FIELDS = tuple(name for name in SPEC.model_fields if name not in AttachedPolicySpec.model_fields)

BACKEND = {"name": "a", "port": 8080}
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


def leading_somewhere(value: Any) -> Any:
    """Return a value whose references to backends and extensions lead to those that exist, and whose keys are some."""
    if isinstance(value, list):
        return [leading_somewhere(each) for each in value]
    if not isinstance(value, dict):
        return value
    if "jwks" in value and "local" in value["jwks"]:
        value = {**value, "jwks": {"local": {"inline": KEYS}}}
    known = {
        "backendRef": BACKEND,
        "jwksBackendRef": BACKEND,
        "extensionRef": {"name": "a"},
        "extensionRefs": [{"name": "a"}],
    }
    return {key: known.get(key) or leading_somewhere(each) for key, each in value.items()}


def snapshot(seed: int) -> Snapshot:
    """Return the snapshot of a Gateway with a few random policies."""
    random = Random(seed)
    made = Translator(Settings(offline=True))
    # Names of objects in policies are those that `tests.translator.values` knows.
    service = manifest("v1", "Service", "a", spec={"ports": [{"name": "a", "port": 8080}]})
    made.edit([*world(3, 2, 3), edit(service), edit(extension(random))])
    made.edit([edit(policy(random, number)) for number in range(random.randint(1, 3))])
    assert made.evaluate().failures == []
    return made.snapshots[WEB]


@settings(
    max_examples=4,
    # A seed says nothing of its size, so that a smaller one is no simpler.
    phases=[Phase.explicit, Phase.reuse, Phase.generate],
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(seeds=st.lists(st.integers(0, 2**32), min_size=20, max_size=20, unique=True))
def test_envoy_takes_what_becomes_of_valid_policies(seeds: list[int], envoy_path: Path, tmp_path: Path) -> None:
    """A real Envoy accepts the resources of Gateways with random valid policies at random levels."""
    made = {seed: snapshot(seed) for seed in seeds}
    if envoy_error(envoy_path, tmp_path, made.values()):
        errors = {seed: envoy_error(envoy_path, tmp_path, [found]) for seed, found in made.items()}
        assert {seed: error for seed, error in errors.items() if error} == {}
        raise AssertionError("Envoy rejects all together, but none alone")
