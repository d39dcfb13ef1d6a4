"""The examples of integrations: Headgate serves what is its own in them, and what they compute is right."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Final

import pytest
import yaml
from lupa.lua51 import LuaRuntime

from deploy.observability.envoy import ENVOY
from deploy.observability.promql import BACKEND_NAME
from tests.deploy.promql_selectors import selectors
from tests.translator.infrastructure.gateways import CLASS, Cluster, gateway, service
from tests.translator.infrastructure.test_workload_health import ADDRESS, deployment, endpoints
from translator.refs import Ref
from translator.registry import KINDS

FOLDER: Final = Path(__file__).parents[2] / "examples" / "integrations"
DOCUMENTS: Final = {path.name: list(yaml.safe_load_all(path.read_text())) for path in sorted(FOLDER.glob("*.yaml"))}
SHOP: Final = Ref("Gateway", "default", "shop")
ROUTE: Final = """
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: {name: shop, namespace: web, generation: 3}
spec:
  parentRefs: [{name: shop}]
  rules:
  - backendRefs: [{name: shop, port: 80}]
"""
BACKEND: Final = "{apiVersion: v1, kind: Service, metadata: {name: shop, namespace: web}, spec: {ports: [{port: 80}]}}"
POLICY: Final = """
apiVersion: gateway.headgate.dev/v1alpha1
kind: TrafficPolicy
metadata: {name: shop, namespace: web, generation: 4}
spec:
  targetRefs: [{group: gateway.networking.k8s.io, kind: HTTPRoute, name: shop}]
  csrf: {}
"""


def cluster_of(documents: Iterable[dict[str, Any]]) -> Cluster:
    """Return a cluster with Headgate's GatewayClass and these objects, in their first generation."""
    texts = [yaml.safe_dump({**each, "metadata": {**each["metadata"], "generation": 1}}) for each in documents]
    return Cluster(CLASS, *texts)


@pytest.mark.parametrize("name", [name for name in DOCUMENTS if any(SHOP.kind == d["kind"] for d in DOCUMENTS[name])])
def test_gateways_and_routes_are_accepted(name: str) -> None:
    """The Gateways of an example get proxies, and their routes are attached."""
    found = [each for each in DOCUMENTS[name] if each["kind"] in KINDS and each["metadata"]["namespace"] == "default"]
    cluster = cluster_of(found)
    assert cluster.condition("Accepted", SHOP)[0] == "True"
    assert not cluster.translator.deployments[SHOP].paused
    for each in found:
        if each["kind"] == "HTTPRoute":
            ref = Ref("HTTPRoute", "default", each["metadata"]["name"])
            for parent in cluster.translator.statuses[ref]["parents"]:
                accepted = next(each for each in parent["conditions"] if each["type"] == "Accepted")
                assert accepted["status"] == "True", accepted


def test_the_collector_gets_spans_and_records() -> None:
    """The policy of the example is in effect at its Gateway, and both name the port at which the collector listens."""
    found = {each["kind"]: each for each in DOCUMENTS["opentelemetry.yaml"]}
    ours = [each for each in found.values() if each["kind"] in KINDS and each["kind"] != "Deployment"]
    cluster = cluster_of(ours)
    (ancestor,) = cluster.translator.statuses[Ref("ListenerPolicy", "default", "opentelemetry")]["ancestors"]
    status = {each["type"]: each["status"] for each in ancestor["conditions"]}
    assert (status["Accepted"], status["ResolvedRefs"], status["Attached"]) == ("True", "True", "True")
    settings = found["ListenerPolicy"]["spec"]["default"]["httpSettings"]
    logs = [each["openTelemetry"] for each in settings["accessLog"] if "openTelemetry" in each]
    callers = [settings["tracing"]["provider"]["openTelemetry"], *logs]
    port, other = (each["grpcService"]["backendRef"]["port"] for each in callers)
    assert port == other
    collector = yaml.safe_load(found["ConfigMap"]["data"]["collector.yaml"])
    assert collector["receivers"]["otlp"]["protocols"]["grpc"]["endpoint"].endswith(f":{port}")
    assert [each["port"] for each in found["Service"]["spec"]["ports"]] == [port]
    pipelines = collector["service"]["pipelines"]
    assert pipelines.keys() == {"traces", "logs"}
    for each in pipelines.values():
        assert (set(each["processors"]), set(each["receivers"])) == (set(collector["processors"]), {"otlp"})


def queries() -> list[str]:
    """Return the queries of Prometheus in the examples, with values in place of the variables."""
    values = {"namespace": "default", "target": "shop", "interval": "1m", "args.service": "shop-canary"}

    def strings(value: Any) -> list[str]:
        if isinstance(value, dict):
            return [each for item in value.values() for each in strings(item)]
        if isinstance(value, list):
            return [each for item in value for each in strings(item)]
        return [value] if isinstance(value, str) and "envoy_" in value else []

    return [
        re.sub(r"{{ ?([\w.]+) ?}}", lambda found: values[found[1]], each) for each in strings([*DOCUMENTS.values()])
    ]


def test_queries_select_metrics_of_envoy() -> None:
    """Queries are valid, of metrics that Envoy has, and select the canary's clusters by their names."""
    known = {name for each in ENVOY for name in each.series}
    assert len(queries()) == 3
    for query in queries():
        found = selectors(query)
        assert found
        for each in found:
            assert each.name in known
            (cluster,) = (m.value for m in each.matchers.matchers if m.name == "envoy_cluster_name")
            assert re.fullmatch(cluster, "default/shop-canary_80/16d7daa3")
            assert not re.fullmatch(cluster, "default/shop-primary_80/16d7daa3")
            assert re.fullmatch(BACKEND_NAME, "default/shop-canary_80/16d7daa3")


class ArgoCd:
    """The health that Argo CD gives objects by the scripts of the example, which it runs in Lua 5.1."""

    def __init__(self) -> None:
        (found,) = DOCUMENTS["argo-cd.yaml"]
        prefix = "resource.customizations.health."
        self.scripts = {name.removeprefix(prefix): text for name, text in found["data"].items() if prefix in name}

    def health(self, cluster: Cluster, document: str, known: bool = True) -> tuple[str, str]:
        """Return the status and message of an object, with the status that Headgate gives it if it is known to it."""
        raw = yaml.safe_load(document)
        metadata = raw["metadata"]
        if known:
            raw["status"] = cluster.translator.statuses[Ref(raw["kind"], metadata["namespace"], metadata["name"])]
        lua = LuaRuntime(unpack_returned_tuples=True)
        group = raw["apiVersion"].partition("/")[0]
        run = lua.eval(f"function(obj) {self.scripts[f'{group}_' + raw['kind']]} end")
        result = run(lua.table_from(raw, recursive=True))
        return result.status, result.message


def test_the_health_of_a_gateway() -> None:
    """A Gateway is progressing until its proxies have acknowledged all, then healthy; an invalid one is degraded."""
    argo, text = ArgoCd(), gateway()
    cluster = Cluster(text, ADDRESS, deployment("{}"))
    assert argo.health(cluster, text, known=False)[0] == "Progressing"
    assert argo.health(cluster, text)[0] == "Progressing"
    cluster.apply(endpoints(True))
    cluster.deliver()
    assert argo.health(cluster, text)[0] == "Healthy"
    edited = text.replace("generation: 7", "generation: 8")
    assert argo.health(cluster, edited)[0] == "Progressing"
    broken = gateway(
        "infrastructure: {parametersRef: {group: gateway.headgate.dev, kind: GatewayParameters, name: none}}"
    )
    status, message = argo.health(Cluster(broken, service("")), broken)
    assert status == "Degraded"
    assert "there is no GatewayParameters" in message


def test_the_health_of_a_route() -> None:
    """A route is healthy if its Gateways accept it and its backends exist; else the message says what is wrong."""
    argo = ArgoCd()
    cluster = Cluster(gateway(), ROUTE)
    assert argo.health(cluster, ROUTE, known=False)[0] == "Progressing"
    status, message = argo.health(cluster, ROUTE)
    assert status == "Degraded"
    assert "Service web/shop" in message
    cluster.apply(BACKEND)
    assert argo.health(cluster, ROUTE)[0] == "Healthy"
    assert argo.health(cluster, ROUTE.replace("generation: 3", "generation: 4"))[0] == "Progressing"


def test_the_health_of_a_policy() -> None:
    """A policy is healthy if it is in effect, and degraded if its target is missing."""
    argo = ArgoCd()
    cluster = Cluster(gateway(), BACKEND, ROUTE, POLICY)
    assert argo.health(cluster, POLICY)[0] == "Healthy"
    missing = POLICY.replace("name: shop}]", "name: none}]")
    status, message = argo.health(Cluster(gateway(), missing), missing)
    assert status == "Degraded"
    assert "none" in message


def test_there_is_a_script_for_every_kind_with_a_status() -> None:
    """Argo CD has a script for every kind of route and policy, and for what has listeners."""
    scripts = ArgoCd().scripts
    kinds = {f"{each.group}_{each.kind}" for each in KINDS.values() if each.kind.endswith(("Route", "Policy"))}
    others = {"gateway.networking.k8s.io_BackendTLSPolicy"}
    assert kinds - others - {each for each in kinds if ".x-k8s.io" in each} <= set(scripts)
