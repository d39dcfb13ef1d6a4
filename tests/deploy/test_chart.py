"""The rendered Helm chart."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from headgate import __version__
from tests.deploy.tools import BASE, CHART, documents, helm, key, kustomize, render
from translator.infrastructure.names import identity
from translator.refs import Ref

pytestmark = pytest.mark.slow


def one(found: list[dict[str, Any]], kind: str) -> dict[str, Any]:
    """Return the only object of a kind."""
    (only,) = (each for each in found if each["kind"] == kind)
    return only


def container(found: list[dict[str, Any]]) -> dict[str, Any]:
    """Return Headgate's container."""
    (only,) = one(found, "Deployment")["spec"]["template"]["spec"]["containers"]
    return dict(only)


def test_chart_and_base_are_equivalent() -> None:
    """The kustomize base has the objects that the chart renders with default values, and the namespace."""
    rendered = {key(each): each for each in render()}
    built = {key(each): each for each in kustomize(BASE)}
    namespace = built.pop(("Namespace", "", "headgate-system"))
    assert namespace["metadata"]["labels"]["pod-security.kubernetes.io/enforce"] == "restricted"
    for each in rendered.values():
        if each["kind"] == "CustomResourceDefinition":
            assert each["metadata"].pop("annotations") == {"helm.sh/resource-policy": "keep"}
    assert rendered == built


def test_the_chart_is_valid() -> None:
    """`helm lint` accepts the chart, and it has Headgate's version."""
    done = subprocess.run([helm(), "lint", "--strict", str(CHART)], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout
    chart = yaml.safe_load((CHART / "Chart.yaml").read_text())
    assert (chart["version"], chart["appVersion"]) == (__version__, __version__)


def test_an_overlay_moves_the_base_to_another_namespace(tmp_path: Path) -> None:
    """With `namespace: other`, no object names the base's namespace, and proxies connect to the new one."""
    relative = os.path.relpath(BASE, tmp_path)
    (tmp_path / "kustomization.yaml").write_text(f"resources: [{relative}]\nnamespace: other\n")
    built = kustomize(tmp_path)
    assert one(built, "Namespace")["metadata"]["name"] == "other"
    assert "headgate-system" not in yaml.safe_dump_all(built)
    assert {each["namespace"] for found in built for each in found.get("subjects", ())} == {"other"}
    names = [each["name"] for each in container(built)["env"]]
    assert names.index("HEADGATE_NAMESPACE") < names.index("HEADGATE_XDS_HOST")
    assert container(built)["env"][names.index("HEADGATE_XDS_HOST")]["value"] == "headgate.$(HEADGATE_NAMESPACE).svc"


def test_headgate_runs_without_privileges() -> None:
    """Its pods conform to the Pod Security Standard "restricted", and have a read-only file system."""
    for found in (documents((BASE / "headgate.yaml").read_text()),):
        pod = one(found, "Deployment")["spec"]["template"]["spec"]
        assert pod["securityContext"]["runAsNonRoot"] is True
        assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
        assert container(found)["securityContext"] == {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        }
        assert not {"hostNetwork", "hostPID", "hostIPC"} & pod.keys()


def test_two_replicas_survive_a_drain() -> None:
    """Of two replicas, one may be evicted; a single replica has no budget, which would block drains."""
    found = render()
    assert one(found, "Deployment")["spec"]["replicas"] == 2
    assert one(found, "PodDisruptionBudget")["spec"]["minAvailable"] == 1
    assert not [each for each in render("--set", "replicas=1") if each["kind"] == "PodDisruptionBudget"]


def test_selected_is_what_is_labelled() -> None:
    """Deployment, Service and budget select Headgate's pods."""
    found = render("--set", "podLabels.team=web")
    labels = one(found, "Deployment")["spec"]["template"]["metadata"]["labels"].items()
    assert ("team", "web") in labels
    assert one(found, "Service")["spec"]["selector"].items() <= labels
    for kind in ("Deployment", "PodDisruptionBudget"):
        assert one(found, kind)["spec"]["selector"]["matchLabels"].items() <= labels


def test_permissions_are_in_watched_namespaces_only() -> None:
    """With namespaces by name, namespaced kinds are granted in these only."""
    found = render("--set", "watch.namespaces={a,b}")
    bindings = [key(each) for each in found if each["kind"].endswith("Binding")]
    assert sorted(bindings) == [
        ("ClusterRoleBinding", "", "headgate-cluster"),
        ("RoleBinding", "a", "headgate"),
        ("RoleBinding", "b", "headgate"),
        ("RoleBinding", "headgate-system", "headgate-own"),
    ]
    assert container(found)["args"] == ["controller", "--watch-namespace=a", "--watch-namespace=b"]


def test_two_installations_share_no_cluster_scoped_object() -> None:
    """A release with another controller name and class has no cluster-scoped object in common with the first."""
    other = render("--set", "controllerName=example.com/blue,gatewayClass.name=blue", release="blue")
    mine = {key(each) for each in render() if each["kind"] != "CustomResourceDefinition"}
    assert not mine & {key(each) for each in other if each["kind"] != "CustomResourceDefinition"}
    names = {each["name"]: each.get("value") for each in container(other)["env"]}
    assert names["HEADGATE_XDS_HOST"] == "blue-headgate.$(HEADGATE_NAMESPACE).svc"
    assert one(other, "Service")["metadata"]["name"] == "blue-headgate"


def test_options_reach_headgate() -> None:
    """Values become the options of `headgate controller`."""
    values = "proxy.image=r/envoy:1,externalNames=true,policyNamespaces={a,b},policyAffected=true,log.level=debug"
    values += ",allowHttpIssuers=true,allowLua=true,allowWasm=true,templateEnv={POD_NAME,TEAM}"
    values += ",waf.image=r/headgate:1,localBackends=true,accessLogFolder=/logs,watch.namespaceLabels=team,image.tag=v9"
    found = render("--set", values)
    environment = {each["name"]: each.get("value") for each in container(found)["env"]}
    assert environment.items() >= {
        ("HEADGATE_PROXY_IMAGE", "r/envoy:1"),
        ("HEADGATE_WAF_IMAGE", "r/headgate:1"),
        ("HEADGATE_EXTERNAL_NAMES", "true"),
        ("HEADGATE_ALLOW_HTTP_ISSUERS", "true"),
        ("HEADGATE_ALLOW_LUA", "true"),
        ("HEADGATE_TEMPLATE_ENV", "POD_NAME,TEAM"),
        ("HEADGATE_ALLOW_WASM", "true"),
        ("HEADGATE_LOCAL_BACKENDS", "true"),
        ("HEADGATE_ACCESS_LOG_FOLDER", "/logs"),
        ("HEADGATE_POLICY_NAMESPACES", "a,b"),
        ("HEADGATE_POLICY_AFFECTED", "true"),
        ("HEADGATE_LOG_LEVEL", "debug"),
        ("HEADGATE_WATCH_NAMESPACE_LABELS", "team"),
    }
    assert container(found)["image"] == "headgate:v9"


def test_parts_can_be_left_out() -> None:
    """CustomResourceDefinitions, the class, the budget and the account can be left out."""
    values = (
        "crds.enabled=false,gatewayClass.create=false,podDisruptionBudget.enabled=false,serviceAccount.create=false"
    )
    found = render("--set", f"{values},serviceAccount.name=mine")
    kinds = {each["kind"] for each in found}
    assert not kinds & {"CustomResourceDefinition", "GatewayClass", "PodDisruptionBudget", "ServiceAccount"}
    assert one(found, "Deployment")["spec"]["template"]["spec"]["serviceAccountName"] == "mine"
    subjects = {subject["name"] for each in found for subject in each.get("subjects", ())}
    assert subjects == {"mine"}


def test_the_probes_use_headgates_endpoints() -> None:
    """Probes, metrics and environment variables are those of `headgate controller`."""
    from typer.main import get_command

    from headgate.admin.server import ENDPOINTS
    from headgate.cli import app

    found = documents((BASE / "headgate.yaml").read_text())
    command = get_command(app).commands["controller"]  # type: ignore[attr-defined]
    known = {each.envvar for each in command.params} | {option for each in command.params for option in each.opts}
    headgate = container(found)
    assert {each["name"] for each in headgate["env"]} <= known
    assert "--watch-namespace" in known
    paths = {headgate[probe]["httpGet"]["path"] for probe in ("readinessProbe", "livenessProbe")}
    annotations = one(found, "Deployment")["spec"]["template"]["metadata"]["annotations"]
    assert paths | {annotations["prometheus.io/path"]} <= set(ENDPOINTS)


def test_only_proxies_may_connect_to_xds() -> None:
    """The NetworkPolicy selects Headgate's pods, and admits pods of Headgate's templates to xDS."""
    found = render()
    policy, pods = one(found, "NetworkPolicy")["spec"], one(found, "Deployment")["spec"]["template"]["metadata"]
    assert policy["podSelector"]["matchLabels"].items() <= pods["labels"].items()
    assert policy["policyTypes"] == ["Ingress"]
    (xds,) = (each for each in policy["ingress"] if each["ports"] == [{"port": "xds"}])
    (peer,) = xds["from"]
    assert peer["namespaceSelector"] == {}
    assert peer["podSelector"]["matchLabels"].items() <= identity(Ref("Gateway", "default", "web"), "x").items()
    assert "memory" in container(found)["resources"]["limits"]
