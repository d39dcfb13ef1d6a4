"""TrafficPolicy: how requests are served at Gateways, listeners, routes, rules and backendRefs (GEP-713)."""

from translator.api_group import GROUP
from translator.objects.gateway_api.filters import HTTPCORSFilter
from translator.objects.gateway_api.policy import Policy
from translator.objects.headgate.policy import AttachedPolicySpec


class TrafficPolicySpec(AttachedPolicySpec):
    """What to do with requests; each field is merged with those of policies of other levels, and by itself."""

    cors: HTTPCORSFilter | None = None
    """Which pages of other origins may make requests, as a CORS filter of a rule says it."""


class TrafficPolicy(Policy):
    """How requests are served at what it targets."""

    kind = "TrafficPolicy"
    group = GROUP
    versions = ("v1alpha1",)
    plural = "trafficpolicies"
    has_schema_defaults = False  # merged with others, they would count as what was asked for
    rbac_reason = "How requests are served, by policies."
    short_names = ("tpol",)

    spec: TrafficPolicySpec
