"""The beginning of a longer body, ended so that what it holds can be read.

A reader of multipart/form-data, JSON or XML gives nothing, or not all, of a body that ends in the midst. So what was
begun is ended: a part by its boundary, a text of JSON by its quote, an element by its tag. What is then still no such
body was none before it was cut, and the engine refuses it as it does a short one.
"""

from __future__ import annotations

import re
from typing import Final

from headgate.waf.inspection import Headers

_MULTIPART: Final = re.compile(r"^\s*multipart/form-data\s*[;,]", re.IGNORECASE)
_BOUNDARY: Final = re.compile(r'boundary\s*=\s*(?:"([^"]+)"|([^\s;,"]+))', re.IGNORECASE)
JSON: Final = r"^application/(?:[a-z0-9.-]+\+)?json"
"""The types of bodies that are read as JSON, in lower case."""
XML: Final = r"^(?:application(?:/soap\+|/)|text/)xml"
"""The types of bodies that are read as XML, in lower case."""

_TOKEN: Final = re.compile(rb'"(?:[^"\\]|\\.|\\\Z)*+"?|[{}\[\],:]|[^\s"{}\[\],:]+', re.DOTALL)
_STRING: Final = re.compile(rb'"(?:[^"\\]|\\.)*+"', re.DOTALL)
_ESCAPE: Final = re.compile(rb"\\(?:u[0-9A-Fa-f]{0,3})?\Z")
_MARKUP: Final = re.compile(
    rb"<!--.*?(?:-->|\Z)|<!\[CDATA\[.*?(?:\]\]>|\Z)|<\?.*?(?:\?>|\Z)|</?[^\s<>/!?]*(?:[^<>\"']|\"[^\"]*\"?|'[^']*'?)*+(>)?",
    re.DOTALL,
)
_CUT_ATTRIBUTE: Final = re.compile(rb"=\s*(?:\"[^\"<]*|'[^'<]*)\Z")
_WHOLE_ATTRIBUTES: Final = re.compile(rb"\"[^\"]*\"|'[^']*'")
_ENTITY: Final = re.compile(rb"&[#\w]{0,20}\Z")


def ended(headers: Headers, body: bytes) -> bytes:
    """Return the beginning of a body with what was begun in it ended, as the type of its request is read."""
    kind = next((value for name, value in headers if name.lower() == "content-type"), "")
    if _MULTIPART.match(kind):
        return _ended_multipart(kind, body)
    if re.match(JSON, kind.lower()):
        return _ended_json(_whole_characters(body))
    if re.match(XML, kind.lower()):
        return _ended_xml(_whole_characters(body))
    return body


def _whole_characters(body: bytes) -> bytes:
    """Return a body of UTF-8 without a character that is cut at its end."""
    for length in range(1, min(3, len(body)) + 1):
        lead = body[-length]
        if lead >= 0xC0:
            return body[:-length] if length < (2 if lead < 0xE0 else 3 if lead < 0xF0 else 4) else body
        if lead < 0x80:
            break
    return body


def _ended_multipart(kind: str, body: bytes) -> bytes:
    named = _BOUNDARY.search(kind)
    if named is None:
        return body
    delimiter = b"--" + (named[1] or named[2]).encode("latin-1", "replace")
    line = b"\r\n" + delimiter
    at = body.rfind(b"\n" + delimiter) + 1
    head = max(body.find(b"\r\n\r\n", at) + 4, body.find(b"\n\n", at) + 2)
    if head < 4:
        # Nothing of this part is there but some of its headers, the last one of which may be cut.
        first, last = body.find(b"\n", at) + 1, body.rfind(b"\n") + 1
        if b"content-disposition" in body[first:last].lower():
            return body[:last] + b"\r\n" + line + b"--\r\n"
        return body[:at] + delimiter + b"--\r\n"
    # The next delimiter may be cut.
    cut = next((each for each in range(len(line), 0, -1) if body.endswith(line[:each], head)), 0)
    return body[: len(body) - cut] + line + b"--\r\n"


def _ended_json(body: bytes) -> bytes:
    open_, before, last, start = bytearray(), b"", b"", 0
    for token in _TOKEN.finditer(body):
        before, last, start = last, token[0], token.start()
        if last in b"{[":
            open_ += last
        elif last in b"}]" and open_:
            open_.pop()
    if last.startswith(b'"') and not _STRING.fullmatch(last):
        body = (_ESCAPE.sub(b"", body) if _escapes(last) else body) + b'"'
    elif last and last[:1] not in b'{}[],:"':
        # A number or a word, which may be cut.
        body = body[:start]
    in_object = open_.endswith(b"{")
    if last.startswith(b'"'):
        body += b":null" if in_object and before in (b"{", b",") else b""
    elif last == b"," and in_object:
        body += b'"":null'
    elif last[:1] not in (b"{", b"}", b"[", b"]"):
        body += b"null"
    return body + bytes(open_[::-1]).translate(bytes.maketrans(b"{[", b"}]"))


def _escapes(text: bytes) -> bool:
    """Return whether a text ends in the midst of an escape: with a backslash that no other one escapes."""
    found = _ESCAPE.search(text)
    if found is None:
        return False
    before = text[: found.start()]
    return (len(before) - len(before.rstrip(b"\\"))) % 2 == 0


def _ended_xml(body: bytes) -> bytes:
    elements = list[bytes]()
    for found in _MARKUP.finditer(body):
        text = found[0]
        if text.startswith(b"<![CDATA["):
            if not text.endswith(b"]]>"):
                return body.rstrip(b"]") + b"]]>" + _closed(elements)
        elif text.startswith((b"<!--", b"<?")):
            if not text.endswith((b"-->", b"?>")):
                return body[: found.start()] + _closed(elements)
        elif not found[1]:
            return _ended_tag(body, found.start(), elements)
        elif text.startswith(b"</"):
            elements[-1:] = []
        elif not text.startswith(b"<!") and not text.endswith(b"/>"):
            elements.append(_name(text))
    return _ENTITY.sub(b"", body) + _closed(elements)


def _ended_tag(body: bytes, start: int, elements: list[bytes]) -> bytes:
    """Return a body that ends in a tag: it is ended after the value of an attribute, and else left out."""
    text = body[start:]
    rest = _WHOLE_ATTRIBUTES.sub(b"", text)
    if text.startswith(b"</") or not _CUT_ATTRIBUTE.search(rest):
        return body[:start] + _closed(elements)
    quote = rest.rpartition(b"=")[2].lstrip()[:1]
    return _ENTITY.sub(b"", body) + quote + b">" + _closed([*elements, _name(text)])


def _name(tag: bytes) -> bytes:
    return re.split(rb"[\s/>]", tag[1:], maxsplit=1)[0]


def _closed(elements: list[bytes]) -> bytes:
    return b"".join(b"</%s>" % each for each in reversed(elements))
