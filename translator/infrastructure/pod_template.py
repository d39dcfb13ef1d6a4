"""The pod template of a Gateway's proxies: the parameters' template merged over the default."""

from __future__ import annotations

from collections.abc import Mapping
from hashlib import blake2b
from typing import Any

from translator.infrastructure.bootstrap import CA_FILE
from translator.infrastructure.names import CONTAINER, identity
from translator.infrastructure.pod import (
    BOOTSTRAP_HASH,
    metrics_annotations,
    on_host_network,
    pod_spec,
    required_fields,
)
from translator.infrastructure.render_input import InvalidParameters, RenderInput
from translator.objects.headgate.gatewayparameters import GatewayParametersSpec
from translator.strategic_merge import TooDeep, merge, without_nulls


def template(plan: RenderInput, drain_path: str, files: Mapping[str, str]) -> dict[str, Any]:
    """Make the pod template.

    Args:
        plan: of the Gateway.
        drain_path: the path that begins the drain.
        files: of the proxies' configuration.

    Raises:
        Unfit: no proxy could run, or be known, with what the parameters say.
    """
    # Certificates are read again while the proxy runs; the rest takes a new one.
    lasting = repr(sorted(item for item in files.items() if item[0] != CA_FILE))
    made = {
        "metadata": {
            "labels": plan.labels,
            "annotations": {**metrics_annotations(plan.parameters), **plan.annotations},
        },
        "spec": pod_spec(plan.name, plan.key, plan.proxies, plan.parameters, drain_path),
    }
    try:
        merged = without_nulls(merge(made, plan.parameters.pod_template or {}))
    except TooDeep as error:
        raise InvalidParameters(f"podTemplate of the GatewayParameters {error}.") from None
    fitted: dict[str, Any] = merge(merged, _fixed(plan, blake2b(lasting.encode(), digest_size=8).hexdigest()))
    _check(fitted)
    _check_own(made, fitted)
    return fitted


def _fixed(plan: RenderInput, digest: str) -> dict[str, Any]:
    """Return what no template may change, or the pods would not be found, or not be replaced in time."""
    return {
        "metadata": {
            "labels": identity(plan.gateway.ref, plan.controller),
            "annotations": {BOOTSTRAP_HASH: digest},
        }
    }


def _check(template: Any) -> None:
    """Raise what the API server would say of a template in words that nobody understands."""
    field = "podTemplate of the GatewayParameters"
    for name in ("metadata", "spec"):
        if not isinstance(template.get(name), Mapping):
            raise InvalidParameters(f"{field}: {name} must be an object.")
    containers = template["spec"].get("containers")
    if not isinstance(containers, list) or not all(isinstance(each, Mapping) for each in containers):
        raise InvalidParameters(f"{field}: spec.containers must be a list of containers.")
    if CONTAINER not in [each.get("name") for each in containers]:
        raise InvalidParameters(
            f"{field}: every container of spec.containers must have a name, so that {CONTAINER} can be kept."
        )


def _check_own(made: Any, template: Any) -> None:
    """Raise if a template changes what a proxy needs to find Headgate and to be known there."""
    found = required_fields(template["spec"])
    for field, value in required_fields(made["spec"]).items():
        if found[field] != value:
            text = "is how a proxy proves to Headgate which Gateway is its own, and must stay as it is: remove it"
            raise InvalidParameters(f"podTemplate of the GatewayParameters: {field} {text}.")


def strategy(wanted: GatewayParametersSpec) -> Mapping[str, Any]:
    """Tell how pods are replaced: a proxy that works does not go for one that never gets ready."""
    if wanted.strategy is not None:
        return {name: each for name, each in wanted.strategy.items() if each is not None}
    if on_host_network(wanted):  # where one cannot start before the other one is gone
        return {"type": "RollingUpdate", "rollingUpdate": {"maxUnavailable": 1, "maxSurge": 0}}
    return {"type": "RollingUpdate", "rollingUpdate": {"maxUnavailable": 0, "maxSurge": "25%"}}
