"""HTTP filters of clusters, which see requests once their endpoint is chosen."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from google.protobuf.message import Message

from headgate_proto.envoy.config.endpoint.v3.endpoint_components_pb2 import LbEndpoint
from headgate_proto.envoy.config.rbac.v3.rbac_pb2 import RBAC as Rules
from headgate_proto.envoy.config.rbac.v3.rbac_pb2 import Permission
from headgate_proto.envoy.extensions.filters.http.rbac.v3.rbac_pb2 import RBAC
from headgate_proto.envoy.extensions.filters.http.upstream_codec.v3.upstream_codec_pb2 import UpstreamCodec
from headgate_proto.envoy.extensions.rbac.matchers.upstream_ip_port.v3.upstream_ip_port_matcher_pb2 import (
    UpstreamIpPortMatcher,
)
from headgate_proto.envoy.extensions.upstreams.http.v3.http_protocol_options_pb2 import HttpProtocolOptions
from translator.envoy.predicates import write_range

CODEC: Final = "envoy.filters.http.upstream_codec"
GUARD: Final = "envoy.filters.http.upstream_rbac"
"""It denies requests by where they would go, before there is a connection: status 403."""


def add_filter(options: HttpProtocolOptions, name: str, config: Message) -> None:
    """Add a filter to those of a cluster, before the one that sends requests."""
    kept = [each for each in options.http_filters if each.name != CODEC]
    del options.http_filters[:]
    options.http_filters.extend(kept)
    options.http_filters.add(name=name).typed_config.Pack(config, deterministic=True)
    options.http_filters.add(name=CODEC).typed_config.Pack(UpstreamCodec(), deterministic=True)


GUARDED: Final = "headgate.guarded"
"""The metadata of endpoints whose addresses are to be looked at once their names are resolved."""


def mark_guarded(endpoint: LbEndpoint) -> None:
    """Mark an endpoint as one whose addresses are to be looked at."""
    endpoint.metadata.filter_metadata[GUARDED]["resolved"] = True


def deny_ranges(ranges: Iterable[str], *, marked: bool = False) -> RBAC:
    """Make the filter that denies requests to addresses of these ranges.

    Args:
        ranges: the ranges.
        marked: whether it is for endpoints only that are marked: others may have any address.
    """
    made = RBAC()
    made.rules.action = Rules.DENY
    policy = made.rules.policies["addresses"]
    if marked:
        # In CEL: 'headgate.guarded' in xds.upstream_host_metadata.filter_metadata
        call = policy.condition.call_expr
        call.function = "@in"
        call.args.add().const_expr.string_value = GUARDED
        metadata = call.args.add().select_expr
        metadata.field, metadata.operand.select_expr.field = "filter_metadata", "upstream_host_metadata"
        metadata.operand.select_expr.operand.ident_expr.name = "xds"
    policy.principals.add().any = True
    for each in ranges:
        found = UpstreamIpPortMatcher()
        write_range(found.upstream_ip, each)
        _add_matcher(policy.permissions.add(), found)
    return made


def allow_hosts(expression: str, denied_ports: Iterable[int]) -> RBAC:
    """Make the filter that denies requests but those whose Host matches, to any other port than these.

    Args:
        expression: a regular expression of RE2 for the whole Host; "" for any.
        denied_ports: ports that no request may go to.
    """
    made = RBAC()
    made.rules.action = Rules.ALLOW
    policy = made.rules.policies["hosts"]
    policy.principals.add().any = True
    rules = policy.permissions.add().and_rules.rules
    permission = rules.add()
    if expression:
        permission.header.name = ":authority"
        permission.header.string_match.safe_regex.regex = expression
    else:
        permission.any = True
    for each in denied_ports:
        found = UpstreamIpPortMatcher()
        found.upstream_port_range.start, found.upstream_port_range.end = each, each + 1
        _add_matcher(rules.add().not_rule, found)
    return made


def _add_matcher(permission: Permission, found: UpstreamIpPortMatcher) -> None:
    permission.matcher.name = "envoy.rbac.matchers.upstream_ip_port"
    permission.matcher.typed_config.Pack(found, deterministic=True)
