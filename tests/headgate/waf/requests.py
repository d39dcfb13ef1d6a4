"""Requests to inspect."""

from __future__ import annotations

from typing import Any

from headgate.waf.inspection import Inspection
from translator.waf_profile import Profile

FORM = "application/x-www-form-urlencoded"
ATTACK = "/?id=1%27%20or%201=1--"
"""A path that one critical rule matches, 942100."""
HEADERS = (("host", "example.com"), ("user-agent", "test"), ("accept", "*/*"))


def request(
    uri: str = "/", method: str = "GET", profile: Profile | None = None, kind: str = "", length: int = 0, **fields: Any
) -> Inspection:
    """Return a request; `kind` is the type of its body."""
    headers = fields.pop("headers", HEADERS)
    if kind:
        headers = (*headers, ("content-type", kind), ("content-length", str(length)))
    return Inspection((profile or Profile()).to_text(), method, uri, "1.1", headers, "192.0.2.1", **fields)


def post(body: bytes, kind: str = FORM, **fields: Any) -> Inspection:
    """Return a request with a body."""
    return request("/", "POST", kind=kind, length=len(body), **fields)
