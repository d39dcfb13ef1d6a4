"""Headgate's own services in a cluster: policies that need them, and what else there is."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from tests.translator.infrastructure.gateways import GATEWAY, IN_CLUSTER, Cluster
from translator.backends.own_service import OwnService
from translator.backends.rate_limit_service import RATE_LIMIT_SERVICE
from translator.backends.waf_service import WAF_SERVICE
from translator.infrastructure.names import own_service_name, resource_name
from translator.refs import Ref

ROUTE = """
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: {name: r, namespace: web}
spec: {parentRefs: [{name: shop}], rules: [{backendRefs: [{name: a, port: 80}]}]}
"""
BACKEND = """
apiVersion: v1
kind: Service
metadata: {name: a, namespace: web}
spec: {ports: [{port: 80}]}
"""
POLICY = Ref("TrafficPolicy", "web", "p")
IMAGE = "headgate:test"


@dataclass(frozen=True)
class Deployed:
    """A service in a cluster.

    Attributes:
        service: the service.
        kinds: the kinds of its objects, in the order in which they are applied.
        needed: the field of a policy that needs it.
        disabled: the same, switched off.
    """

    service: OwnService
    kinds: tuple[str, ...]
    needed: str
    disabled: str

    @property
    def name(self) -> str:
        """The name of its objects."""
        return own_service_name(self.service.prefix, GATEWAY)

    def policy(self, field: str = "", kind: str = "Gateway", name: str = "shop") -> str:
        """Return a policy for an object that needs the service, or says something else about it."""
        return f"""
apiVersion: gateway.headgate.dev/v1alpha1
kind: TrafficPolicy
metadata: {{name: p, namespace: web}}
spec:
  targetRefs: [{{group: gateway.networking.k8s.io, kind: {kind}, name: {name}}}]
  {field or self.needed}
"""

    def body(self, cluster: Cluster, kind: str = "Deployment") -> Any:
        """Return its Deployment, or its object of another kind."""
        assert cluster.proxies is not None
        ref = Ref(kind, "web", self.name)
        return next(each.body for each in cluster.proxies.manifests if each.ref == ref)


RATE_LIMIT = Deployed(
    RATE_LIMIT_SERVICE,
    ("ConfigMap", "Service", "Deployment"),
    "rateLimit: {global: {rules: [{name: a, limit: {requests: 1, unit: Hour}}]}}",
    "rateLimit: {global: {disable: {}}}",
)
WAF = Deployed(WAF_SERVICE, ("Service", "Deployment"), "waf: {}", "waf: {disable: {}}")


def cluster(*objects: str, image: str = IMAGE) -> Cluster:
    """Return a cluster with a route, whose operator says the image of the firewall."""
    return Cluster(*objects, ROUTE, BACKEND, settings=replace(IN_CLUSTER, waf_image=image))


def own(found: Cluster) -> list[tuple[str, str]]:
    """Return the kinds and names of the manifests that are none of the proxies'."""
    assert found.proxies is not None
    refs = [each.ref for each in found.proxies.manifests]
    return [(each.kind, each.name) for each in refs if each.name != resource_name(GATEWAY)]
