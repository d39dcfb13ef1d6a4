"""BackendConfigPolicy: how proxies choose endpoints of backends, and how they connect to them (GEP-713)."""

from typing import Annotated

from translator.api_group import GROUP
from translator.objects.gateway_api.policy import Policy
from translator.objects.headgate.loadbalancing import LoadBalancer
from translator.objects.headgate.policy import TargetedPolicySpec
from translator.objects.schema.documentation import Doc


class BackendConfigPolicySpec(TargetedPolicySpec):
    """What holds for connections to backends, whichever route they are for."""

    load_balancer: Annotated[LoadBalancer | None, Doc(envoy="Cluster.load_balancing_policy")] = None
    """How an endpoint is chosen for each request."""


class BackendConfigPolicy(Policy):
    """How the backends that it targets are connected to, by all routes of all Gateways."""

    kind = "BackendConfigPolicy"
    group = GROUP
    versions = ("v1alpha1",)
    plural = "backendconfigpolicies"
    rbac_reason = "How proxies connect to backends, by policies."
    short_names = ("bcpol",)

    spec: BackendConfigPolicySpec
