"""The VerticalPodAutoscaler of a Gateway's proxies."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from translator.infrastructure.names import CONTAINER
from translator.infrastructure.render_input import RenderInput
from translator.objects.headgate.proxyscaling import VpaParameters


def vertical(plan: RenderInput, wanted: VpaParameters) -> dict[str, Any]:
    """Return the `spec` of a VerticalPodAutoscaler.

    It concerns Envoy's container only: what a template adds beside it has resources that somebody chose.
    """
    given = wanted.model_dump(by_alias=True, exclude_none=True)
    update, bounds = _some(given, "updateMode", "minReplicas"), _some(given, "minAllowed", "maxAllowed")
    policies: list[dict[str, Any]] = [
        {"containerName": "*", "mode": "Off"},
        {
            "containerName": CONTAINER,
            **bounds,
            "controlledResources": list(wanted.controlled_resources),
            "controlledValues": wanted.controlled_values,
        },
    ]
    return {
        "targetRef": {"apiVersion": "apps/v1", "kind": plan.parameters.kind, "name": plan.name},
        **({"updatePolicy": update} if update else {}),
        "resourcePolicy": {"containerPolicies": policies},
    }


def _some(given: Mapping[str, Any], *names: str) -> dict[str, Any]:
    return {name: given[name] for name in names if name in given}
