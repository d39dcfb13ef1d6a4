"""The log that listeners have where no policy says anything about it."""

from __future__ import annotations

from typing import Any

from headgate_proto.envoy.service.ext_proc.v3.external_processor_pb2 import ProcessingRequest, ProcessingResponse
from tests.live.objects import endpoints, exact, gateway, route, rule, service
from tests.live.processor import Processor, immediate
from tests.live.proxy import Proxy, free_port
from tests.live.test_listener_filters import filtered
from tests.live.test_tcp import backend, exchange, tcp_route
from tests.live.test_tcp import listener as tcp_listener
from tests.live.upstream import Upstream

NAMED = "HTTPRoute/default/route/rule/named/match/0"


async def test_requests_are_logged(proxy: Proxy, alpha: Upstream) -> None:
    """A line says what was asked for, by whom, the route and rule that served it, its endpoint, and the response."""
    await proxy.apply(route(rule("alpha", name="named", matches=[exact("/there")])))
    proxy.access_log.skip()
    headers = {"User-Agent": 'a "browser"', "X-Request-ID": "one"}
    assert (await proxy.request("/there?token=secret", headers=headers)).status == 200
    assert (await proxy.request("/missing?token=secret", method="POST")).status == 404
    served, missing = await proxy.access_log.lines(2)
    assert served["route"] == NAMED
    assert (served["method"], served["authority"], served["path"]) == ("GET", "example.com", "/there")
    assert (served["response_code"], served["response_code_details"]) == (200, "via_upstream")
    assert (served["upstream_host"], served["upstream_request_attempt_count"]) == (f"127.0.0.1:{alpha.port}", 1)
    assert served["upstream_cluster"].startswith("default/alpha:80/")
    assert served["downstream_local_address"] == f"127.0.0.1:{proxy.port}"
    assert served["downstream_remote_address"].startswith("127.0.0.1:")
    assert (served["user_agent"], served["protocol"]) == ('a "browser"', "HTTP/1.1")
    assert served["request_id"]
    assert (missing["route"], missing["method"], missing["path"]) == (None, "POST", "/missing")
    assert (missing["response_code"], missing["response_code_details"]) == (404, "route_not_found")
    assert (missing["upstream_host"], missing["response_flags"]) == (None, "NR")
    assert "secret" not in f"{served}{missing}"


async def test_clients_cannot_write_lines(proxy: Proxy) -> None:
    """What clients say stays in the fields that are for it: no line breaks, no quotes, and no path of their choice."""
    await proxy.apply(route(rule("alpha", name="named")))
    proxy.access_log.skip()
    forged = '","response_code":500,"x":"\t'
    headers = {"User-Agent": forged, "X-Envoy-Original-Path": "/forged"}
    assert (await proxy.request("/a%0A%22b", headers=headers)).status == 200
    (line,) = await proxy.access_log.lines()
    assert (line["user_agent"], line["path"], line["response_code"]) == (forged.strip(), "/a%0A%22b", 200)


async def test_requests_that_filters_of_a_listener_see(proxy: Proxy, one: Processor) -> None:
    """A request has one line, which names its route, unless there is none or a filter of the listener answers."""
    await proxy.apply(gateway(filtered(proxy.port, "one")), route(rule("alpha", name="named", matches=[exact("/a")])))
    proxy.access_log.skip()
    assert (await proxy.request("/a")).status == 200
    assert (await proxy.request("/missing")).status == 404

    async def refuse(_: str, __: ProcessingRequest) -> ProcessingResponse:
        return immediate(401)

    one.decide = refuse
    assert (await proxy.request("/a")).status == 401
    lines = await proxy.access_log.lines(3)
    assert [(each["response_code"], each["route"]) for each in lines] == [(200, NAMED), (404, None), (401, "listener")]
    assert {each["downstream_local_address"] for each in lines} == {f"127.0.0.1:{proxy.port}"}
    await proxy.apply(gateway({"name": "http", "protocol": "HTTP", "port": proxy.port}))
    assert (await proxy.request("/a")).status == 200
    assert len(await proxy.access_log.lines()) == 1


async def test_connections_are_logged(proxy: Proxy) -> None:
    """A connection that is forwarded has a line with its endpoint and its bytes, and so has one that nothing takes."""
    port = free_port()
    async with backend("one") as upstream_port:
        objects: list[Any] = [service("tcp"), *endpoints("tcp", [upstream_port])]
        await proxy.apply(gateway(tcp_listener(port)), *objects, tcp_route("tcp", port, tcp=1))
        proxy.access_log.skip()
        await exchange(port, b"hello")
        (line,) = await proxy.access_log.lines()
        assert (line["upstream_host"], line["bytes_received"]) == (f"127.0.0.1:{upstream_port}", 5)
        assert line["upstream_cluster"].startswith("default/tcp:80/")
        assert line["downstream_local_address"] == f"127.0.0.1:{port}"
        await proxy.apply(tcp_route("tcp", free_port(), tcp=1))
        proxy.access_log.skip()
        assert await exchange(port) == b""
        (line,) = await proxy.access_log.lines()
        assert (line["upstream_host"], line["upstream_cluster"]) == (None, None)
