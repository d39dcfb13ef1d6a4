"""Tokens that a filter of the route fetches, and keeps in the metadata of requests for filters of a cluster."""

from __future__ import annotations

from typing import Final

from headgate_proto.envoy.config.core.v3.base_pb2 import HeaderValueOption
from headgate_proto.envoy.config.rbac.v3.rbac_pb2 import RBAC as Rules
from headgate_proto.envoy.config.rbac.v3.rbac_pb2 import Policy
from headgate_proto.envoy.extensions.filters.http.gcp_authn.v3.gcp_authn_pb2 import GcpAuthnFilterConfig
from headgate_proto.envoy.extensions.filters.http.header_mutation.v3.header_mutation_pb2 import HeaderMutation
from headgate_proto.envoy.extensions.filters.http.rbac.v3.rbac_pb2 import RBAC
from translator.envoy.names import cluster_name
from translator.ir.backend import Backend

NAME: Final = "headgate.gcp"
"""The name of the filter that fetches them, under which the metadata of a request has them."""
BEARER: Final = "Bearer "
FETCH_SECONDS: Final = 5
"""How long requests wait for a token, all attempts together."""


def fetching_filter(server: Backend, key: str) -> GcpAuthnFilterConfig:
    """Return the filter that fetches a token, and keeps it; for what it is, the caller says.

    Args:
        server: the metadata server, which gives tokens.
        key: the key of the token in the metadata of requests.
    """
    made = GcpAuthnFilterConfig(cluster=cluster_name(server), token_metadata_key=key)
    made.timeout.seconds = FETCH_SECONDS
    made.cache_config.cache_size.value = 1
    return made


def refusing_filter(name: str, key: str, token: str) -> tuple[RBAC, Policy]:
    """Return the filter that refuses requests without a token, and its rule, which may refuse more.

    It sees requests as they were before the filters of the cluster: the token is not yet in the header.

    Args:
        name: the name of the rule, which logs tell of requests that it refuses.
        key: the key of the token.
        token: a regular expression for it.
    """
    made = RBAC()
    made.rules.action = Rules.DENY
    policy = made.rules.policies[name]
    policy.principals.add().any = True
    found = policy.permissions.add().not_rule.sourced_metadata.metadata_matcher
    found.filter = NAME
    found.path.add().key = key
    found.value.string_match.safe_regex.regex = token
    return made, policy


def write_token(mutations: HeaderMutation, header: str, key: str) -> None:
    """Have a filter write a token into a header, in the place of what is there."""
    appended = mutations.mutations.request_mutations.add().append
    appended.header.key = header
    appended.header.value = f"{BEARER}%DYNAMIC_METADATA({NAME}:{key})%"
    appended.append_action = HeaderValueOption.OVERWRITE_IF_EXISTS_OR_ADD
