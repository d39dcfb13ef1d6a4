"""Lines of htpasswd, of which Envoy takes hashes of SHA-1 only: it would refuse a whole table for one wrong line."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterable, Iterator
from hashlib import sha1
from typing import Final, NamedTuple

SHA: Final = "{SHA}"
_WAY_OUT: Final = "make it with htpasswd -s"
_OTHERS: Final = {"$2": "bcrypt", "$apr1$": "MD5 (apr1)", "$1$": "MD5", "$5$": "SHA-256", "$6$": "SHA-512"}
"""What the hashes of other kinds begin with."""


class LineFault(NamedTuple):
    """What is wrong with a line, without anything that is in it.

    Attributes:
        line: the number of the line; the first is 1.
        fault: what is wrong, and the way out.
    """

    line: int
    fault: str


def users(lines: Iterable[str]) -> Iterator[str | LineFault]:
    """Yield the users of lines, without blanks at their ends, and what is wrong with other lines.

    Empty lines and comments are left out.
    """
    earlier: dict[str, int] = {}
    for number, line in enumerate(lines, 1):
        text = line.strip()
        if not text or text.startswith("#"):
            continue
        name, colon, hashed = text.partition(":")
        if fault := _fault(name, colon, hashed):
            yield LineFault(number, fault)
        elif name in earlier:
            yield LineFault(number, f"has the name of line {earlier[name]} again; remove one of them")
        else:
            yield text
        earlier.setdefault(name, number)


def _fault(name: str, colon: str, hashed: str) -> str:
    """Return what is wrong with a user; "" if nothing is."""
    if not colon or not name or not hashed:
        return f"must be a name, a colon and a hash; {_WAY_OUT}"
    if not name.isprintable():
        return "has characters in the name that are not printable; remove them"
    if not hashed.startswith(SHA):
        kind = next((each for begin, each in _OTHERS.items() if hashed.startswith(begin)), "of another kind")
        return f"has a hash that is {kind}, and Envoy takes {SHA} only; {_WAY_OUT}, or use extAuth"
    return "" if _is_hash(hashed.removeprefix(SHA)) else f"has no Base64 of a SHA-1 hash after {SHA}; {_WAY_OUT}"


def _is_hash(text: str) -> bool:
    """Return whether a text is a hash in the one form that Envoy compares with."""
    try:
        found = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        return False
    return len(found) == sha1(usedforsecurity=False).digest_size and base64.b64encode(found).decode() == text
