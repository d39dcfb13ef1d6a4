"""Responses of the gateway itself, as DirectResponses and overrides of responses configure them."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Literal, Protocol

from headgate_proto.envoy.config.core.v3 import base_pb2
from headgate_proto.envoy.config.core.v3.base_pb2 import DataSource, HeaderValueOption
from headgate_proto.envoy.config.core.v3.substitution_format_string_pb2 import SubstitutionFormatString
from translator.db import Db
from translator.gateway.config_maps import config_map_text
from translator.languages.formats import check_format, check_formats, literal
from translator.objects.headgate.directresponse import DirectResponseSpec
from translator.objects.headgate.responses import (
    MAX_BODY_BYTES,
    BodyFormat,
    ConfigMapKeyReference,
    ResponseHeader,
)
from translator.objects.kubernetes.core import ConfigMap
from translator.outcome import Outcome, Problem
from translator.refs import Ref

Headers = tuple[tuple[str, str], ...]

OVERWRITE = base_pb2.HeaderValueOption.OVERWRITE_IF_EXISTS_OR_ADD
APPEND = base_pb2.HeaderValueOption.APPEND_IF_EXISTS_OR_ADD


class BodyMessage(Protocol):
    """Envoy's messages for a response, as far as they have a body."""

    @property
    def body(self) -> DataSource:
        """The text."""

    @property
    def body_format(self) -> SubstitutionFormatString:
        """The format of the text."""


@dataclass(frozen=True, slots=True)
class Body:
    """The body of a response.

    Attributes:
        text: a text, or a format; of JSON, an object whose texts are formats.
        kind: which of them.
        content_type: the media type; "" for Envoy's own, text/plain.
    """

    text: str = ""
    kind: Literal["plain", "text", "json"] = "plain"
    content_type: str = ""

    def write(self, message: BodyMessage) -> None:
        """Write the body."""
        if self.kind != "plain":
            self.write_format(message.body_format)
        elif self.text:
            message.body.inline_string = self.text

    def write_format(self, message: SubstitutionFormatString) -> None:
        """Write the format that the body is."""
        if self.kind == "json":
            message.json_format.update(json.loads(self.text))
        else:
            message.text_format_source.inline_string = self.text


EMPTY = Body()


@dataclass(frozen=True, slots=True)
class LocalResponse:
    """A response of the gateway itself.

    Attributes:
        status: the status; 0 for that of the response which it replaces.
        body: the body.
        set: headers that get one value.
        add: headers that get a further value.
        remove: headers that are removed.
    """

    status: int = 0
    body: Body = EMPTY
    set: Headers = ()
    add: Headers = ()
    remove: tuple[str, ...] = ()

    @property
    def may_have_status_without_body(self) -> bool:
        """Whether there is a body whatever the status of the response which it replaces."""
        return not self.status and self.body.text != ""

    def headers(self) -> Iterator[HeaderValueOption]:
        """Yield the headers, as Envoy's messages."""
        if self.body.content_type:
            yield _option("content-type", self.body.content_type, OVERWRITE)
        yield from (_option(name, value, OVERWRITE) for name, value in self.set)
        yield from (_option(name, value, APPEND) for name, value in self.add)


def _option(name: str, value: str, action: HeaderValueOption.HeaderAppendAction) -> HeaderValueOption:
    made = HeaderValueOption(append_action=action)
    made.header.key, made.header.value = name, literal(value)
    return made


def header_pairs(found: Iterable[ResponseHeader] | None) -> Headers:
    """Return headers of an object."""
    return tuple((each.name, each.value) for each in found or ())


def formatted_body(found: BodyFormat, field: str) -> Outcome[Body | None]:
    """Return a body that is made for each response; None if its format is none of Envoy's."""
    if found.json_ is not None:
        text = json.dumps(found.json_, ensure_ascii=False, sort_keys=True)
        member, made = "json", Body(text, "json", found.content_type or "application/json")
        fault = check_formats(found.json_)
    else:
        member, made = "text", Body(found.text or "", "text", found.content_type or "text/plain")
        fault = check_format(made.text)
    if fault:
        return Outcome(None, (Problem("Accepted", "Invalid", f"{field}.{member}: {fault}."),))
    return Outcome(made)


def config_map_body(db: Db, namespace: str, found: ConfigMapKeyReference, field: str) -> Outcome[Body | None]:
    """Return the body that a key of a ConfigMap holds; None if it does not."""
    read = config_map_text(db, Ref(ConfigMap.kind, namespace, found.name), found.key, MAX_BODY_BYTES, field)
    return Outcome(None, read.problems) if read.value is None else Outcome(Body(read.value))


def direct_response(db: Db, ref: Ref, found: DirectResponseSpec, field: str) -> Outcome[LocalResponse | None]:
    """Return what a DirectResponse says; None if its body cannot be had.

    Args:
        db: the database.
        ref: the DirectResponse.
        found: its spec.
        field: the path of the reference to it, for messages.
    """
    body: Outcome[Body | None] = Outcome(Body(found.body or ""))
    at = f"{field}: {ref}: spec"
    if found.body_format is not None:
        body = formatted_body(found.body_format, f"{at}.bodyFormat")
    elif found.body_from is not None:
        reference = found.body_from.config_map_ref
        body = config_map_body(db, ref.namespace, reference, f"{at}.bodyFrom.configMapRef")
    if body.value is None:
        return Outcome(None, body.problems)
    headers = found.headers
    made = LocalResponse(found.status, body.value)
    if headers is not None:
        add, remove = header_pairs(headers.add), headers.remove or ()
        made = LocalResponse(found.status, body.value, header_pairs(headers.set), add, remove)
    return Outcome(made)
