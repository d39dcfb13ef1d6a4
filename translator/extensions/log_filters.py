"""Envoy's ``AccessLogFilter``, which logs and local replies have in common, from the filters of ListenerPolicies."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, Final

from headgate_proto.envoy.config.accesslog.v3.accesslog_pb2 import (
    AccessLogFilter,
    ComparisonFilter,
    GrpcStatusFilter,
)
from translator.envoy.access_log import write_condition
from translator.envoy.fractions import write_share
from translator.languages import cel
from translator.languages.regex import check_regex
from translator.objects.headgate.logfilters import ConnectionFilter
from translator.outcome import Problem

STATUS: Final = "headgate.log.status"
DURATION: Final = "headgate.log.duration"
SHARE: Final = "headgate.log.share"
"""Keys of Envoy's runtime, which nothing sets: filters require them."""


def write_log_filter(message: AccessLogFilter, found: ConnectionFilter) -> None:
    """Write a filter, which has exactly one member."""
    for name, write in _WRITERS.items():
        value = getattr(found, name, None)
        if value is not None:
            write(message, value)


def filter_problems(found: ConnectionFilter | None, field: str) -> Iterator[Problem]:
    """Yield what Envoy would refuse of the filter at `field`: conditions and regular expressions."""
    if found is None:
        return
    if found.cel_filter is not None and (fault := cel.check(found.cel_filter.match)):
        yield Problem("Accepted", "Invalid", f"{field}.celFilter.match: {fault}.")
    header = getattr(found, "header_filter", None)
    if header is not None and header.header.type == "RegularExpression" and (fault := check_regex(header.header.value)):
        yield Problem("Accepted", "Invalid", f"{field}.headerFilter.header.value: {fault}.")
    for name in ("and", "or"):
        for place, each in enumerate(getattr(found, f"{name}_filter", None) or ()):
            yield from filter_problems(each, f"{field}.{name}Filter[{place}]")


def _compare(comparison: ComparisonFilter, found: Any, key: str) -> None:
    comparison.op = getattr(ComparisonFilter, found.op)
    comparison.value.default_value, comparison.value.runtime_key = found.value, key


def _status(message: AccessLogFilter, found: Any) -> None:
    _compare(message.status_code_filter.comparison, found, STATUS)


def _duration(message: AccessLogFilter, found: Any) -> None:
    _compare(message.duration_filter.comparison, found, DURATION)


def _not_health_check(message: AccessLogFilter, _: Any) -> None:
    message.not_health_check_filter.SetInParent()


def _traceable(message: AccessLogFilter, _: Any) -> None:
    message.traceable_filter.SetInParent()


def _header(message: AccessLogFilter, found: Any) -> None:
    matcher, header = message.header_filter.header, found.header
    matcher.name = header.name.lower()
    if header.type == "RegularExpression":
        matcher.string_match.safe_regex.regex = header.value
    else:
        matcher.string_match.exact = header.value


def _flags(message: AccessLogFilter, found: Any) -> None:
    message.response_flag_filter.SetInParent()
    message.response_flag_filter.flags.extend(dict.fromkeys(found.flags))


def _grpc_status(message: AccessLogFilter, found: Any) -> None:
    made = message.grpc_status_filter
    made.statuses.extend(getattr(GrpcStatusFilter, each) for each in dict.fromkeys(found.statuses))
    made.exclude = bool(found.exclude)


def _cel(message: AccessLogFilter, found: Any) -> None:
    write_condition(message, found.match)


def _sample(message: AccessLogFilter, found: Any) -> None:
    made = message.runtime_filter
    made.runtime_key = SHARE
    write_share(made.percent_sampled, found.percent_sampled)


def _and(message: AccessLogFilter, found: Iterable[ConnectionFilter]) -> None:
    for each in found:
        write_log_filter(message.and_filter.filters.add(), each)


def _or(message: AccessLogFilter, found: Iterable[ConnectionFilter]) -> None:
    for each in found:
        write_log_filter(message.or_filter.filters.add(), each)


_WRITERS: Final[Mapping[str, Callable[[AccessLogFilter, Any], None]]] = {
    "status_code_filter": _status,
    "duration_filter": _duration,
    "not_health_check_filter": _not_health_check,
    "traceable_filter": _traceable,
    "header_filter": _header,
    "response_flag_filter": _flags,
    "grpc_status_filter": _grpc_status,
    "cel_filter": _cel,
    "runtime_filter": _sample,
    "and_filter": _and,
    "or_filter": _or,
}
"""What writes each member of a filter."""
