"""GatewayClass (Gateway API, `apis/v1/gatewayclass_types.go`)."""

from typing import Annotated

from pydantic import StringConstraints

from translator.objects.gateway_api.references import GATEWAY_GROUP, ParametersReference
from translator.objects.schema.base import ClusterObject, Fields
from translator.objects.schema.scalars import CONTROLLER


class GatewayClassSpec(Fields):
    """Which controller the Gateways of the class belong to."""

    controller_name: Annotated[str, StringConstraints(min_length=1, max_length=253, pattern=CONTROLLER)]
    parameters_ref: ParametersReference | None = None
    description: Annotated[str, StringConstraints(max_length=64)] | None = None


class GatewayClass(ClusterObject):
    """A class of Gateways."""

    kind = "GatewayClass"
    group = GATEWAY_GROUP
    versions = ("v1", "v1beta1")
    plural = "gatewayclasses"
    rbac_reason = "Find the GatewayClasses of Headgate."

    spec: GatewayClassSpec
