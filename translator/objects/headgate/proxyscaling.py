"""How many proxies there are, and how large they are, in GatewayParameters: autoscalers and the disruption budget."""

from collections.abc import Iterator, Mapping
from typing import Annotated, ClassVar, Literal

from pydantic import Field, PlainValidator, StringConstraints, WithJsonSchema
from pydantic_core import PydanticCustomError

from translator.objects.headgate.proxypods import Json
from translator.objects.schema.base import CelRule, CheckedFields, Fields, FieldViolation
from translator.objects.schema.scalars import PositiveCount

Quantity = Annotated[str, StringConstraints(min_length=1, max_length=32)]


def _number_or_percentage(value: object) -> int | str:
    if isinstance(value, int) and not isinstance(value, bool) and value >= 0:
        return value
    if isinstance(value, str) and value[:-1].isascii() and value[:-1].isdigit() and value.endswith("%"):
        return value
    raise PydanticCustomError("number_or_percentage", "must be a number of pods, or a percentage, like 50%")


NumberOrPercentage = Annotated[
    int | str,
    PlainValidator(_number_or_percentage),
    WithJsonSchema(
        {
            "x-kubernetes-int-or-string": True,
            "x-kubernetes-validations": [
                {
                    "rule": "type(self) == int ? self >= 0 : self.matches('^[0-9]+%$')",
                    "message": "must be a number of pods, or a percentage, like 50%",
                }
            ],
            "maxLength": 16,
        }
    ),
]


class HpaParameters(CheckedFields):
    """A HorizontalPodAutoscaler (autoscaling/v2); without metrics, its target is 80 % of the requested CPU."""

    rules: ClassVar[tuple[CelRule, ...]] = (
        CelRule(
            "!has(self.minReplicas) || self.maxReplicas >= self.minReplicas",
            "maxReplicas must be at least minReplicas: raise it",
        ),
    )

    min_replicas: PositiveCount = 1
    """The number of proxies without load."""
    max_replicas: PositiveCount
    """The most proxies."""
    metrics: Annotated[tuple[Json, ...], Field(max_length=32)] = ()
    """What it scales by, with fields of Kubernetes. By default 80 % of the requested CPU."""
    behavior: Json | None = None
    """How fast it scales up and down, with fields of Kubernetes."""

    def violations(self) -> Iterator[FieldViolation]:
        """Yield a violation if `maxReplicas` is less than `minReplicas`."""
        if self.max_replicas < self.min_replicas:
            yield FieldViolation(("maxReplicas",), "must be at least minReplicas: raise it")


class PdbParameters(CheckedFields):
    """A PodDisruptionBudget: the proxies that may be unavailable, or must be available, while nodes are drained.

    Proxies that are not ready never block a drain.
    """

    rules: ClassVar[tuple[CelRule, ...]] = (
        CelRule(
            "has(self.minAvailable) != has(self.maxUnavailable)", "must have either minAvailable or maxUnavailable"
        ),
    )

    min_available: NumberOrPercentage | None = None
    """How many proxies stay, as a number or percentage."""
    max_unavailable: NumberOrPercentage | None = None
    """How many proxies may be away at a time, as a number or percentage."""

    def violations(self) -> Iterator[FieldViolation]:
        """Yield a violation unless exactly one of them is set."""
        if (self.min_available is None) == (self.max_unavailable is None):
            yield FieldViolation((), "must have either minAvailable or maxUnavailable")


class VpaParameters(Fields):
    """A VerticalPodAutoscaler (autoscaling.k8s.io/v1), which sets the resources that Envoy's container requests.

    It is not a part of Kubernetes: its definition and its controllers have to be installed.
    """

    update_mode: Literal["Off", "Initial", "Recreate", "InPlaceOrRecreate", "Auto"] | None = None
    """When the requests of running proxies change. By default as that autoscaler decides."""
    min_replicas: PositiveCount | None = None
    """The number of proxies from which on it evicts any."""
    min_allowed: Annotated[Mapping[str, Quantity], Field(max_length=16)] | None = None
    """The least that is requested, by resource, such as `memory: 128Mi`."""
    max_allowed: Annotated[Mapping[str, Quantity], Field(max_length=16)] | None = None
    """The most that is requested, by resource."""
    controlled_resources: Annotated[tuple[Literal["cpu", "memory"], ...], Field(min_length=1, max_length=2)] = (
        "cpu",
        "memory",
    )
    """The resources whose requests it sets. With an `hpa` by CPU these must not include `cpu`."""
    controlled_values: Literal["RequestsOnly", "RequestsAndLimits"] = "RequestsOnly"
    """What it sets. A limit of memory should stay as it is, since Envoy sheds load as its heap gets near to it."""
