"""The unit `responseOverride` of TrafficPolicies."""

from collections.abc import Iterator
from typing import Annotated, ClassVar, Final, Literal

from pydantic import Field, StringConstraints

from translator.objects.headgate.matches import HeaderMatch
from translator.objects.headgate.responses import (
    BodyFormat,
    BodyText,
    ConfigMapKeyReference,
    ContentType,
    ResponseHeaderChanges,
    body_rules,
    body_violations,
    too_long,
)
from translator.objects.headgate.types import StatusCode
from translator.objects.schema.base import CelRule, CheckedFields, Fields, FieldViolation, exactly_one
from translator.objects.schema.documentation import Doc
from translator.objects.schema.scalars import REDIRECT_PATH, ObjectName, PortNumber, PreciseHostname

MOST_OVERRIDES: Final = 32

RedirectPath = Annotated[str, StringConstraints(min_length=1, max_length=1024, pattern=REDIRECT_PATH)]
"""A path, but for one that begins with two slashes, which clients take for a host."""


class StatusCodeRange(CheckedFields):
    """The statuses from one to another."""

    rules: ClassVar[tuple[CelRule, ...]] = (CelRule("self.start <= self.end", "start must be at most end"),)

    start: StatusCode
    """The first status."""
    end: StatusCode
    """The last status."""

    def violations(self) -> Iterator[FieldViolation]:
        """Yield a violation of a range without a status."""
        if self.start > self.end:
            yield FieldViolation(("start",), f"must be at most end, {self.end}")


class StatusCodeMatch(CheckedFields):
    """A status, or a range of them."""

    rules: ClassVar[tuple[CelRule, ...]] = (
        CelRule("has(self.value) != has(self.range)", "exactly one of value and range must be set"),
    )

    value: StatusCode | None = None
    """A status, from 200 to 599."""
    range: StatusCodeRange | None = None
    """The statuses from one to another."""

    def violations(self) -> Iterator[FieldViolation]:
        """Yield a violation unless exactly one member is set."""
        if (self.value is None) == (self.range is None):
            yield FieldViolation((), "must have exactly one of value and range")

    @property
    def bounds(self) -> tuple[int, int]:
        """The first and the last status."""
        if self.range is not None:
            return self.range.start, self.range.end
        assert self.value is not None
        return self.value, self.value


class ResponseMatch(CheckedFields):
    """Which responses: all that is given has to match."""

    rules: ClassVar[tuple[CelRule, ...]] = (
        CelRule(
            "(has(self.statusCodes) && self.statusCodes.size() > 0) || "
            "(has(self.responseHeaders) && self.responseHeaders.size() > 0)",
            "at least one of statusCodes and responseHeaders must be set",
        ),
    )

    status_codes: Annotated[tuple[StatusCodeMatch, ...] | None, Field(max_length=32)] = None
    """The statuses, of which one has to match."""
    response_headers: Annotated[tuple[HeaderMatch, ...] | None, Field(max_length=16)] = None
    """Headers of the response, all of which have to match."""
    source: Literal["All", "Local", "Backend"] | None = None
    """Who responded: the backend, the proxy itself (Local), or either. By default All."""

    def violations(self) -> Iterator[FieldViolation]:
        """Yield a violation of a match of all responses."""
        if not self.status_codes and not self.response_headers:
            yield FieldViolation((), "must have at least one of statusCodes and responseHeaders")


class OverrideBody(CheckedFields):
    """The body of a response."""

    rules: ClassVar[tuple[CelRule, ...]] = (
        CelRule("has(self.inline) != has(self.configMapRef)", "exactly one of inline and configMapRef must be set"),
        CelRule(
            "!has(self.inline) || size(bytes(self.inline)) <= 4096", "must be at most 4096 bytes of UTF-8", "inline"
        ),
    )

    inline: BodyText | None = None
    """The text."""
    config_map_ref: ConfigMapKeyReference | None = None
    """A key of a ConfigMap in the policy's namespace that holds the text."""

    def violations(self) -> Iterator[FieldViolation]:
        """Yield violations of two bodies or none, and of one that is too long."""
        if (self.inline is None) == (self.config_map_ref is None):
            yield FieldViolation((), "must have exactly one of inline and configMapRef")
        yield from too_long(self.inline or "", "inline")


class OverrideResponse(CheckedFields):
    """A response of the proxy: nothing of the other one is sent but its status, unless there is one here."""

    rules: ClassVar[tuple[CelRule, ...]] = body_rules("statusCode", "body", "bodyFormat")

    status_code: StatusCode | None = None
    """The status. By default that of the response which it replaces."""
    content_type: ContentType | None = None
    """The header Content-Type. By default text/plain where there is a body."""
    body: OverrideBody | None = None
    """The body. By default it is empty."""
    body_format: BodyFormat | None = None
    """A body that is made for each response, in place of `body`."""
    headers: ResponseHeaderChanges | None = None
    """The headers."""

    def violations(self) -> Iterator[FieldViolation]:
        """Yield violations of two bodies, and of one that the status excludes."""
        yield from body_violations(self.status_code, ("body", self.body), ("bodyFormat", self.body_format))
        if self.content_type is not None and self.body_format is not None and self.body_format.content_type is not None:
            yield FieldViolation(("contentType",), "must not be set together with that of bodyFormat: remove one")


class OverrideRedirect(CheckedFields):
    """A redirect that the client is sent."""

    rules: ClassVar[tuple[CelRule, ...]] = (
        CelRule("has(self.hostname) || has(self.path)", "at least one of hostname and path must be set"),
        CelRule(
            "has(self.hostname) || !(has(self.scheme) || has(self.port))", "hostname is required beside scheme or port"
        ),
    )

    scheme: Literal["http", "https"] | None = None
    """The scheme. By default that of the request."""
    hostname: PreciseHostname | None = None
    """The host. By default that of the request."""
    port: PortNumber | None = None
    """The port. By default that of the scheme."""
    path: RedirectPath | None = None
    """The path, with a query if it has one. By default the path and query that the backend has seen."""
    status_code: Literal[301, 302, 303, 307, 308] | None = None
    """The status. By default 302."""

    def violations(self) -> Iterator[FieldViolation]:
        """Yield violations of a redirect to the request itself, and of a scheme or port without a host."""
        if self.hostname is None and self.path is None:
            yield FieldViolation((), "must have at least one of hostname and path: otherwise it leads to itself")
        for name, value in (("scheme", self.scheme), ("port", self.port)):
            if value is not None and self.hostname is None:
                yield FieldViolation((name,), "must not be set without hostname: add that")


class DirectResponseReference(Fields):
    """A DirectResponse of the policy's namespace."""

    name: ObjectName
    """Its name."""


_MEMBERS: Final = ("response", "redirect", "response_ref")


class ResponseOverride(CheckedFields):
    """Another response in place of those that match."""

    rules: ClassVar[tuple[CelRule, ...]] = (
        exactly_one(
            "response",
            "redirect",
            "responseRef",
            message="exactly one of response, redirect and responseRef must be set",
        ),
    )

    match: Annotated[ResponseMatch, Doc(envoy="CustomResponse.custom_response_matcher")]
    """Which responses."""
    response: OverrideResponse | None = None
    """The response instead."""
    redirect: OverrideRedirect | None = None
    """A redirect instead, which the client follows."""
    response_ref: DirectResponseReference | None = None
    """A DirectResponse of the policy's namespace instead, with its status, body and headers."""

    def violations(self) -> Iterator[FieldViolation]:
        """Yield a violation unless exactly one member is set."""
        if sum(getattr(self, each) is not None for each in _MEMBERS) != 1:
            yield FieldViolation((), "must have exactly one of response, redirect and responseRef")


ResponseOverrides = Annotated[tuple[ResponseOverride, ...], Field(max_length=MOST_OVERRIDES)]
