"""Extensions of route rules, one file each, in the order of their filters in Envoy."""

from __future__ import annotations

from translator.extensions import cors, direct_response, header_modifier, mirror, redirect, retry, rewrite, timeouts

FEATURES = (
    cors.FEATURE,
    redirect.FEATURE,
    direct_response.FEATURE,
    header_modifier.FEATURE,
    rewrite.FEATURE,
    mirror.FEATURE,
    timeouts.FEATURE,
    retry.FEATURE,
)
