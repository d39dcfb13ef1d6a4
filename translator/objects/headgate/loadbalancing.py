"""The field `loadBalancer` of BackendConfigPolicies."""

from collections.abc import Iterator
from typing import Annotated, ClassVar

from pydantic import Field, StrictInt

from translator.objects.schema.base import CelRule, CheckedFields, Fields, FieldViolation
from translator.objects.schema.documentation import Doc


class LeastRequest(Fields):
    """Of some endpoints, picked at random, the one with the fewest requests in flight."""

    choice_count: Annotated[
        Annotated[StrictInt, Field(ge=2, le=100)] | None, Doc(envoy="LeastRequest.choice_count", default="2")
    ] = None
    """How many endpoints are compared."""


class RoundRobin(Fields):
    """One endpoint after the other."""


class Random(Fields):
    """An endpoint at random."""


class LoadBalancer(CheckedFields):
    """How an endpoint is chosen: by one of the members that are algorithms."""

    ALGORITHMS: ClassVar[tuple[str, ...]] = ("least_request", "round_robin", "random")

    rules: ClassVar[tuple[CelRule, ...]] = (
        CelRule(
            "[has(self.leastRequest), has(self.roundRobin), has(self.random)].filter(x, x).size() <= 1",
            "at most one of leastRequest, roundRobin and random must be set",
        ),
    )

    least_request: LeastRequest | None = None
    """The endpoint with the fewest requests, of some that are picked at random. This is what holds without a policy."""
    round_robin: RoundRobin | None = None
    """One endpoint after the other."""
    random: Random | None = None
    """An endpoint at random."""

    def violations(self) -> Iterator[FieldViolation]:
        """Yield a violation if there is more than one algorithm."""
        if sum(getattr(self, each) is not None for each in self.ALGORITHMS) > 1:
            yield FieldViolation((), self.rules[0].message)
