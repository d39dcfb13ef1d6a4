"""Manifests of self-managed proxies."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import pytest
import yaml

from headgate.cluster.self_managed import render
from headgate.process.errors import UserError
from tests.translator.infrastructure.gateways import CLASS, GATEWAY, NAME, gateway, parameters, with_parameters
from translator.api_group import CONTROLLER_NAME
from translator.inputs import ProxyDefaults
from translator.objects.schema.base import KubernetesObject
from translator.refs import Ref
from translator.registry import KINDS


def printed(*documents: str) -> dict[str, Any]:
    """Return the manifests for the Gateway, by kind."""
    objects = [KINDS.parse(yaml.safe_load(each)).object for each in documents]
    known: Mapping[Ref, KubernetesObject] = {each.ref: each for each in objects if each is not None}
    items = list(render(known, GATEWAY, ProxyDefaults(ca="authority"), CONTROLLER_NAME))
    assert yaml.safe_load(yaml.safe_dump(items)) == items
    return {each["kind"]: each for each in items}


def test_manifests_of_a_proxy_are_printed() -> None:
    """ServiceAccount, ConfigMap and Deployment fit together like Headgate's own, and apply the parameters."""
    found = printed(CLASS, parameters("{selfManaged: true, logLevel: debug, replicas: 3}"), with_parameters())
    assert list(found) == ["ServiceAccount", "ConfigMap", "Deployment"]
    assert {each["metadata"]["name"] for each in found.values()} == {NAME}
    assert found["ConfigMap"]["data"]["ca.crt"] == "authority"
    assert json.loads(found["ConfigMap"]["data"]["bootstrap.json"])["dynamic_resources"]
    spec = found["Deployment"]["spec"]
    assert spec["replicas"] == 3
    assert "debug" in spec["template"]["spec"]["containers"][0]["args"]
    assert spec["template"]["spec"]["serviceAccountName"] == NAME
    assert spec["selector"]["matchLabels"].items() <= spec["template"]["metadata"]["labels"].items()


def test_printed_manifests_are_not_managed() -> None:
    """The manifests have neither Headgate's labels nor an owner, so that Headgate never deletes these objects."""
    text = json.dumps(printed(CLASS, parameters("{selfManaged: true}"), with_parameters()))
    assert "app.kubernetes.io/managed-by" not in text
    assert "gateway.headgate.dev/controller" not in text
    assert "ownerReferences" not in text


@pytest.mark.parametrize(
    ("documents", "words"),
    [
        ((CLASS,), "Headgate has no Gateway web/shop"),
        ((gateway(), CLASS.replace("gateway.headgate.dev/controller", "example.com/other")), "has no Gateway web/shop"),
        ((gateway(),), "the proxies of Gateway web/shop cannot be rendered"),
        ((CLASS, with_parameters()), "there is no GatewayParameters web/mine; create it."),
    ],
)
def test_a_gateway_without_proxies_is_an_error(documents: tuple[str, ...], words: str) -> None:
    """For a Gateway that Headgate does not serve, or with invalid parameters, the error says why nothing is printed."""
    with pytest.raises(UserError) as error:
        printed(*documents)
    assert words in str(error.value)
