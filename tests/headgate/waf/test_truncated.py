"""Beginnings of longer bodies: wherever they are cut, what they hold is inspected."""

from __future__ import annotations

import json

import pytest

from headgate.waf.engine import Engine
from headgate.waf.truncated import ended
from tests.headgate.waf.requests import post

SQL = "1 union select password from users"
MULTIPART = "multipart/form-data; boundary=b-1"
PART = '--b-1\r\nContent-Disposition: form-data; name="{}"\r\n\r\n{}\r\n'
FILE = '--b-1\r\nContent-Disposition: form-data; name="f"; filename="é"\r\nContent-Type: text/x\r\n\r\nx\r\n-\r\n\r\n'
BODIES = {
    MULTIPART: (PART.format("a", "{}") + FILE + PART.format("c", "é" * 30) + "--b-1--\r\n").encode(),
    "application/json": (
        '{{"a": "{}", "é": [1, -2.5e7, true, {{}}, [], null, "b\\\\", "\\u00e9\\n\\"{{,", {{"c": {{"d": ""}}}}]}}'
    )
    .replace("{{", "{")
    .replace("}}", "}")
    .encode(),
    "text/xml": (
        '<?xml version="1.0"?><a><b>{}</b><!-- - <c> --><d e="é>&amp;" f=\'"\'/><g x="1">é&#233;'
        "<![CDATA[<h> ]] ]]></g><i/></a>"
    ).encode(),
}


def body(kind: str, text: str) -> bytes:
    """Return a body with a text in its first field."""
    return BODIES[kind].replace(b"{}", text.encode(), 1)


@pytest.mark.parametrize("kind", BODIES)
def test_what_was_cut_is_inspected(engine: Engine, kind: str) -> None:
    """An attack before the place where a body is cut is found, and a harmless body is not refused, at every place."""
    hostile, clean = body(kind, SQL), body(kind, "harmless")
    after = hostile.index(SQL.encode()) + len(SQL)
    assert engine.inspect(post(hostile, kind), hostile).status == 403
    for length in range(after, len(hostile)):
        cut = hostile[:length]
        found = engine.inspect(post(cut, kind, truncated=True), cut)
        assert (found.status, 942190 in [each.rule for each in found.matches]) == (403, True), cut[after:]
    for length in range(clean.index(b"harmless"), len(clean)):
        cut = clean[:length]
        found = engine.inspect(post(cut, kind, truncated=True), cut)
        assert (found.status, found.matches) == (0, ()), cut


@pytest.mark.parametrize(
    ("kind", "text"),
    [
        ("multipart/form-data", PART.format("a", SQL)),
        ("multipart/form-data; boundary=other", PART.format("a", SQL)),
        (MULTIPART, PART.format("a", SQL).replace("\r\n\r\n", "\r\n")),
        ("application/json", f'{{"x": nothing, "a": "{SQL}", "b": "'),
        ("application/json", f'{{"x": 1}} {{"a": "{SQL}", "b": "'),
        ("text/xml", f"<a><b></c><d>{SQL}</d>"),
        ("text/xml", f"<a/><b>{SQL}</b><c>"),
    ],
)
def test_what_cannot_be_read_is_refused(engine: Engine, kind: str, text: str) -> None:
    """A body that was none before it was cut is refused, as one that is not cut."""
    found = engine.inspect(post(text.encode(), kind, truncated=True), text.encode())
    assert found.status in (400, 403), text


def test_json_is_ended_everywhere() -> None:
    """The beginning of JSON, of any length, is JSON when it is ended."""
    kind = "application/json"
    whole = body(kind, "x")
    for length in range(len(whole)):
        json.loads(ended((("content-type", kind),), whole[:length]))
