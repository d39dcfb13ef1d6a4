"""Generators of policies for backends whose fields come from the model."""

from __future__ import annotations

from functools import cache
from operator import itemgetter
from random import Random

from hypothesis import strategies as st

from tests.translator.strategies import Objects, Raw, fields, maybe, object_of, one, some
from tests.translator.values import Maker
from translator.objects.headgate.backendconfigpolicy import BackendConfigPolicySpec
from translator.objects.headgate.policy import TargetedPolicySpec


@cache
def _backend_settings() -> tuple[Raw, ...]:
    """Return valid specs of BackendConfigPolicies, without targets: fields may exclude or need each other."""
    targets = {info.alias or name for name, info in TargetedPolicySpec.model_fields.items()}
    made = (Maker(Random(seed)).struct(BackendConfigPolicySpec) for seed in range(16))
    return tuple({key: value for key, value in each.items() if key not in targets} for each in made)


def backend_config_policies() -> Objects:
    """Policies for Services and their ports, by name and by labels, there and in other namespaces."""
    service = fields(group=one(""), kind="Service", name=one("w1", "w2"), namespace=one(None, None, "a", "b"))
    port = fields(group=one(""), kind="Service", name="w2", sectionName=one("http", "80", "no"))
    labels = fields(
        group=one(""),
        kind="Service",
        matchLabels=one({"team": "red"}, {"team": "blue"}),
        namespaces=one(None, {"from": "Same"}, {"from": "All"}),
    )
    targets = fields(
        targetRefs=some(service | service | port, 2, 1, by=itemgetter("name")), targetSelectors=maybe(some(labels, 1))
    )
    settings = st.sampled_from(_backend_settings())
    spec = st.tuples(targets, settings).map(lambda both: {**both[0], **both[1]})
    return object_of(
        "gateway.headgate.dev/v1alpha1", "BackendConfigPolicy", ("k1", "k2"), namespace=one("a", "a", "b"), spec=spec
    )
