"""The status query of each kind."""

from __future__ import annotations

from translator.gateway.attachment import ROUTES
from translator.objects.gateway_api.gateway import Gateway
from translator.objects.gateway_api.gatewayclass import GatewayClass
from translator.objects.headgate.gatewayparameters import GatewayParameters
from translator.status.gateway import gateway_status
from translator.status.gatewayclass import gatewayclass_status
from translator.status.gatewayparameters import parameters_status
from translator.status.route import route_status

STATUS = {
    GatewayClass.kind: gatewayclass_status,
    Gateway.kind: gateway_status,
    GatewayParameters.kind: parameters_status,
    **dict.fromkeys(ROUTES, route_status),
}
"""The query for the status of each kind that has one."""
