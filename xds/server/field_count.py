"""Count of the fields of a serialised request, before it is parsed.

A parsed message takes up to a hundred times the memory of its bytes: an empty name takes two bytes on the wire. Source:
protobuf's "Encoding" page.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from typing import Final

from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.message import DecodeError

from xds.server.limits import Limits

NAMES: Final = frozenset(
    {"resource_names", "resource_names_subscribe", "resource_names_unsubscribe", "initial_resource_versions"}
)
"""The fields of requests that contain resource names."""

STEP: Final = 5_000
"""Fields counted between two pauses."""

_LONG: Final = 0x80
"""The least varint that takes more than one byte."""

_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5


class TooManyFields(Exception):
    """A request has more fields or names than allowed."""


def count_fields(data: bytes, request: Descriptor, limits: Limits) -> Iterator[None]:
    """Count the fields of a request; yield every `STEP` fields, so that the caller can pause.

    Args:
        data: The serialised request.
        request: Its type.
        limits: The most names and other fields, and the longest name.

    Raises:
        TooManyFields: It exceeds a limit.
        DecodeError: The bytes are not a message.
    """
    if len(data) <= limits.name_bytes:
        return
    count = _Count(limits)
    # The messages still to count: start, end and type.
    left: list[tuple[int, int, Descriptor | None]] = [(0, len(data), request)]
    while left:
        position, end, kind = left.pop()
        messages, named = _inner(kind), _named(kind)
        while position < end:
            tag, length = data[position], data[position + 1] if position + 1 < end else _LONG
            if tag < _LONG and tag & 7 == _BYTES and length < _LONG and length <= end - position - 2:
                # As all fields of nearly all requests are, of which one may have tens of thousands.
                begin, position = position + 2, position + 2 + length
            else:
                tag, position = _varint(data, position, end)
                begin, position = _value(data, position, end, tag & 7)
            if tag >> 3 in named:
                count.name(position - begin)
            else:
                count.field()
                if tag & 7 == _BYTES and tag >> 3 in messages:
                    left.append((begin, position, messages[tag >> 3]))
            if count.total % STEP == 0:
                yield


class _Count:
    """The numbers of names and other fields so far."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._names = self.total = 0

    def name(self, length: int) -> None:
        self._names += 1
        self.total += 1
        if length > self._limits.name_bytes:
            raise TooManyFields(f"a resource name of {length} bytes; at most {self._limits.name_bytes} are allowed")
        if self._names > self._limits.names:
            raise TooManyFields(f"more than {self._limits.names} resource names in one request")

    def field(self) -> None:
        self.total += 1
        if self.total - self._names > self._limits.request_fields:
            raise TooManyFields(f"more than {self._limits.request_fields} fields in one request")


@cache
def _named(kind: Descriptor | None) -> frozenset[int]:
    """Return the numbers of the fields that contain resource names."""
    if kind is None or not kind.name.endswith("DiscoveryRequest"):
        return frozenset()
    return frozenset(each.number for each in kind.fields if each.name in NAMES)


@cache
def _inner(kind: Descriptor | None) -> dict[int, Descriptor | None]:
    """Return the message types of the fields that contain messages, by number."""
    if kind is None:
        return {}
    return {each.number: each.message_type for each in kind.fields if each.type == FieldDescriptor.TYPE_MESSAGE}


def _value(data: bytes, position: int, end: int, wire_type: int) -> tuple[int, int]:
    """Return the start and end of a field's value."""
    if wire_type == _BYTES:
        length, position = _varint(data, position, end)
    elif wire_type == _VARINT:
        return position, _varint(data, position, end)[1]
    elif wire_type == _FIXED64:
        length = 8
    elif wire_type == _FIXED32:
        length = 4
    else:
        raise DecodeError(f"wire type {wire_type}, which requests do not have")
    if length > end - position:
        raise DecodeError("a field is longer than the message")
    return position, position + length


def _varint(data: bytes, position: int, end: int) -> tuple[int, int]:
    """Return a variable-length integer and the position after it."""
    if position < end and (byte := data[position]) < 0x80:
        return byte, position + 1
    value = shift = 0
    while position < end and shift < 70:
        byte = data[position]
        position += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, position
        shift += 7
    raise DecodeError("the request ends within a field")
