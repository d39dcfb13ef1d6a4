"""Explanations of requests to objects in YAML, through the translator and without an Envoy."""

from __future__ import annotations

from collections.abc import Sequence

import yaml

from translator.explain.explain import explain
from translator.explain.request import parse_request
from translator.explain.result import Explanation
from translator.inputs import Edit, Settings
from translator.registry import KINDS
from translator.translator import Translator

GATEWAY = """
apiVersion: gateway.networking.k8s.io/v1
kind: Gateway
metadata: {name: web}
spec:
  gatewayClassName: headgate
  listeners: [{name: http, port: 80, protocol: HTTP}]
---
apiVersion: v1
kind: Service
metadata: {name: shop}
spec: {ports: [{port: 80}]}
---
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: {name: shop-1, labels: {kubernetes.io/service-name: shop}}
addressType: IPv4
endpoints: [{addresses: [10.0.0.1, 10.0.0.1]}, {addresses: [10.0.0.2]}]
ports: [{port: 8080}]
---
apiVersion: v1
kind: Service
metadata: {name: empty}
spec: {ports: [{port: 80}], selector: {app: none}}
"""


def route(rules: str, name: str = "shop", hostnames: str = "[]", **metadata: str) -> str:
    """Return an HTTPRoute of the Gateway `web` with rules in YAML."""
    more = "".join(f", {key}: {value}" for key, value in metadata.items())
    return f"""
---
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: {{name: {name}{more}}}
spec:
  parentRefs: [{{name: web}}]
  hostnames: {hostnames}
  rules: {rules}
"""


SHOP = "{backendRefs: [{name: shop, port: 80}]}"
"""A rule that takes everything."""


def policy(name: str, target: str, spec: str) -> str:
    """Return a TrafficPolicy for a target, both in YAML."""
    return f"""
---
apiVersion: gateway.headgate.dev/v1alpha1
kind: TrafficPolicy
metadata: {{name: {name}}}
spec:
  targetRefs: [{{group: gateway.networking.k8s.io, {target}}}]
  {spec}
"""


def translated(text: str) -> Translator:
    """Return a translator with the objects of a text."""
    translator = Translator(Settings())
    for manifest in filter(None, yaml.load_all(text, yaml.CSafeLoader)):
        found = KINDS.parse(manifest)
        assert found.object is not None, found.problems
        translator.edit([Edit(found.object.ref, found.object)])
    assert not translator.evaluate().failures
    return translator


def explained(
    text: str,
    url: str,
    method: str = "GET",
    headers: Sequence[str] = (),
    size: int | None = None,
    gateway: str | None = None,
) -> tuple[Explanation, ...]:
    """Return the explanations of a request, of objects in YAML."""
    translator = translated(text)
    return explain(translator.reader, translator.snapshots, parse_request(method, url, headers, size), gateway)


def one(text: str, url: str = "http://example.com/", method: str = "GET", *headers: str) -> Explanation:
    """Return the one explanation of a request."""
    (found,) = explained(text, url, method, headers)
    return found
