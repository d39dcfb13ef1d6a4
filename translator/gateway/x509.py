"""Certificates as Envoy reads them (BoringSSL, ``X509_parse``): the parts that matter to a server.

The library for certificates is stricter: it refuses a ``*`` in a PrintableString, for example, which is not rare.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Final, NamedTuple

from translator.gateway.der import DerError, Element, Tag, element, expect

_VERSION: Final = 0xA0
_ISSUER_ID: Final = 0x81
_SUBJECT_ID: Final = 0x82
_EXTENSIONS: Final = 0xA3
_REJECTED: Final = 0xA0
_TEXTS: Final[Mapping[int, str]] = {0x0C: "utf-8", 0x1E: "utf-16-be", 0x1C: "utf-32-be"} | dict.fromkeys(
    (0x12, 0x13, 0x14, 0x15, 0x16, 0x19, 0x1A, 0x1B), "latin-1"
)
"""The types of text, by their tags."""

_OTHERS: Final = frozenset((0x04, 0x06, 0x07, 0x09, 0x0D, 0x0E, 0x0F, 0x28, 0x2B, 0x2F, 0x30, 0x31, 0x3D))
_NUMBERS: Final = frozenset((Tag.INTEGER, 0x0A))
"""What a part of a name may be as well, though nobody would have it so."""

_UNIVERSAL: Final = 0xC0
_TIMES: Final = {Tag.UTC_TIME: "%y%m%d%H%M%S", Tag.GENERALIZED_TIME: "%Y%m%d%H%M%S"}
_TIME: Final = re.compile(rb"\d{12,14}(?:Z|[+-]\d{4})")


class CertificateFields(NamedTuple):
    """Parts of a certificate: whom it names, its key with the key's algorithm, and its extensions by their identifier.

    The subject's parts are pairs of an identifier and a text; of an extension that is there twice the first counts.
    """

    subject: tuple[tuple[bytes, bytes], ...]
    key: Element
    algorithm: Element
    extensions: Mapping[bytes, bytes]


def read(der: bytes) -> CertificateFields:
    """Read a certificate.

    Raises:
        DerError: It is none.
    """
    try:
        return _certificate(der)
    except (ValueError, LookupError):
        raise DerError("it is no certificate") from None


def check_trust(der: bytes) -> None:
    """Check what may follow a certificate: what it is trusted for (``X509_CERT_AUX``), which a server has no use for.

    What follows that in turn does not matter.

    Raises:
        DerError: It is something else.
    """
    rest = expect(element(der), Tag.SEQUENCE).members
    for tag in (Tag.SEQUENCE, _REJECTED, Tag.UTF8_STRING, Tag.OCTET_STRING):
        if rest and rest[0].tag == tag:
            found = rest.pop(0)
            if tag in (Tag.SEQUENCE, _REJECTED):
                _ = [_identifier(each) for each in found.members]
            elif tag == Tag.UTF8_STRING and found.content.decode(errors="replace").encode() != found.content:
                raise DerError("a name is not UTF-8")
    if rest:
        raise DerError("something else follows a certificate")


def _certificate(der: bytes) -> CertificateFields:
    signed, signed_by, signature = expect(element(der), Tag.SEQUENCE).members
    _algorithm(signed_by)
    _bits(signature)
    members = expect(signed, Tag.SEQUENCE).members
    version = _version(members.pop(0)) if members[0].tag == _VERSION else 0
    serial, signed_by, issuer, validity, subject, key, *others = members
    _number(serial)
    _algorithm(signed_by)
    list(_name(issuer))
    for each in _pair(expect(validity, Tag.SEQUENCE)):
        _time(each)
    algorithm, bits = _pair(expect(key, Tag.SEQUENCE))
    _bits(bits)
    extensions = _others(others, version)
    return CertificateFields(tuple(_name(subject)), key, _algorithm(algorithm), extensions)


def _pair(found: Element) -> tuple[Element, Element]:
    one, other = found.members
    return one, other


def _number(found: Element) -> bytes:
    content = expect(found, Tag.INTEGER).content
    redundant = len(content) > 1 and (content[0], content[1] >> 7) in ((0x00, 0), (0xFF, 1))
    if not content or redundant:
        raise DerError("a number is not written as short as can be")
    return content


def _version(found: Element) -> int:
    (number,) = found.members
    return (b"\0", b"\1", b"\2").index(_number(number))


def _bits(found: Element) -> None:
    unused, *content = expect(found, Tag.BIT_STRING).content
    if unused > 7 or (unused and (not content or content[-1] & ((1 << unused) - 1))):
        raise DerError("bits that do not count are set")


def _algorithm(found: Element) -> Element:
    name, *parameters = expect(found, Tag.SEQUENCE).members
    _identifier(name)
    if len(parameters) > 1:
        raise DerError("an algorithm has more than parameters")
    return found


def _identifier(found: Element) -> bytes:
    content = expect(found, Tag.OBJECT_IDENTIFIER).content
    starts = [0x00, *content[:-1]]
    if (
        not content
        or content[-1] & 0x80
        or any(b == 0x80 and not a & 0x80 for a, b in zip(starts, content, strict=True))
    ):
        raise DerError("an identifier is malformed")
    return content


def _name(found: Element) -> Iterator[tuple[bytes, bytes]]:
    for together in expect(found, Tag.SEQUENCE).members:
        for part in expect(together, Tag.SET).members:
            name, text = _pair(expect(part, Tag.SEQUENCE))
            _text(text)
            yield _identifier(name), text.content


def _text(found: Element) -> None:
    if found.tag in _NUMBERS:
        _number(found._replace(tag=Tag.INTEGER))
    elif found.tag == Tag.BIT_STRING:
        _bits(found)
    elif found.tag not in _OTHERS and not found.tag & _UNIVERSAL:
        found.content.decode(_TEXTS[found.tag])


def _time(found: Element) -> None:
    form = _TIMES[Tag(found.tag)]
    if not _TIME.fullmatch(found.content):
        raise DerError("a time is malformed")
    datetime.strptime(found.content.decode("ascii").rstrip("Z"), form)


def _others(found: list[Element], version: int) -> Mapping[bytes, bytes]:
    for tag in (_ISSUER_ID, _SUBJECT_ID):
        if found and version and found[0].tag == tag:
            _bits(found.pop(0)._replace(tag=Tag.BIT_STRING))
    if not found:
        return {}
    (wrapper,) = found
    if version < 2:
        raise DerError("extensions need version 3")
    (listed,) = expect(wrapper, _EXTENSIONS).members
    extensions: dict[bytes, bytes] = {}
    for each in expect(listed, Tag.SEQUENCE).members:
        name, *critical, value = expect(each, Tag.SEQUENCE).members
        if [flag.whole for flag in critical] not in ([], [b"\x01\x01\xff"]):
            raise DerError("an extension is malformed")
        extensions.setdefault(_identifier(name), expect(value, Tag.OCTET_STRING).content)
    return extensions
