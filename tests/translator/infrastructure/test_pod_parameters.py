"""The pods of proxies by the fields of GatewayParameters: images, volumes, spreading, times, log levels."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from tests.translator.infrastructure.gateways import (
    CLASS_WITH_PARAMETERS,
    NAME,
    Cluster,
    parameters,
    with_parameters,
)
from tests.translator.infrastructure.test_manifests import configured, container
from translator.infrastructure.bootstrap import CONFIG_FOLDER, TOKEN_FOLDER
from translator.infrastructure.names import selector
from translator.objects.headgate.logcomponents import COMPONENTS
from translator.objects.headgate.proxypods import ExtraVolumeMount
from translator.refs import Ref


def pod(cluster: Cluster, kind: str = "Deployment") -> Any:
    """Return the spec of the pods."""
    return cluster.body(kind)["spec"]["template"]["spec"]


def test_images_of_a_private_registry() -> None:
    """The Secrets of the class and of the Gateway are used to pull images, by the policy that is set."""
    cluster = Cluster(
        CLASS_WITH_PARAMETERS,
        parameters("{imagePullSecrets: [{name: all}], imagePullPolicy: Always}", name="all", namespace="system"),
        parameters("{imagePullSecrets: [{name: mine}]}"),
        with_parameters(),
    )
    assert pod(cluster)["imagePullSecrets"] == [{"name": "all"}, {"name": "mine"}]
    assert container(cluster)["imagePullPolicy"] == "Always"
    plain = configured("{}")
    assert "imagePullSecrets" not in pod(plain)
    assert "imagePullPolicy" not in container(plain)


def test_common_labels_are_on_everything() -> None:
    """Every object and pod has the common labels; those of the Gateway's infrastructure go before them."""
    cluster = Cluster(
        parameters("{commonLabels: {team: shop, tier: edge}, pdb: {maxUnavailable: 1}, vpa: {}}"),
        with_parameters("labels: {tier: core}, "),
    )
    for kind in cluster.kinds:
        assert cluster.body(kind)["metadata"]["labels"].items() >= {"team": "shop", "tier": "core"}.items(), kind
    labels = cluster.body("Deployment")["spec"]["template"]["metadata"]["labels"]
    assert labels.items() >= {"team": "shop", "tier": "core"}.items()
    assert "team" not in cluster.body("Deployment")["spec"]["selector"]["matchLabels"]


def test_the_service_account_has_annotations() -> None:
    """The account of the proxies has the annotations and labels that are set, and no other object has them."""
    cluster = configured("{serviceAccount: {annotations: {example.com/role: a}, labels: {b: c}}}")
    metadata = cluster.body("ServiceAccount")["metadata"]
    assert (metadata["annotations"], metadata["labels"]["b"]) == ({"example.com/role": "a"}, "c")
    assert "annotations" not in cluster.body("Deployment")["metadata"]


def test_extra_volumes() -> None:
    """Volumes are added to the pod, and mounted without the right to write unless it is given."""
    cluster = configured("""
      extraVolumes:
      - {name: geo, persistentVolumeClaim: {claimName: geo, readOnly: true}}
      - {name: scratch, emptyDir: {sizeLimit: 16Mi}}
      extraVolumeMounts:
      - {name: geo, mountPath: /var/lib/geo}
      - {name: scratch, mountPath: /tmp, readOnly: false}
    """)
    assert pod(cluster)["volumes"][2:] == [
        {"name": "geo", "persistentVolumeClaim": {"claimName": "geo", "readOnly": True}},
        {"name": "scratch", "emptyDir": {"sizeLimit": "16Mi"}},
    ]
    assert container(cluster)["volumeMounts"][2:] == [
        {"name": "geo", "mountPath": "/var/lib/geo", "readOnly": True},
        {"name": "scratch", "mountPath": "/tmp", "readOnly": False},
    ]


@pytest.mark.parametrize("folder", [CONFIG_FOLDER, TOKEN_FOLDER])
def test_a_mount_cannot_hide_the_token(folder: str) -> None:
    """A mount in place of the token or of the configuration, or in them, makes the parameters invalid."""
    for path in (folder, f"{folder}/", f"/{folder}/x"):
        with pytest.raises(ValidationError, match="breaks a rule"):
            ExtraVolumeMount.model_validate({"name": "a", "mountPath": path})
    for path in (f"{folder}-more", f"/a{folder}"):
        assert ExtraVolumeMount.model_validate({"name": "a", "mountPath": path}).mount_path == path


def test_proxies_are_spread() -> None:
    """Constraints count the proxies of this Gateway: of a Deployment those of the same revision."""
    more = "topologySpreadConstraints: [{topologyKey: topology.kubernetes.io/zone}]"
    cluster = configured(f"{{{more}}}")
    expected = {
        "topologyKey": "topology.kubernetes.io/zone",
        "maxSkew": 1,
        "whenUnsatisfiable": "ScheduleAnyway",
        "labelSelector": {"matchLabels": selector(Ref("Gateway", "web", "shop"))},
    }
    assert pod(cluster)["topologySpreadConstraints"] == [{**expected, "matchLabelKeys": ["pod-template-hash"]}]
    assert pod(configured(f"{{kind: DaemonSet, {more}}}"), "DaemonSet")["topologySpreadConstraints"] == [expected]


def test_the_termination_grace_period() -> None:
    """It follows the drain time unless it is set, and a value below the drain time is invalid, be it the default."""
    assert pod(configured("{drainSeconds: 45}"))["terminationGracePeriodSeconds"] == 65
    assert pod(configured("{terminationGracePeriodSeconds: 300}"))["terminationGracePeriodSeconds"] == 300
    status, reason, message = configured("{terminationGracePeriodSeconds: 9}").condition("Accepted")
    assert (status, reason) == ("False", "InvalidParameters")
    assert message.startswith("terminationGracePeriodSeconds must not be less than drainSeconds, 10: raise it")


def test_log_levels_of_components() -> None:
    """Levels of components become one option of Envoy, in order of their names."""
    arguments = " ".join(container(configured("{componentLogLevels: {upstream: debug, http: trace}}"))["args"])
    assert "--log-level warning --disable-hot-restart --component-log-level http:trace,upstream:debug" in arguments


def test_envoy_has_the_components(envoy_path: Path) -> None:
    """Envoy starts with a level for every component that GatewayParameters may name."""
    levels = ",".join(f"{each}:info" for each in COMPONENTS)
    command = [str(envoy_path), "--mode", "validate", "--config-yaml", "{}", "--component-log-level", levels]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    command[-1] = "nosuch:info"
    assert subprocess.run(command, capture_output=True, timeout=60).returncode != 0


def test_a_vertical_autoscaler() -> None:
    """It is of Envoy's container only, and leaves limits alone unless it is told to set them."""
    cluster = configured("{kind: DaemonSet, vpa: {updateMode: Recreate, maxAllowed: {cpu: '2'}}}")
    assert cluster.kinds[-1] == "VerticalPodAutoscaler"
    assert cluster.body("VerticalPodAutoscaler")["spec"] == {
        "targetRef": {"apiVersion": "apps/v1", "kind": "DaemonSet", "name": NAME},
        "updatePolicy": {"updateMode": "Recreate"},
        "resourcePolicy": {
            "containerPolicies": [
                {"containerName": "*", "mode": "Off"},
                {
                    "containerName": "envoy",
                    "maxAllowed": {"cpu": "2"},
                    "controlledResources": ["cpu", "memory"],
                    "controlledValues": "RequestsOnly",
                },
            ]
        },
    }
