"""The condition SupportedVersion of GatewayClasses (`gatewayclass_types.go`)."""

from __future__ import annotations

from typing import Any

import pytest

from bench.world import edit, manifest
from translator.gateway.supported_version import is_supported
from translator.inputs import Edit, Settings
from translator.refs import Ref
from translator.translator import Translator

CLASS = Ref("GatewayClass", "", "headgate")


def gateway_class() -> Edit:
    """Return a GatewayClass of ours."""
    spec = {"controllerName": Settings().controller_name}
    return edit(manifest("gateway.networking.k8s.io/v1", "GatewayClass", CLASS.name, "", spec=spec))


def definition(name: str, release: str | None, group: str = "gateway.networking.k8s.io") -> Edit:
    """Return a CustomResourceDefinition, with its bundle version if it has one."""
    made = manifest("apiextensions.k8s.io/v1", "CustomResourceDefinition", f"{name}.{group}", "")
    bundle = {} if release is None else {"gateway.networking.k8s.io/bundle-version": release}
    made["metadata"]["annotations"] = {"example.com/other": "x", **bundle}
    return edit(made)


def told(*edits: Edit) -> dict[str, dict[str, Any]]:
    """Return the conditions of the GatewayClass beside these definitions, by type."""
    translator = Translator(Settings(standalone=False))
    translator.edit([gateway_class(), *edits])
    translator.evaluate()
    return {each["type"]: each for each in translator.statuses[CLASS]["conditions"]}


def test_a_supported_release_is_told() -> None:
    """Definitions of a supported release make it True; those of other groups have no say."""
    other = definition("certificates", None, "cert-manager.io")
    condition = told(definition("gateways", "v1.7.0"), definition("httproutes", "v1.4.1"), other)["SupportedVersion"]
    assert (condition["status"], condition["reason"]) == ("True", "SupportedVersion")


@pytest.mark.parametrize(
    ("release", "text"), [("v1.8.0", "release v1.8.0"), (None, "no annotation"), ("x", "release x")]
)
def test_one_definition_of_another_release_is_told(release: str | None, text: str) -> None:
    """One definition of a release that is not supported makes it False and names it; the class stays Accepted."""
    conditions = told(definition("gateways", "v1.7.0"), definition("httproutes", release))
    condition = conditions["SupportedVersion"]
    assert (condition["status"], condition["reason"]) == ("False", "UnsupportedVersion")
    assert "httproutes.gateway.networking.k8s.io" in condition["message"]
    assert text in condition["message"]
    assert "v1.0 to v1.7" in condition["message"]
    assert conditions["Accepted"]["status"] == "True"


def test_an_upgrade_of_the_definitions_is_followed() -> None:
    """The condition changes with the definitions, and with nothing of theirs but the release."""
    translator = Translator(Settings(standalone=False))
    translator.edit([gateway_class(), definition("gateways", "v1.8.0")])
    translator.evaluate()
    translator.edit([definition("gateways", "v1.7.0")])
    assert CLASS in translator.evaluate().statuses
    again = definition("gateways", "v1.7.0")
    translator.edit([again])
    assert not translator.evaluate().statuses


@pytest.mark.parametrize("release", ["v1.0.0", "v1.7.0", "v1.7.12", "v1.7.0-rc.1"])
def test_releases_that_are_supported(release: str) -> None:
    """All minor releases up to the newest known one are supported, with patches and candidates."""
    assert is_supported(release)


@pytest.mark.parametrize("release", ["", "v1.8.0", "v2.0.0", "v0.8.1", "1.7.0", "v1.7", "v1.7.0\n", "v1.\u0667.0"])
def test_releases_that_are_not(release: str) -> None:
    """What is newer, older than v1, or no release at all is not supported."""
    assert not is_supported(release)
