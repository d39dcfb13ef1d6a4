"""PEM as Envoy reads it (BoringSSL, ``PEM_read_bio``), so that what is taken here and what Envoy takes are the same.

Other readers differ in what they make of line breaks, blank lines, byte order marks and text around the blocks.
"""

from __future__ import annotations

import re
from base64 import b64decode, b64encode
from collections.abc import Iterator
from typing import Final, NamedTuple

LONGEST_LINE: Final = 253
"""A longer line is read as several."""

_BEGIN: Final = re.compile(rb"-----BEGIN ([^\0]*)-----")
_BASE64: Final = re.compile(rb"(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?")
_END_OF_LINE: Final = bytes([*range(0x21), *range(0x80, 0x100)])
"""What does not count at the end of a line: blanks, control characters, and what is not ASCII."""


class PemError(ValueError):
    """A block cannot be read; the message says why and holds nothing of it, as it may be a secret."""


class Block(NamedTuple):
    """One block: its label, the lines before the first blank one, such as those of an encrypted key, and the data."""

    label: bytes
    headers: bytes
    data: bytes


def blocks(text: bytes) -> Iterator[Block]:
    """Yield the blocks in order; text before, between and after them is skipped.

    Raises:
        PemError: A block does not end as it began, or is not base64, or is empty.
    """
    lines = _lines(text)
    for line in lines:
        found = _BEGIN.fullmatch(line)
        if found:
            yield _block(found[1], lines)


def write(label: bytes, data: bytes) -> bytes:
    """Give a block, in lines of 64 characters."""
    text = b64encode(data)
    lines = (text[at : at + 64] for at in range(0, len(text), 64))
    return b"-----BEGIN %s-----\n%s\n-----END %s-----\n" % (label, b"\n".join(lines), label)


def _lines(text: bytes) -> Iterator[bytes]:
    for line in text.split(b"\n"):
        # The line break counts: a full line's is read as a line of its own.
        whole = line + b"\n"
        for at in range(0, len(whole), LONGEST_LINE):
            yield whole[at : at + LONGEST_LINE].rstrip(_END_OF_LINE)


def _block(label: bytes, lines: Iterator[bytes]) -> Block:
    headers: list[bytes] = []
    body: list[bytes] = []
    for line in lines:
        if line.startswith(b"-----END "):
            if line.partition(b"\0")[0] != b"-----END %s-----" % label:
                raise PemError("a block does not end as it began; each has a first and a last line of its own")
            return Block(label, b"\n".join(headers), _decoded(b"".join(body)))
        if not line and not headers:
            headers, body = [*body, b""], []
        else:
            body.append(line)
    raise PemError("a block has no end")


def _decoded(text: bytes) -> bytes:
    text = text.translate(None, b" \t\r\n")
    if not _BASE64.fullmatch(text):
        raise PemError("a block is not base64")
    if not text:
        raise PemError("a block is empty")
    return b64decode(text)
