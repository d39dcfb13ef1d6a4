"""Local replies (``LocalReplyConfig``) whose status Envoy would choose misleadingly."""

from __future__ import annotations

from collections.abc import Iterable

from headgate_proto.envoy.config.accesslog.v3 import accesslog_pb2
from headgate_proto.envoy.extensions.filters.network.http_connection_manager.v3 import (
    http_connection_manager_pb2 as hcm_pb2,
)
from translator.envoy.access_log import write_condition

INSUFFICIENT_STORAGE = 507
UNAVAILABLE = 503
TOO_LONG_FOR_RETRY = "request_payload_exceeded_retry_buffer_limit"
"""Envoy's words for a request that got longer than its buffer for retries while no try was on its way."""


def local_replies() -> hcm_pb2.LocalReplyConfig:
    """Answer 503 where a request reached no backend, also if its body got too long before the next try."""
    made = hcm_pb2.LocalReplyConfig()
    mapper = made.mappers.add()
    mapper.status_code.value = UNAVAILABLE
    conditions = mapper.filter.and_filter.filters
    _write_status(conditions.add(), INSUFFICIENT_STORAGE, "headgate.insufficient_storage")
    # A DirectResponse with this status is meant so.
    write_condition(conditions.add(), f"response.code_details == '{TOO_LONG_FOR_RETRY}'")
    return made


def _write_status(message: accesslog_pb2.AccessLogFilter, status: int, key: str) -> None:
    """Have a filter take a status; `key` is one of Envoy's runtime, which nothing sets."""
    comparison = message.status_code_filter.comparison
    comparison.op = accesslog_pb2.ComparisonFilter.EQ
    comparison.value.default_value, comparison.value.runtime_key = status, key


def keep_empty(statuses: Iterable[int]) -> hcm_pb2.ResponseMapper:
    """Map responses whose statuses exclude a body to themselves, whatever the format of others is.

    Envoy would send the body that a format makes all the same, and clients take it for the next response.
    """
    made = hcm_pb2.ResponseMapper()
    for status in statuses:
        _write_status(made.filter.or_filter.filters.add(), status, "headgate.without_body")
    made.body_format_override.text_format_source.inline_string = ""
    return made


def keep_direct_responses() -> hcm_pb2.ResponseMapper:
    """Map what routes respond to itself: redirects, preflights, and bodies that the authors of routes have chosen."""
    made = hcm_pb2.ResponseMapper()
    write_condition(made.filter, "response.code_details == 'direct_response'")
    made.body_format_override.text_format_source.inline_string = "%LOCAL_REPLY_BODY%"
    return made
