"""Names of clusters change with every setting of their backends, and with nothing else."""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import permutations

import pytest

from headgate_proto.envoy.config.cluster.v3.cluster_pb2 import Cluster
from headgate_proto.envoy.config.endpoint.v3.endpoint_pb2 import ClusterLoadAssignment
from translator.envoy.cluster import cluster, load_assignment
from translator.envoy.hooks import ClusterHook, EndpointsHook
from translator.envoy.names import cluster_name
from translator.extensions.attempts import MaxStreamDuration
from translator.ir.backend import Backend, BackendKey, BackendSetting, Protocol

KEY = BackendKey("Service", "shop", "cart")
BACKEND = Backend(KEY, 80)


@dataclass(frozen=True, slots=True)
class Label(BackendSetting, ClusterHook):
    """A setting of the cluster."""

    text: str

    def apply_to_cluster(self, cluster: Cluster, backend: Backend) -> None:
        """Write it."""
        cluster.alt_stat_name = self.text


@dataclass(frozen=True, slots=True)
class Overprovisioned(BackendSetting, EndpointsHook):
    """A setting of the endpoints."""

    factor: int

    def apply_to_endpoints(self, assignment: ClusterLoadAssignment) -> None:
        """Write it."""
        assignment.policy.overprovisioning_factor.value = self.factor


SETTINGS = (MaxStreamDuration(5000), Label("a"), Overprovisioned(200))
OTHERS = (
    replace(BACKEND, key=KEY._replace(name="basket")),
    replace(BACKEND, key=KEY._replace(namespace="other")),
    replace(BACKEND, key=KEY._replace(kind="Backend")),
    replace(BACKEND, port=81),
    replace(BACKEND, protocol=Protocol.H2C.value),
    replace(BACKEND, hostname="cart.example.com"),
    *(replace(BACKEND, settings=(each,)) for each in SETTINGS),
    replace(BACKEND, settings=(MaxStreamDuration(5001),)),
    replace(BACKEND, settings=(Label("b"),)),
    replace(BACKEND, settings=(Overprovisioned(201),)),
    replace(BACKEND, settings=SETTINGS[:2]),
    replace(BACKEND, settings=SETTINGS[1:]),
    replace(BACKEND, settings=SETTINGS),
)


def test_any_setting_makes_another_cluster() -> None:
    """No two of a backend's variants have the same name; they can be put in order, whatever settings they have."""
    assert len({cluster_name(each) for each in (BACKEND, *OTHERS)}) == 1 + len(OTHERS)
    assert sorted((BACKEND, *OTHERS)) == sorted((*reversed(OTHERS), BACKEND))


def test_the_order_of_settings_does_not_matter() -> None:
    """Settings given in another order make the same backend, so one cluster and not two of one name."""
    made = {replace(BACKEND, settings=each) for each in permutations(SETTINGS)}
    assert len(made) == 1
    assert replace(BACKEND, settings=(Label("b"), *SETTINGS)) in made


@pytest.mark.parametrize(
    ("backend", "name"),
    [
        (BACKEND, "shop/cart:80/9330d602"),
        (OTHERS[4], "shop/cart:80/40295eee"),
        (OTHERS[6], "shop/cart:80/0887f6cd"),
    ],
)
def test_names_stay(backend: Backend, name: str) -> None:
    """A cluster has the name that it had in earlier versions: an upgrade replaces none."""
    assert cluster_name(backend) == name


def test_settings_are_written() -> None:
    """Each setting writes into the cluster or its endpoints, those of a hostname too."""
    for hostname in ("", "cart.example.com"):
        backend = replace(BACKEND, hostname=hostname, settings=SETTINGS)
        made = cluster(backend)
        assert made.alt_stat_name == "a"
        assert len(made.typed_extension_protocol_options) == 1
        assert load_assignment(backend, ()).policy.overprovisioning_factor.value == 200
        assert made.load_assignment.policy.overprovisioning_factor.value == (200 if hostname else 0)
