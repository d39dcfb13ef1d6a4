"""How large rings and tables of endpoints may be: Envoy makes them on the thread that takes all configuration."""

from __future__ import annotations

import pytest
from google.protobuf.message import Message
from pydantic import ValidationError

from bench.world import Raw, edit, manifest, world
from headgate_proto.envoy.config.cluster.v3.cluster_pb2 import Cluster
from headgate_proto.envoy.extensions.load_balancing_policies.ring_hash.v3.ring_hash_pb2 import RingHash
from translator.inputs import Settings
from translator.objects.headgate.loadbalancing import MAX_RING, MAX_TABLE, LoadBalancer
from translator.refs import Ref
from translator.translator import Translator
from xds import CLUSTER

WEB = Ref("Gateway", "shop", "web")


@pytest.mark.parametrize(
    ("algorithm", "field", "most"),
    [
        ("ringHash", "minimumRingSize", MAX_RING),
        ("ringHash", "maximumRingSize", MAX_RING),
        ("maglev", "tableSize", MAX_TABLE),
    ],
)
def test_the_largest_ring_and_table(algorithm: str, field: str, most: int) -> None:
    """A ring or table of the most entries is valid, and one with an entry more is not."""
    LoadBalancer.model_validate({algorithm: {field: most}})
    with pytest.raises(ValidationError):
        LoadBalancer.model_validate({algorithm: {field: most + 1}})


@pytest.mark.parametrize(("said", "most"), [({}, MAX_RING), ({"maximumRingSize": 2048}, 2048)])
def test_weights_make_no_ring_larger(said: Raw, most: int) -> None:
    """Each ring has a most, also where the policy says none: Envoy's own would let weights make it of millions."""
    target = {"group": "", "kind": "Service", "name": "service-0"}
    spec = {"targetRefs": [target], "loadBalancer": {"ringHash": said}}
    translator = Translator(Settings(offline=True))
    translator.edit(world(1, 1, 1))
    translator.edit([edit(manifest("gateway.headgate.dev/v1alpha1", "BackendConfigPolicy", "ring", spec=spec))])
    assert translator.evaluate().failures == []
    (cluster,) = translator.snapshots[WEB].resources(CLUSTER).values()
    (policy,) = Cluster.FromString(cluster.body).load_balancing_policy.policies
    ring: Message = RingHash()
    assert policy.typed_extension_config.typed_config.Unpack(ring)
    assert isinstance(ring, RingHash)
    assert ring.maximum_ring_size.value == most
