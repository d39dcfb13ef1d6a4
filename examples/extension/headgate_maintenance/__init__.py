"""MaintenancePolicy: answers requests while the backends of a Gateway, listener, route or rule are in maintenance."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, ClassVar, Literal

from pydantic import Field, StrictInt

from headgate_proto.envoy.config.route.v3.route_components_pb2 import Route
from translator.envoy.hooks import RouteHook
from translator.extension import Extension, FilterOutcome, PolicyContext, PolicyUnit
from translator.ir.http import RouteMatch, RuleSetting
from translator.ir.listener import ListenerContext
from translator.kinds import PolicyKind
from translator.objects.gateway_api.policy import Policy, PolicySpec
from translator.objects.schema.base import Fields
from translator.objects.schema.scalars import Text
from translator.outcome import Outcome


class Maintenance(Fields):
    """The answer: 503 with a text, and with the seconds after which to try again."""

    mode: Literal["On", "Off"] = "On"
    message: Annotated[Text, Field(max_length=1024)] = ""
    retry_after: Annotated[StrictInt, Field(ge=1, le=86_400)] = 60
    """Seconds."""


class MaintenancePolicySpec(PolicySpec):
    """What is in maintenance, and the answer."""

    maintenance: Maintenance


class MaintenancePolicy(Policy):
    """Answers requests in place of backends that are in maintenance."""

    kind = "MaintenancePolicy"
    group = "maintenance.example.com"
    versions = ("v1",)
    plural = "maintenancepolicies"
    rbac_reason = "What is in maintenance."

    spec: MaintenancePolicySpec


@dataclass(frozen=True, slots=True)
class Unavailable(RuleSetting, RouteHook):
    """The answer of a rule in maintenance."""

    terminal: ClassVar[bool] = True
    message: str
    retry_after: int

    def apply_to_route(self, route: Route, origin: ListenerContext, match: RouteMatch) -> None:
        """Write the ``DirectResponseAction`` and its header."""
        route.direct_response.status = 503
        route.direct_response.body.inline_string = self.message
        header = route.response_headers_to_add.add().header
        header.key, header.value = "retry-after", str(self.retry_after)


def read(context: PolicyContext) -> FilterOutcome:
    """Read what is effective at a rule."""
    found = context.effective.value
    assert isinstance(found, Maintenance)
    return Outcome((Unavailable(found.message, found.retry_after),) if found.mode == "On" else ())


EXTENSION = Extension(
    "maintenance",
    policies=(PolicyKind(MaintenancePolicy),),
    units=(PolicyUnit(MaintenancePolicy, "maintenance", read, Unavailable),),
)
