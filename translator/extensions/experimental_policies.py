"""Policies of the Gateway API that are not supported yet: their status says that they have no effect."""

from __future__ import annotations

from translator.extension import Extension
from translator.kinds import Level, PolicyKind
from translator.objects.gateway_api.experimental_policies import XBackendTrafficPolicy, XTelemetryPolicy

EXTENSION = Extension(
    "experimental policies",
    policies=(
        PolicyKind(XBackendTrafficPolicy, frozenset({Level.BACKEND}), unsupported=True),
        PolicyKind(XTelemetryPolicy, frozenset({Level.GATEWAY}), unsupported=True),
    ),
)
