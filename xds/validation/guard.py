"""The last check before a resource is sent: it holds no message that ends Envoy's process (`fatal`).

Whoever makes resources validates them, and reports what is wrong to its users (`validate.check`); this is for the case
that something was overlooked. It costs one search for a name in the bytes of each changed resource, and where such a
message is found, the parsing of that message only: a table of 10,000 routes is not parsed.
"""

from __future__ import annotations

from collections.abc import Iterator

from google.protobuf.message import DecodeError, Message

from xds.validation.fatal import STRUCTS, TYPED, OwnConstraint
from xds.validation.validate import Violation, check_content

_STRUCTS = tuple(name.encode() for name in STRUCTS)
_TYPED = tuple((name.encode(), found) for name, found in TYPED.items())


def fatal_violations(type_url: str, body: bytes) -> list[Violation]:
    """Return what would end Envoy's process in a serialised resource, with its path; nearly always nothing."""
    found: list[Violation] = []
    for name, (kind, constraint) in _TYPED:
        if name not in body:
            continue
        contents = set(_contents(name, body))
        if any(each in body for each in _STRUCTS) or None in contents:
            found += _violations(type_url, body, constraint.text)
        elif any(_is_broken(kind, constraint, each) for each in contents if each is not None):
            # What is in an Any of a type that is unknown here has no path.
            found += _violations(type_url, body, constraint.text) or [Violation("", constraint.text)]
    return found


def _violations(type_url: str, body: bytes, text: str) -> list[Violation]:
    return [each for each in check_content(type_url, body) if each.rule == text]


def _is_broken(kind: type[Message], constraint: OwnConstraint, content: bytes) -> bool:
    try:
        return constraint.broken(kind.FromString(content))
    except DecodeError:
        return True


def _contents(name: bytes, body: bytes) -> Iterator[bytes | None]:
    """Yield the content of each Any of a type; None for a name that is written in another way.

    An Any is its length, then the type's URL (field 1) with its length, then the content (field 2) with its length; the
    latter is missing if the content is empty.
    """
    end = 0
    while (place := body.find(name, end)) >= 0:
        end = place + len(name)
        start = body.rfind(b"\x0a", max(0, place - 64), place)
        size, begin = _varint(body, start + 1)
        url = end - start
        if start < 0 or begin + size != end:
            continue  # no Any: the name stands in text, or in a longer name
        if _ends_with_length(body, start, url):
            yield b""
            continue
        length, content = _varint(body, end + 1)
        whole = url + content - end + length
        known = body[end : end + 1] == b"\x12" and _ends_with_length(body, start, whole)
        yield body[content : content + length] if known else None


def _varint(body: bytes, place: int) -> tuple[int, int]:
    """Return the number that is written at a place, and where it ends."""
    number = shift = 0
    while place < len(body):
        number |= (body[place] & 0x7F) << shift
        place, shift = place + 1, shift + 7
        if not body[place - 1] & 0x80:
            break
    return number, place


def _ends_with_length(body: bytes, place: int, length: int) -> bool:
    written = bytearray()
    while length > 0x7F:
        written.append(length & 0x7F | 0x80)
        length >>= 7
    written.append(length)
    # Before it is a tag, whose last byte has no continuation bit.
    before = place - len(written) - 1
    return body.endswith(bytes(written), 0, place) and before >= 0 and not body[before] & 0x80
