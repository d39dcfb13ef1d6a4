"""Extensions, one file each, in the order in which their part of a rule is read: so problems are told in this order."""

from __future__ import annotations

from translator.extensions import (
    backend_tls,
    cors,
    direct_response,
    experimental_policies,
    header_modifier,
    http_filters,
    mirror,
    redirect,
    retry,
    rewrite,
    session_persistence,
    timeouts,
    traffic_policy,
    xbackend,
)

EXTENSIONS = (
    http_filters.EXTENSION,
    cors.EXTENSION,
    redirect.EXTENSION,
    direct_response.EXTENSION,
    header_modifier.EXTENSION,
    rewrite.EXTENSION,
    mirror.EXTENSION,
    timeouts.EXTENSION,
    retry.EXTENSION,
    session_persistence.EXTENSION,
    traffic_policy.EXTENSION,
    backend_tls.EXTENSION,
    xbackend.EXTENSION,
    experimental_policies.EXTENSION,
)
