"""A method that agents' clients may not call is not called, however a request is written."""

from __future__ import annotations

import gzip
import json
from typing import Any

import pytest
from aiohttp import web

from tests.live.backends import to_backend
from tests.live.objects import Manifest, endpoints, service, traffic_policy
from tests.live.proxy import Proxy
from tests.live.upstream import Seen, Upstream

API = "gateway.headgate.dev/v1alpha1"
CARD = "/.well-known/agent-card.json"
JSON = {"content-type": "application/json"}
FORBIDDEN = ("CancelTask", "tasks/cancel")
ALLOWED = "SendMessage"
POLICY: Manifest = {"methods": {"allow": ["SendMessage", "GetTask", "message/send"]}}


def _call(method: str, *before: str, after: str = "") -> bytes:
    members = ('"jsonrpc": "2.0", "id": 1', *before, f'"method": {json.dumps(method)}', '"params": {"id": "t"}')
    return ("{" + ", ".join(members) + after + "}").encode()


def written(method: str) -> dict[str, tuple[bytes, dict[str, str]]]:
    """Return requests for a method, in all the ways that some agent reads."""
    plain = _call(method)
    escaped = plain.replace(b'"method"', b'"m\\u0065thod"')
    coded = "".join(f"\\u{ord(each):04x}" for each in method)
    return {
        "plain": (plain, {}),
        "twice, forbidden last": (_call(method, f'"method": "{ALLOWED}"'), {}),
        "twice, forbidden first": (_call(method, after=f', "method": "{ALLOWED}"'), {}),
        "in capitals beside": (_call(ALLOWED, f'"METHOD": "{method}"'), {}),
        "in capitals behind": (_call(ALLOWED, after=f', "Method": "{method}"'), {}),
        "escaped key": (escaped, {}),
        "escaped key beside": (_call(ALLOWED, after=f', "m\\u0065thod": "{method}"'), {}),
        "escaped value": (plain.replace(json.dumps(method).encode(), f'"{coded}"'.encode()), {}),
        "nested": (_call(method, f'"x": {{"method": "{ALLOWED}"}}'), {}),
        "batch": (b"[" + _call(ALLOWED) + b"," + plain + b"]", {}),
        "batch of one": (b"[" + plain + b"]", {}),
        "two documents": (_call(ALLOWED) + plain, {}),
        "lines": (_call(ALLOWED) + b"\n" + plain, {}),
        "marked": (b"\xef\xbb\xbf" + plain, {}),
        "utf-16": (plain.decode().encode("utf-16"), {}),
        "utf-32": (plain.decode().encode("utf-32"), {}),
        "gzip": (gzip.compress(plain, mtime=0), {"content-encoding": "gzip"}),
        "gzip unsaid": (gzip.compress(plain, mtime=0), {}),
        "text": (plain, {"content-type": "text/plain"}),
        "other type": (plain, {"content-type": "application/a2a+json"}),
        "no type": (plain, {"content-type": ""}),
        "far behind": (_call(method, f'"x": "{"y" * 900_000}"'), {}),
        "too far behind": (_call(method, f'"x": "{"y" * 1_100_000}"'), {}),
        "in lower case": (_call(method.lower()), {}),
        "header": (plain, {"a2a-method": ALLOWED, "x-a2a-method": ALLOWED}),
        "override": (plain, {"x-http-method-override": "GET"}),
        "not a number": (_call(method, '"x": NaN'), {}),
        "deep": (_call(method, f'"x": {"[" * 500}{"]" * 500}'), {}),
        "bad utf-8": (_call(method, '"x": "?"').replace(b"?", b"\xff"), {}),
        "blanks": (b"\n " + plain + b"\n", {}),
    }


def read(body: bytes) -> set[str]:
    """Return the methods that some agent reads in a body."""
    found: set[str] = set()
    for text in (body, gzip.decompress(body) if body[:2] == b"\x1f\x8b" else body):
        try:
            top = json.loads(text, object_pairs_hook=lambda pairs: {"pairs": pairs})
        except (ValueError, RecursionError):
            continue
        for each in top if isinstance(top, list) else [top]:
            pairs: list[tuple[str, Any]] = each.get("pairs", []) if isinstance(each, dict) else []
            found |= {value for key, value in pairs if key.lower() == "method" and isinstance(value, str)}
    return found


async def answered(_seen: Seen) -> web.StreamResponse:
    """Answer as an agent does."""
    return web.json_response({"jsonrpc": "2.0", "id": 1, "result": {}})


async def served(proxy: Proxy, alpha: Upstream) -> None:
    """Serve the upstream as an agent behind the policy."""
    alpha.reset()
    alpha.answer = answered
    agent = {"a2a": {"backendRef": {"name": "alpha", "port": 80}}}
    made = {"apiVersion": API, "kind": "Backend", "metadata": {"name": "agent"}, "spec": agent}
    await proxy.apply(
        service("alpha"),
        endpoints("alpha", [alpha.port]),
        made,
        to_backend("agent"),
        traffic_policy("route", a2a=POLICY),
    )


@pytest.mark.parametrize("method", FORBIDDEN)
async def test_no_way_to_write_a_request_calls_a_forbidden_method(
    tool_proxy: Proxy, alpha: Upstream, method: str
) -> None:
    """Of all ways to write it, with any method of HTTP and at any path, the agent reads none that calls the method."""
    await served(tool_proxy, alpha)
    good = await tool_proxy.request("/", method="POST", headers=JSON, body=_call(ALLOWED))
    assert good.status == 200
    alpha.seen.clear()
    for name, (body, headers) in written(method).items():
        for verb in ("POST", "PUT", "PATCH", "GET", "DELETE"):
            for path in ("/", "/rpc", CARD, "//", "/.well-known/../rpc"):
                await tool_proxy.request(
                    path, method=verb, headers={**JSON, **headers}, body=body, skip_auto_headers=("content-type",)
                )
        # Who asks for a card calls nothing, whatever the body is.
        calls = [each for each in alpha.seen if (each.method, each.path) != ("GET", CARD)]
        assert not [each for each in calls if {one.lower() for one in read(each.body)} & {method.lower()}], name


@pytest.mark.parametrize(
    ("verb", "path"),
    [
        ("POST", "/v1/tasks/t:cancel"),
        ("POST", "/tasks/t:cancel"),
        ("GET", "/v1/tasks"),
        ("GET", "/tasks/t"),
        ("POST", "/message:send"),
        ("POST", "/lf.a2a.v1.A2AService/CancelTask"),
        ("GET", "/v1/card"),
        ("GET", "/extendedAgentCard"),
    ],
)
async def test_other_bindings_are_closed(tool_proxy: Proxy, alpha: Upstream, verb: str, path: str) -> None:
    """The bindings to REST and gRPC name no method that could be checked, and are refused."""
    await served(tool_proxy, alpha)
    for headers in (JSON, {"content-type": "application/grpc"}, {}):
        answer = await tool_proxy.request(path, method=verb, headers=headers, body=b"{}")
        refused = answer.headers.get("grpc-status", "0") != "0" or answer.status in (400, 403, 404, 415)
        assert refused, (headers, answer)
    assert alpha.seen == []
