"""Policies of `apisx/v1alpha1` that are told that they have no effect: of their specs only the targets are read."""

from __future__ import annotations

from typing import Final

from translator.objects.gateway_api.policy import Policy, PolicySpec

EXPERIMENTAL_GROUP: Final = "gateway.networking.x-k8s.io"


class BackendTrafficPolicySpec(PolicySpec):
    """The backends whose traffic would be limited."""

    ignored_fields = PolicySpec.ignored_fields | {"retryConstraint", "sessionPersistence"}


class XBackendTrafficPolicy(Policy):
    """How much traffic is sent to the backends that it targets."""

    kind = "XBackendTrafficPolicy"
    group = EXPERIMENTAL_GROUP
    versions = ("v1alpha1",)
    plural = "xbackendtrafficpolicies"
    rbac_reason = "Tell policies that are not supported that they have no effect."

    spec: BackendTrafficPolicySpec


class TelemetryPolicySpec(PolicySpec):
    """The Gateways whose requests would be traced."""

    ignored_fields = PolicySpec.ignored_fields | {"tracing"}


class XTelemetryPolicy(Policy):
    """How requests to the Gateways that it targets are traced."""

    kind = "XTelemetryPolicy"
    group = EXPERIMENTAL_GROUP
    versions = ("v1alpha1",)
    plural = "xtelemetrypolicies"
    rbac_reason = "Tell policies that are not supported that they have no effect."

    spec: TelemetryPolicySpec
