"""The UDP ports of HTTP/3 in the Service of a Gateway's proxies."""

from __future__ import annotations

from typing import Any

import yaml

from tests.certificates import key_pair
from tests.translator.infrastructure.gateways import CLASS, GATEWAY, Cluster

HTTPS = """
apiVersion: gateway.networking.k8s.io/v1
kind: Gateway
metadata: {name: shop, namespace: web, uid: '1234', generation: 7}
spec:
  gatewayClassName: headgate
  listeners:
  - {name: plain, port: 80, protocol: HTTP}
  - {name: https, port: 443, protocol: HTTPS, tls: {certificateRefs: [{name: own}]}}
"""


def secret() -> str:
    """Return the Secret of the listener's certificate."""
    certificate, key = key_pair("own")
    data = {"tls.crt": certificate, "tls.key": key}
    metadata = {"name": "own", "namespace": "web"}
    found = {
        "apiVersion": "v1",
        "kind": "Secret",
        "type": "kubernetes.io/tls",
        "metadata": metadata,
        "stringData": data,
    }
    return yaml.safe_dump(found)


def policy(http3: str, tls: str = "{}") -> str:
    """Return a ListenerPolicy for the Gateway."""
    return f"""
apiVersion: gateway.headgate.dev/v1alpha1
kind: ListenerPolicy
metadata: {{name: http3, namespace: web}}
spec:
  targetRefs: [{{group: gateway.networking.k8s.io, kind: Gateway, name: shop}}]
  default: {{http3: {http3}, tls: {tls}}}
"""


def test_the_service_has_the_port_while_it_is_spoken() -> None:
    """It is there beside the port of TCP, and nothing else changes; where HTTP/3 is not spoken it is not there."""
    cluster = Cluster(CLASS, HTTPS, secret())

    def ports() -> list[Any]:
        return [(each["name"], each["port"], each["protocol"]) for each in cluster.body("Service")["spec"]["ports"]]

    plain = [("tcp-80", 80, "TCP"), ("tcp-443", 443, "TCP")]
    assert ports() == plain
    before = {each.ref.kind: each for each in cluster.translator.deployments[GATEWAY].manifests}
    cluster.apply(policy("{}"))
    assert ports() == [*plain, ("udp-443", 443, "UDP")]
    after = {each.ref.kind: each for each in cluster.translator.deployments[GATEWAY].manifests}
    assert [kind for kind in after if after[kind] != before[kind]] == ["Service"]
    cluster.apply(policy("{}", "{maxVersion: '1.2'}"))
    assert ports() == plain
    cluster.apply(policy("{disable: {}}"))
    assert ports() == plain
