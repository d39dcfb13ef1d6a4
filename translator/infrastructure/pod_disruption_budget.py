"""The PodDisruptionBudget of a Gateway's proxies, and whether it blocks every eviction."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from translator.infrastructure.names import selector
from translator.infrastructure.render_input import RenderInput
from translator.objects.headgate.gatewayparameters import GatewayParametersSpec
from translator.objects.headgate.proxyscaling import PdbParameters
from translator.objects.kubernetes.workloads import DaemonSet

NONE: Final = (0, "0%")


def budget(plan: RenderInput, wanted: PdbParameters) -> dict[str, Any]:
    """Return the `spec` of a PodDisruptionBudget."""
    return {
        **wanted.model_dump(by_alias=True, exclude_none=True),
        "selector": {"matchLabels": selector(plan.gateway.ref)},
        # By default, proxies that never become ready would block the drain of a node for ever.
        "unhealthyPodEvictionPolicy": "AlwaysAllow",
    }


def drain_blockers(parameters: GatewayParametersSpec) -> Iterator[str]:
    """Yield the message, for the Gateway's condition, that no proxy can be evicted from a node that is drained."""
    wanted = parameters.pdb
    if wanted is None or parameters.kind == DaemonSet.kind:  # a drain does not evict its pods
        return
    least = _least(parameters)
    if wanted.max_unavailable in NONE:
        why = f"pdb.maxUnavailable is {wanted.max_unavailable}"
    elif 0 < least <= _of(wanted.min_available, least):
        why = f"pdb.minAvailable is {wanted.min_available}, and there may be no more than {least}"
    else:
        return
    yield f"Nodes with its proxies cannot be drained: {why}; set pdb.maxUnavailable to 1 in the GatewayParameters."


def _of(value: int | str | None, whole: int) -> int:
    """Return a number, or a percentage of `whole`, rounded up like in Kubernetes."""
    if isinstance(value, str):
        return -(-int(value.removesuffix("%")) * whole // 100)
    return value or 0


def _least(parameters: GatewayParametersSpec) -> int:
    """Return the smallest number of requested proxies."""
    if parameters.hpa is not None:
        return parameters.hpa.min_replicas
    return 1 if parameters.replicas is None else parameters.replicas
