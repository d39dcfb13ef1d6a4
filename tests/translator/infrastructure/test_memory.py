"""The maximum heap of a proxy, derived from its container's memory limit."""

from __future__ import annotations

from typing import Any

import pytest

from translator.envoy.overload import DEFAULT_HEAP_BYTES, heap_of
from translator.infrastructure.bootstrap import memory_limit
from translator.infrastructure.quantity import whole
from translator.objects.headgate.gatewayparameters import GatewayParametersSpec

QUANTITIES: dict[Any, int | None] = {
    "128974848": 128974848,
    "129e6": 129_000_000,
    "129M": 129_000_000,
    "128974848000m": 128974848,
    "123Mi": 123 * 1024**2,
    "0.5Gi": 512 * 1024**2,
    ".5k": 500,
    "1Ti": 1024**4,
    1073741824: 1024**3,
    "": None,
    "0": None,
    "much": None,
    "-1Mi": None,
    "1KiB": None,
    None: None,
    True: None,
}


@pytest.mark.parametrize(("quantity", "expected"), QUANTITIES.items())
def test_quantities(quantity: object, expected: int | None) -> None:
    """Quantities are parsed like in Kubernetes; invalid ones and 0 are None."""
    assert whole(quantity) == expected


def parameters(**fields: Any) -> GatewayParametersSpec:
    """Return the spec of a GatewayParameters."""
    return GatewayParametersSpec.model_validate(fields)


def pods(memory: object, name: str = "envoy") -> dict[str, Any]:
    """Return a pod template in which the container of that name has a limit."""
    return {"spec": {"containers": [{"name": name, "resources": {"limits": {"memory": memory}}}]}}


def test_the_limit_of_the_container_counts() -> None:
    """The limit in the pod template has precedence over the resources; other containers do not matter."""
    limited = {"limits": {"memory": "1Gi"}}
    assert memory_limit(parameters()) is None
    assert memory_limit(parameters(resources={"requests": {"memory": "1Gi"}})) is None
    assert memory_limit(parameters(resources=limited)) == 1024**3
    assert memory_limit(parameters(resources=limited, podTemplate=pods("2Gi"))) == 2 * 1024**3
    assert memory_limit(parameters(resources=limited, podTemplate=pods("2Gi", "other"))) == 1024**3
    assert memory_limit(parameters(resources=limited, podTemplate=pods(None))) == 1024**3
    assert memory_limit(parameters(podTemplate={"spec": {"containers": "none"}})) is None


def test_the_heap_is_a_share_of_the_memory() -> None:
    """It leaves room for memory outside of the heap; without a limit there is a default."""
    assert heap_of(1_000_000_000) == 800_000_000
    assert heap_of(None) == DEFAULT_HEAP_BYTES
