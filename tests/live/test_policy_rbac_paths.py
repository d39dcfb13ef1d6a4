"""Spellings of a path, each sent as it is written: none of them dodges a rule."""

from __future__ import annotations

import asyncio
import json
from typing import Any, Final
from urllib.parse import unquote

import pytest

from tests.live.objects import Manifest, route, rule, traffic_policy
from tests.live.proxy import Proxy

_WRITTEN: Final = r"""
    /admin /admin/ /admin// //admin /./admin /x/../admin /x/..//admin /%61dmin /%61%64%6d%69%6e /admi%6e /%2fadmin
    /%2Fadmin /%5cadmin /\admin /x/%2e%2e/admin /x/%2E%2e/admin /x/.%2e/admin /x/..%2fadmin /x/..%5cadmin /admin%2f
    /admin%2Fx /admin;a=b /admin/;a=b /;/admin /x/..;/admin /admin%00 /admin%20 /admin%09 /admin?x=/public /admin#x
    /ADMIN /admin/. /admin/x/.. http://other.example.com/admin /%252e%252e/admin /x%2e%2e/admin /x;y/../admin /.;/admin
    /x/%2e%2e;/admin /;a/;b/admin /admin?/../public /public/../admin /public/..;a=b/admin /admin/..;/admin
"""
SPELLINGS: Final = tuple(_WRITTEN.split())

ADMIN: Final = {"path": {"prefix": "/admin"}}


def by_rules(*rules: Manifest, **fields: Any) -> Manifest:
    """Return a policy with rules."""
    return traffic_policy("gateway", rbac={"rules": list(rules), **fields})


def by_expression(condition: str, action: str) -> Manifest:
    """Return a policy with a condition."""
    return traffic_policy("gateway", rbac={"policy": {"matchExpressions": [condition]}, "action": action})


POLICIES: Final = {
    "prefix": by_rules({"action": "Deny", "operation": ADMIN}, defaultAction="Allow"),
    "regex": by_rules({"action": "Deny", "operation": {"path": {"regex": "/admin.*"}}}, defaultAction="Allow"),
    "cel": by_rules({"action": "Deny", "cel": "request.path.startsWith('/admin')"}, defaultAction="Allow"),
    "expression": by_expression("request.url_path.startsWith('/admin')", "Deny"),
    "all but": by_expression("!request['url_path'].startsWith('/admin')", "Allow"),
    "public": by_rules({"action": "Allow", "operation": {"path": {"prefix": "/public"}}}),
    "public by regex": by_rules({"action": "Allow", "operation": {"path": {"regex": "/public.*"}}}),
}


async def sent(proxy: Proxy, target: str, method: str = "GET") -> tuple[int, dict[str, str], bytes]:
    """Send a request for a target as it is; return the status, headers and body of the response."""
    reader, writer = await asyncio.open_connection("127.0.0.1", proxy.port)
    try:
        writer.write(f"{method} {target} HTTP/1.1\r\nHost: example.com\r\nConnection: close\r\n\r\n".encode())
        head = await reader.readuntil(b"\r\n\r\n")
        first, *lines = head.decode().splitlines()
        headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in lines)}
        body = await reader.readexactly(int(headers.get("content-length", "0")))
    finally:
        writer.close()
    return int(first.split()[1]), headers, body


def segments(path: str) -> list[str]:
    """Return the segments of a path as the most lenient server reads it."""
    found: list[str] = []
    for each in unquote(path.partition("?")[0]).replace("\\", "/").split("/"):
        name = each.partition(";")[0]
        if name == "..":
            found = found[:-1]
        elif name not in ("", "."):
            found.append(name.strip("\0 \t"))
    return found


@pytest.mark.parametrize("policy", POLICIES.values(), ids=POLICIES)
async def test_no_spelling_dodges_a_rule(proxy: Proxy, policy: Manifest) -> None:
    """However the path of what is forbidden is written, it is refused, or no backend reads it as that path."""
    await proxy.apply(policy, route(rule("alpha")))
    for spelling in SPELLINGS:
        status, headers, body = await sent(proxy, spelling)
        if status in (307, 301):
            target = headers["location"].removeprefix("http://example.com")
            status, headers, body = await sent(proxy, target)
        if status == 200:
            seen = json.loads(body)["path"]
            assert segments(seen)[:1] != ["admin"], spelling
        else:
            assert status in (403, 400), spelling


async def test_what_is_allowed_passes(proxy: Proxy) -> None:
    """Plain paths and parameters pass where a rule allows them."""
    await proxy.apply(POLICIES["public"], route(rule("alpha")))
    for path in ("/public", "/public/x", "/public;a=b", "/public/x;y=z/w?q=/;/", "/x/../public"):
        assert (await sent(proxy, path))[0] == 200, path
