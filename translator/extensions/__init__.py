"""Extensions, one file each, in the order in which their part of a rule is read: so problems are told in this order."""

from __future__ import annotations

from translator.extensions import (
    backend_tls,
    cors,
    direct_response,
    experimental_policies,
    hash_policies,
    header_modifier,
    header_mutations,
    http_filters,
    internal_redirect,
    mirror,
    redirect,
    retry,
    rewrite,
    rewrite_policies,
    session_persistence,
    timeouts,
    traffic_policy,
    upgrades,
    xbackend,
)

EXTENSIONS = (
    http_filters.EXTENSION,
    cors.EXTENSION,
    redirect.EXTENSION,
    direct_response.EXTENSION,
    header_modifier.EXTENSION,
    rewrite.EXTENSION,
    header_mutations.EXTENSION,
    rewrite_policies.EXTENSION,
    mirror.EXTENSION,
    internal_redirect.EXTENSION,
    upgrades.EXTENSION,
    hash_policies.EXTENSION,
    timeouts.EXTENSION,
    retry.EXTENSION,
    session_persistence.EXTENSION,
    traffic_policy.EXTENSION,
    backend_tls.EXTENSION,
    xbackend.EXTENSION,
    experimental_policies.EXTENSION,
)
