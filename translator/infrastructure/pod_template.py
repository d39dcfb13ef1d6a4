"""The pod template of a Gateway's proxies: the parameters' template merged over the default."""

from __future__ import annotations

from collections.abc import Mapping
from hashlib import blake2b
from typing import Any

from translator.infrastructure.bootstrap import CA_FILE
from translator.infrastructure.names import CONTAINER, identity, selector
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
    """Return the pod template.

    Args:
        plan: the inputs of the Gateway's manifests.
        drain_path: the path that starts the drain.
        files: the files of the proxies' configuration.

    Raises:
        InvalidParameters: no proxy could run, or authenticate, with these parameters.
    """
    _check_times(plan.parameters)
    # A running proxy rereads certificates; a change of the other files needs a new pod.
    lasting = repr(sorted(item for item in files.items() if item[0] != CA_FILE))
    made = {
        "metadata": {
            "labels": plan.labels,
            "annotations": {**metrics_annotations(plan.parameters), **plan.annotations},
        },
        "spec": pod_spec(plan.name, plan.key, plan.proxies, plan.parameters, drain_path, selector(plan.gateway.ref)),
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
    """Return the fields that no template may change, as pods would not be selected, or not replaced in time."""
    return {
        "metadata": {
            "labels": identity(plan.gateway.ref, plan.controller),
            "annotations": {BOOTSTRAP_HASH: digest},
        }
    }


def _check_times(parameters: GatewayParametersSpec) -> None:
    """Raise if a proxy would be killed before its drain time has passed, which may be the default one."""
    grace = parameters.termination_grace_period_seconds
    if grace is not None and grace < parameters.drain_seconds:
        text = f"terminationGracePeriodSeconds must not be less than drainSeconds, {parameters.drain_seconds}"
        raise InvalidParameters(f"{text}: raise it in the GatewayParameters.")


def _check(template: Any) -> None:
    """Raise for mistakes in a template for which the API server's error message is not understandable."""
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
    """Raise if a template changes the fields that a proxy needs to connect to Headgate and to authenticate."""
    found = required_fields(template["spec"])
    for field, value in required_fields(made["spec"]).items():
        if found[field] != value:
            text = "is how a proxy proves to Headgate which Gateway is its own, and must stay as it is: remove it"
            raise InvalidParameters(f"podTemplate of the GatewayParameters: {field} {text}.")


def strategy(wanted: GatewayParametersSpec) -> Mapping[str, Any]:
    """Return the update strategy of pods: no working proxy is replaced by one that never becomes ready."""
    if wanted.strategy is not None:
        return {name: each for name, each in wanted.strategy.items() if each is not None}
    if on_host_network(wanted):  # a new pod cannot start before the old one on the node has ended
        return {"type": "RollingUpdate", "rollingUpdate": {"maxUnavailable": 1, "maxSurge": 0}}
    return {"type": "RollingUpdate", "rollingUpdate": {"maxUnavailable": 0, "maxSurge": "25%"}}
