"""Responses of the gateway: what DirectResponses and the unit `responseOverride` of TrafficPolicies have in common."""

import json
import math
from collections.abc import Iterator, Mapping
from typing import Annotated, Any, ClassVar, Final

from pydantic import Field, GetPydanticSchema, StringConstraints

from translator.objects.schema.base import CelRule, CheckedFields, Fields, FieldViolation, unique
from translator.objects.schema.header_names import ChangeableHeader
from translator.objects.schema.scalars import ONE_LINE, PRINTABLE, DataKey, HeaderName, ObjectName

MAX_BODY_BYTES: Final = 4096
"""Envoy's default limit of the body (`max_direct_response_body_size_bytes` of the route configuration)."""

BODILESS: Final = (204, 205, 304)
"""The statuses of responses without a body: with one, clients take it for the next response (RFC 9112, 6.3)."""

MOST_LEVELS: Final = 16
"""The levels that JSON may have: a message that is nested deeper is none to Envoy."""

_TOO_LONG: Final = f"must be at most {MAX_BODY_BYTES} bytes of UTF-8"
NO_BODY: Final = "must not be set where the status is 204, 205 or 304: such responses have no body; remove it"

Line = Annotated[str, StringConstraints(min_length=1, max_length=4096, pattern=ONE_LINE)]
"""The value of a header: text without control characters."""

BodyText = Annotated[str, StringConstraints(max_length=MAX_BODY_BYTES)]
ContentType = Annotated[str, StringConstraints(min_length=1, max_length=255, pattern=PRINTABLE)]
JsonObject = Annotated[Mapping[str, Any], GetPydanticSchema(lambda _, handler: handler(dict[str, Any]))]


class ConfigMapKeyReference(Fields):
    """A key of a ConfigMap of the same namespace."""

    name: ObjectName
    """The name of the ConfigMap."""
    key: DataKey
    """The key in its `data`, or in its `binaryData` where that holds UTF-8. At most 4,096 bytes."""


def too_long(text: str, *path: str) -> Iterator[FieldViolation]:
    """Yield a violation of a body that is longer than Envoy takes it."""
    size = len(text.encode())
    if size > MAX_BODY_BYTES:
        yield FieldViolation(path, f"{_TOO_LONG}, not {size}: shorten it")


class BodyFormat(CheckedFields):
    """A body that is made for each response: a format of Envoy's, as text or as JSON."""

    rules: ClassVar[tuple[CelRule, ...]] = (
        CelRule("has(self.text) != has(self.json)", "exactly one of text and json must be set"),
        CelRule(f"!has(self.text) || size(bytes(self.text)) <= {MAX_BODY_BYTES}", _TOO_LONG, "text"),
    )

    text: Annotated[str, StringConstraints(min_length=1, max_length=MAX_BODY_BYTES)] | None = None
    """A text in which commands like `%REQ(:PATH)%` stand for parts of the request and response; `%%` is a percent
    sign."""
    json_: Annotated[JsonObject | None, Field(alias="json")] = None
    """An object whose texts are formats as in `text`: the body is that as JSON."""
    content_type: ContentType | None = None
    """The header Content-Type. By default text/plain, or application/json."""

    def violations(self) -> Iterator[FieldViolation]:
        """Yield violations of two bodies or none, and of one that is too long, too deep, or no JSON."""
        if (self.text is None) == (self.json_ is None):
            yield FieldViolation((), "must have exactly one of text and json")
        if self.text is not None:
            yield from too_long(self.text, "text")
        if self.json_ is not None:
            yield from _json_violations(self.json_)


def _json_violations(found: Mapping[str, Any]) -> Iterator[FieldViolation]:
    if not is_json(found, MOST_LEVELS):
        yield FieldViolation(("json",), f"must be JSON of at most {MOST_LEVELS} levels: leave some out")
        return
    yield from too_long(json.dumps(found, ensure_ascii=False), "json")


def is_json(value: object, levels: int) -> bool:
    """Return whether a value is JSON that is nested in at most so many levels."""
    if isinstance(value, Mapping):
        return levels > 0 and all(isinstance(key, str) and is_json(each, levels - 1) for key, each in value.items())
    if isinstance(value, list):
        return levels > 0 and all(is_json(each, levels - 1) for each in value)
    return value is None or isinstance(value, str | bool | int) or (isinstance(value, float) and math.isfinite(value))


class ResponseHeader(Fields):
    """A header of a response, and its value."""

    name: ChangeableHeader
    """The name of the header; upper and lower case are the same."""
    value: Line
    """The value; it is taken literally."""


ResponseHeaders = Annotated[
    tuple[ResponseHeader, ...] | None,
    Field(max_length=16),
    unique("name", "has the header name of an earlier entry: put the values into one, with commas between them"),
]


class ResponseHeaderChanges(Fields):
    """Headers of a response of the gateway."""

    set: ResponseHeaders = None
    """Headers that get this value only."""
    add: ResponseHeaders = None
    """Headers that get a value beside those that they have."""


class DirectResponseHeaderChanges(ResponseHeaderChanges):
    """Headers of a direct response."""

    remove: Annotated[
        tuple[HeaderName, ...] | None, Field(max_length=16), unique(None, "is in the list already: remove it")
    ] = None
    """Headers that are removed, of those that policies and the route give it."""


def body_violations(status: int | None, *members: tuple[str, object]) -> Iterator[FieldViolation]:
    """Yield violations of several bodies, and of one that the status excludes.

    Args:
        status: the status; None for one that is not known.
        members: the fields that give a body, and their values.
    """
    given = [name for name, value in members if value is not None]
    for name in given[1:]:
        yield FieldViolation((name,), f"must not be set together with {given[0]}: remove one of them")
    if status in BODILESS:
        for name in given:
            yield FieldViolation((name,), NO_BODY)


def body_rules(status: str, *members: str) -> tuple[CelRule, ...]:
    """Return what `body_violations` says as rules of the API server."""
    given = ", ".join(f"has(self.{each})" for each in members)
    return (
        CelRule(f"[{given}].filter(x, x).size() <= 1", f"at most one of {', '.join(members)} must be set"),
        CelRule(
            f"!has(self.{status}) || !(self.{status} in [204, 205, 304]) || ![{given}].exists(x, x)",
            "responses with the status 204, 205 or 304 have no body: remove it",
        ),
    )
