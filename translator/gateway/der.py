"""A DER decoder (X.690) for what certificates use."""

from __future__ import annotations

from collections.abc import Iterator
from enum import IntEnum
from typing import Final, NamedTuple

MOST_LENGTH_BYTES: Final = 4


class Tag(IntEnum):
    """Tags of the universal class."""

    BOOLEAN = 0x01
    INTEGER = 0x02
    BIT_STRING = 0x03
    OCTET_STRING = 0x04
    OBJECT_IDENTIFIER = 0x06
    UTF8_STRING = 0x0C
    UTC_TIME = 0x17
    GENERALIZED_TIME = 0x18
    SEQUENCE = 0x30
    SET = 0x31


class DerError(ValueError):
    """The bytes are not what they should be."""


class Element(NamedTuple):
    """One element: its tag, all of its bytes, and those of its content."""

    tag: int
    whole: bytes
    content: bytes

    @property
    def members(self) -> list[Element]:
        """The elements in it.

        Raises:
            DerError: It holds something else.
        """
        return list(elements(self.content))


def element(data: bytes) -> Element:
    """Read the first element; what stands behind it does not matter.

    Raises:
        DerError: There is none.
    """
    if len(data) < 2:
        raise DerError("no element is there")
    head, length = 2, data[1]
    if length > 0x7F:
        head += length & 0x7F
        length = int.from_bytes(data[2:head], "big")
        if not 2 < head <= 2 + MOST_LENGTH_BYTES or length < 0x80 or not data[2]:
            raise DerError("the length is not written as short as can be")
    if head + length > len(data):
        raise DerError("the element is cut off")
    return Element(data[0], data[: head + length], data[head : head + length])


def elements(data: bytes) -> Iterator[Element]:
    """Read one element after the other.

    Raises:
        DerError: Something else is among them.
    """
    while data:
        found = element(data)
        yield found
        data = data[len(found.whole) :]


def expect(found: Element, *tags: int) -> Element:
    """Give an element back.

    Raises:
        DerError: It has none of the tags.
    """
    if found.tag not in tags:
        raise DerError("an element is of another type")
    return found
