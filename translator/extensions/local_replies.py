"""Responses of the proxy itself in another form: the unit `httpSettings.localReplies` of ListenerPolicies."""

from __future__ import annotations

from dataclasses import dataclass

from headgate_proto.envoy.config.core.v3.substitution_format_string_pb2 import SubstitutionFormatString
from headgate_proto.envoy.extensions.filters.network.http_connection_manager.v3.http_connection_manager_pb2 import (
    HttpConnectionManager,
    ResponseMapper,
)
from translator.envoy.hooks import ConnectionManagerHook
from translator.envoy.local_reply import keep_direct_responses, keep_empty
from translator.extension import Extension, ListenerOutcome, PolicyContext, PolicyUnit
from translator.extensions.local_response import EMPTY, Body, LocalResponse, formatted_body, header_pairs
from translator.extensions.log_filters import filter_problems, write_log_filter
from translator.gateway.protocols import OF_HTTP
from translator.ir.listener import ListenerSetting
from translator.objects.headgate.listenerpolicy import ListenerPolicy
from translator.objects.headgate.localreplies import LocalReplyConfig, LocalReplyMapper
from translator.objects.headgate.logfilters import LogFilter
from translator.objects.headgate.responses import BODILESS, BodyFormat
from translator.outcome import Outcome, Problem


@dataclass(frozen=True, slots=True)
class Mapper:
    """Responses that are changed.

    Attributes:
        filter: which ones.
        status: their status; 0 if it stays.
        body: their body; None if it stays.
        body_format: the format of their body; None for that of all.
        response: their headers.
    """

    filter: LogFilter
    status: int
    body: str | None
    body_format: Body | None
    response: LocalResponse


@dataclass(frozen=True, slots=True)
class LocalReplies(ListenerSetting, ConnectionManagerHook):
    """The form of the responses that the proxy gives by itself.

    Attributes:
        default: the format of their bodies; None for Envoy's text.
        mappers: what changes some of them; the first one that takes a response counts.
    """

    default: Body | None
    mappers: tuple[Mapper, ...]

    def apply_to_connection_manager(self, manager: HttpConnectionManager) -> None:
        """Write the ``LocalReplyConfig``, behind what Headgate maps itself."""
        config = manager.local_reply_config
        config.mappers.append(keep_empty(BODILESS))
        for each in self.mappers:
            _write(config.mappers.add(), each)
        if self.default is not None:
            config.mappers.append(keep_direct_responses())
            _write_format(config.body_format, self.default)


def _write(made: ResponseMapper, found: Mapper) -> None:
    write_log_filter(made.filter, found.filter)
    if found.status:
        made.status_code.value = found.status
    if found.body is not None:
        made.body.inline_string = found.body
    if found.status in BODILESS:
        made.body_format_override.text_format_source.inline_string = ""
    elif found.body_format is not None:
        _write_format(made.body_format_override, found.body_format)
    made.headers_to_add.extend(found.response.headers())


def _write_format(message: SubstitutionFormatString, body: Body) -> None:
    body.write_format(message)
    message.content_type = body.content_type


def read(context: PolicyContext) -> ListenerOutcome:
    """Read the effective local replies: a mapper that is wrong is left out, and so is a format."""
    found = context.effective.value
    assert isinstance(found, LocalReplyConfig)
    problems = list[Problem]()
    default = _format(found.default_body_format, f"{context.field}.defaultBodyFormat")
    problems += default.problems
    mappers = list[Mapper]()
    for place, each in enumerate(found.mappers or ()):
        made = _mapper(each, f"{context.field}.mappers[{place}]")
        problems += made.problems
        if made.value is not None:
            mappers.append(made.value)
    if default.value is None and not mappers:
        return Outcome(None if problems else (), tuple(problems))
    return Outcome((LocalReplies(default.value, tuple(mappers)),), tuple(problems))


def _mapper(found: LocalReplyMapper, field: str) -> Outcome[Mapper | None]:
    own = _format(found.body_format, f"{field}.bodyFormat")
    problems = (*filter_problems(found.filter, f"{field}.filter"), *own.problems)
    if problems:
        return Outcome(None, problems)
    headers = found.headers
    pairs = (header_pairs(headers.set), header_pairs(headers.add)) if headers is not None else ((), ())
    response = LocalResponse(0, EMPTY, *pairs)
    return Outcome(Mapper(found.filter, found.status_code or 0, found.body, own.value, response))


def _format(found: BodyFormat | None, field: str) -> Outcome[Body | None]:
    return Outcome(None) if found is None else formatted_body(found, field)


EXTENSION = Extension(
    "local replies",
    units=(PolicyUnit(ListenerPolicy, "http_settings.local_replies", read, LocalReplies, protocols=OF_HTTP),),
)
