"""A translator of a cluster, with objects in YAML."""

from __future__ import annotations

from typing import Any

import yaml

from translator.infrastructure.manifest import ProxyManifests
from translator.inputs import ApplyResult, Edit, GatewaySyncStatus, Invalid, ProxyDefaults, Settings
from translator.refs import Ref
from translator.registry import KINDS
from translator.translator import Changes, Translator

IN_CLUSTER = Settings(standalone=False, addresses=("0.0.0.0",))
GATEWAY = Ref("Gateway", "web", "shop")
NAME = "headgate-shop"

CLASS = """
apiVersion: gateway.networking.k8s.io/v1
kind: GatewayClass
metadata: {name: headgate}
spec: {controllerName: gateway.headgate.dev/controller}
"""
CLASS_WITH_PARAMETERS = """
apiVersion: gateway.networking.k8s.io/v1
kind: GatewayClass
metadata: {name: headgate}
spec:
  controllerName: gateway.headgate.dev/controller
  parametersRef: {group: gateway.headgate.dev, kind: GatewayParameters, name: all, namespace: system}
"""


def gateway(more: str = "", name: str = "shop", ports: tuple[int, ...] = (80,)) -> str:
    """Return a Gateway; `more` are further lines of its spec."""
    listeners = ", ".join(f"{{name: l{port}, port: {port}, protocol: HTTP}}" for port in ports)
    return f"""
apiVersion: gateway.networking.k8s.io/v1
kind: Gateway
metadata: {{name: {name}, namespace: web, uid: '1234', generation: 7}}
spec:
  gatewayClassName: headgate
  listeners: [{listeners}]
  {more}
"""


def with_parameters(more: str = "") -> str:
    """Return a Gateway that refers to the GatewayParameters web/mine."""
    reference = "parametersRef: {group: gateway.headgate.dev, kind: GatewayParameters, name: mine}"
    return gateway(f"infrastructure: {{{more}{reference}}}")


def parameters(spec: str, name: str = "mine", namespace: str = "web") -> str:
    """Return GatewayParameters."""
    return f"""
apiVersion: gateway.headgate.dev/v1alpha1
kind: GatewayParameters
metadata: {{name: {name}, namespace: {namespace}, generation: 2}}
spec: {spec}
"""


def service(more: str, type_: str = "LoadBalancer") -> str:
    """Return the Service of the Gateway, as in the API server."""
    return f"""
apiVersion: v1
kind: Service
metadata: {{name: {NAME}, namespace: web}}
spec: {{type: {type_}, clusterIP: 10.96.0.7, ports: [{{port: 80}}]}}
{more}
"""


class Cluster:
    """A translator and its outputs."""

    def __init__(self, *documents: str, settings: Settings = IN_CLUSTER) -> None:
        self.translator = Translator(settings)
        self.translator.set_proxy_defaults(ProxyDefaults(ca="authority"))
        self.changes = Changes()
        self.apply(CLASS, *documents)

    def apply(self, *documents: str) -> None:
        """Apply objects; an invalid one as watchers do."""
        for text in documents:
            raw: dict[str, Any] = yaml.safe_load(text)
            parsed = KINDS.parse(raw)
            metadata = raw["metadata"]
            ref = Ref(raw["kind"], metadata.get("namespace", ""), metadata["name"])
            errors = "; ".join(str(each) for each in parsed.problems if each.severity == "error")
            self.translator.edit([Edit(ref, parsed.object or Invalid(errors))])
        self.evaluate()

    def remove(self, ref: Ref) -> None:
        """Delete an object."""
        self.translator.edit([Edit(ref, None)])
        self.evaluate()

    def deployed(self, deployed: ApplyResult | None) -> None:
        """Set the apply result of the Gateway."""
        self.translator.set_apply_result(GATEWAY, deployed)
        self.evaluate()

    def deliver(self, clients: int = 1) -> None:
        """Report that all proxies have acknowledged everything."""
        self.translator.set_sync_status(GATEWAY, GatewaySyncStatus(clients, all_acked=True))
        self.evaluate()

    def evaluate(self) -> None:
        """Evaluate all outputs."""
        self.changes = self.translator.evaluate()
        assert not self.changes.failures, self.changes.failures

    @property
    def proxies(self) -> ProxyManifests | None:
        """The manifests of the Gateway's proxies."""
        return self.translator.deployments.get(GATEWAY)

    def body(self, kind: str) -> Any:
        """Return the manifest of a kind."""
        assert self.proxies is not None
        return next(each.body for each in self.proxies.manifests if each.ref.kind == kind)

    @property
    def kinds(self) -> list[str]:
        """The kinds of the manifests, in order."""
        assert self.proxies is not None
        return [each.ref.kind for each in self.proxies.manifests]

    def condition(self, type_: str, ref: Ref = GATEWAY) -> tuple[str, str, str]:
        """Return status, reason and message of a condition."""
        found = next(each for each in self.translator.statuses[ref]["conditions"] if each["type"] == type_)
        assert found["observedGeneration"]
        return found["status"], found["reason"], found["message"]

    @property
    def addresses(self) -> list[tuple[str, str]]:
        """The Gateway's addresses."""
        return [(each["type"], each["value"]) for each in self.translator.statuses[GATEWAY]["addresses"]]
