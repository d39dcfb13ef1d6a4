"""Responses of the proxy itself, by `httpSettings.localReplies` of ListenerPolicies."""

from collections.abc import Iterator
from typing import Annotated, ClassVar, Final

from pydantic import Field

from translator.objects.headgate.logfilters import LogFilter
from translator.objects.headgate.responses import (
    BodyFormat,
    BodyText,
    ResponseHeaderChanges,
    body_rules,
    body_violations,
    too_long,
)
from translator.objects.headgate.types import StatusCode
from translator.objects.schema.base import CelRule, CheckedFields, Fields, FieldViolation
from translator.objects.schema.documentation import Doc

MOST_MAPPERS: Final = 32
"""Most kinds of local replies of a listener that are changed."""


class LocalReplyMapper(CheckedFields):
    """Changes some of the responses that the proxy gives by itself."""

    rules: ClassVar[tuple[CelRule, ...]] = (
        *body_rules("statusCode", "body")[1:],
        *body_rules("statusCode", "bodyFormat")[1:],
        CelRule("!has(self.body) || size(bytes(self.body)) <= 4096", "must be at most 4096 bytes of UTF-8", "body"),
    )

    filter: Annotated[LogFilter, Doc(envoy="ResponseMapper.filter")]
    """Which responses: the filters are those of access logs."""
    status_code: Annotated[StatusCode | None, Doc(envoy="ResponseMapper.status_code")] = None
    """Their status. By default it stays."""
    body: Annotated[BodyText | None, Doc(envoy="ResponseMapper.body")] = None
    """Their body, which formats write for `%LOCAL_REPLY_BODY%`. By default it stays."""
    body_format: Annotated[BodyFormat | None, Doc(envoy="ResponseMapper.body_format_override")] = None
    """The format of their body. By default `defaultBodyFormat`."""
    headers: Annotated[ResponseHeaderChanges | None, Doc(envoy="ResponseMapper.headers_to_add")] = None
    """Headers that they get."""

    def violations(self) -> Iterator[FieldViolation]:
        """Yield violations of bodies that the status excludes, and of one that is too long."""
        yield from body_violations(self.status_code, ("body", self.body))
        yield from body_violations(self.status_code, ("bodyFormat", self.body_format))
        yield from too_long(self.body or "", "body")


class LocalReplyConfig(Fields):
    """Responses that the proxy gives by itself, as where there is no route, or no backend that responds."""

    default_body_format: Annotated[BodyFormat | None, Doc(envoy="LocalReplyConfig.body_format")] = None
    """The format of their bodies, unless a mapper has one. By default the text of Envoy."""
    mappers: Annotated[
        tuple[LocalReplyMapper, ...] | None, Field(max_length=MOST_MAPPERS), Doc(envoy="LocalReplyConfig.mappers")
    ] = None
    """Which of them are changed, and how: the first one whose filter takes the response counts."""
