"""Bodies that name the model `secret` to some provider, and may name another or none to a gateway."""

from __future__ import annotations

import gzip
import json
from dataclasses import dataclass
from typing import Any

MESSAGES = '"messages": [{"role": "user", "content": "Hi"}]'
SECRET = "secret-1"
OPEN = "open-1"


@dataclass(frozen=True)
class Body:
    """A request's body, and the headers that say what it is."""

    name: str
    data: bytes
    content_type: str = "application/json"
    encoding: str = ""

    @property
    def headers(self) -> dict[str, str]:
        """The headers of its representation."""
        return {"content-type": self.content_type, **({"content-encoding": self.encoding} if self.encoding else {})}


def _json(*members: str) -> bytes:
    return ("{" + ", ".join((*members, MESSAGES)) + "}").encode()


_S, _O = f'"model": "{SECRET}"', f'"model": "{OPEN}"'
_ESCAPED_KEY = f'"mod\\u0065l": "{SECRET}"'
_LONG = json.dumps("x" * (1 << 20))
_FORM = (
    f'--b\r\nContent-Disposition: form-data; name="model"\r\n\r\n{SECRET}\r\n'
    '--b\r\nContent-Disposition: form-data; name="file"; filename="a.mp3"\r\n\r\nID3\r\n--b--\r\n'
).encode()

BODIES: tuple[Body, ...] = (
    Body("plain", _json(_S)),
    Body("last", f"{{{MESSAGES}, {_S}}}".encode()),
    Body("twice, secret last", _json(_O, _S)),
    Body("twice, secret first", _json(_S, _O)),
    Body("escaped key", _json(_ESCAPED_KEY)),
    Body("escaped key after another", _json(_O, _ESCAPED_KEY)),
    Body("escaped key before another", _json(_ESCAPED_KEY, _O)),
    Body("escaped value", _json('"model": "s\\u0065cret-1"')),
    Body("escaped slashes", _json('"x": "\\/\\\\\\"", "model": "secret\\u002d1"')),
    Body("nested before", _json(f'"a": {{{_O}}}', _S)),
    Body("nested after", _json(_S, f'"a": {{{_O}}}')),
    Body("text before", _json('"a": "\\"model\\": \\"open-1\\""', _S)),
    Body("in messages", f'{{"messages": [{{"role": "user", "content": "Hi", {_O}}}], {_S}}}'.encode()),
    Body("far behind", _json(f'"user": {_LONG}', _S)),
    Body("blanks", b"\r\n\t " + _json('"model" \t\r\n: \n "secret-1"') + b"\n\n"),
    Body("marked", b"\xef\xbb\xbf" + _json(_S)),
    Body("utf-16", _json(_S).decode().encode("utf-16")),
    Body("utf-16le", _json(_S).decode().encode("utf-16-le")),
    Body("utf-32", _json(_S).decode().encode("utf-32")),
    Body("gzip", gzip.compress(_json(_S), mtime=0), encoding="gzip"),
    Body("gzip unsaid", gzip.compress(_json(_S), mtime=0)),
    Body("identity", _json(_S), encoding="identity"),
    Body("text", _json(_S), "text/plain"),
    Body("no type", _json(_S), ""),
    Body("charset", _json(_S), "application/json; charset=utf-16"),
    Body("form", f"model={SECRET}&prompt=Hi".encode(), "application/x-www-form-urlencoded"),
    Body("multipart", _FORM, "multipart/form-data; boundary=b"),
    Body("two documents", _json(_O) + _json(_S)),
    Body("two documents, secret first", _json(_S) + _json(_O)),
    Body("lines", _json(_S) + b"\n" + _json(_O)),
    Body("not a number", _json('"a": NaN', _S)),
    Body("huge number", _json('"a": 1e99999', _S)),
    Body("bad utf-8", _json(_S).replace(b"Hi", b"\xff\xfe")),
    Body("bad key", _json('"mod\xc0\xafel": "x"', _S)),
    Body("lone surrogate", _json('"a": "\\ud800"', _S)),
    Body("zero in key", _json('"model\\u0000": "open-1"', _S)),
    Body("deep", _json(f'"a": {"[" * 900}{"]" * 900}', _S)),
    Body("deeper", _json(f'"a": {"[" * 9000}{"]" * 9000}', _S)),
    Body("many keys", _json(*(f'"k{index}": {index}' for index in range(5000)), _S)),
    Body("comment", _json(f"/* {_O} */ {_S}")),
    Body("trailing comma", f"{{{_S}, {MESSAGES},}}".encode()),
    Body("list", b"[" + _json(_S) + b"]"),
    Body("object", _json('"model": {"model": "secret-1"}')),
    Body("array", _json('"model": ["secret-1"]')),
)


def meant(data: bytes) -> set[Any]:
    """Return the models that a body may name to a provider: by its first or last member, in any encoding of JSON."""
    found: set[Any] = set()
    for text in (data, _unpacked(data)):
        try:
            top = json.loads(text, object_pairs_hook=_Members)
        except (ValueError, RecursionError):
            continue
        if isinstance(top, _Members):
            found |= {value for key, value in top.pairs if key == "model" and isinstance(value, str)}
    return found


class _Members:
    """The members of an object, those too whose name is there twice."""

    def __init__(self, pairs: list[tuple[str, Any]]) -> None:
        self.pairs = pairs


def _unpacked(data: bytes) -> bytes:
    try:
        return gzip.decompress(data)
    except (OSError, EOFError):
        return data
