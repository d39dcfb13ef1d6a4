"""Backends of a rule: weights, broken references, and the kinds of Services."""

from __future__ import annotations

import asyncio
import base64
import socket
from collections import Counter

import aiohttp
import grpc.aio
import pytest

from tests.live.objects import Manifest, endpoints, exact, gateway, prefix, route, rule, service
from tests.live.proxy import Proxy, free_port
from tests.live.upstream import Upstream
from tests.live.websockets import shout, talk
from tests.ports import unaccepting

REQUESTS = 300


async def answers(proxy: Proxy, count: int = REQUESTS) -> Counter[str]:
    """How often each backend or status answered, over a few connections that are kept."""
    async with aiohttp.ClientSession() as http:
        found = await asyncio.gather(*(proxy.request("/", http=http) for _ in range(count)))
    return Counter(each.backend if each.status == 200 else str(each.status) for each in found)


async def test_requests_are_shared_by_weight(proxy: Proxy) -> None:
    """Each backend gets its share, and one of weight 0 gets nothing."""
    backends = [{"name": "alpha", "weight": 70}, {"name": "beta", "weight": 30}, {"name": "gamma", "weight": 0}]
    await proxy.apply(route(rule(*backends)))
    found = await answers(proxy)
    # Five standard deviations of the binomial distribution: one run in a million is outside.
    assert abs(found["alpha"] - 210) < 5 * (REQUESTS * 0.7 * 0.3) ** 0.5
    assert found["alpha"] + found["beta"] == REQUESTS


async def test_the_share_of_a_broken_backend_is_answered_with_500(proxy: Proxy) -> None:
    """Where one of two backends does not exist, its half of the requests gets 500 and the other half is served."""
    await proxy.apply(route(rule("alpha", "missing")))
    found = await answers(proxy)
    assert abs(found["alpha"] - REQUESTS / 2) < 5 * (REQUESTS * 0.25) ** 0.5
    assert found["alpha"] + found["500"] == REQUESTS


async def test_a_broken_backend_of_weight_0_breaks_nothing(proxy: Proxy) -> None:
    """A backend that gets no requests may be broken."""
    await proxy.apply(route(rule("alpha", {"name": "missing", "weight": 0})))
    assert await answers(proxy, 20) == {"alpha": 20}


BROKEN = {
    "missing": rule("missing"),
    "port": rule({"name": "alpha", "port": 81}),
    "kind": rule({"name": "alpha", "group": "example.com", "kind": "Bucket"}),
    "namespace": rule({"name": "alpha", "namespace": "elsewhere"}),
    "none": rule(),
    "empty": {"backendRefs": []},
    "weightless": rule({"name": "alpha", "weight": 0}, {"name": "beta", "weight": 0}),
    "extension": rule(
        "alpha",
        filters=[{"type": "ExtensionRef", "extensionRef": {"group": "example.com", "kind": "Gate", "name": "x"}}],
    ),
    "answer": rule(
        filters=[
            {
                "type": "ExtensionRef",
                "extensionRef": {"group": "gateway.headgate.dev", "kind": "DirectResponse", "name": "missing"},
            }
        ],
    ),
}


@pytest.mark.parametrize("broken", BROKEN)
async def test_a_broken_rule_answers_500_and_its_siblings_go_on(proxy: Proxy, broken: str) -> None:
    """A rule without a backend that works answers 500 for its own requests only."""
    await proxy.apply(
        route({**BROKEN[broken], "matches": [prefix("/broken")]}, rule("beta", matches=[prefix("/good")]))
    )
    assert (await proxy.request("/broken")).status == 500
    assert (await proxy.request("/good")).backend == "beta"


async def test_a_grant_lets_a_route_use_another_namespace(proxy: Proxy, alpha: Upstream) -> None:
    """A backend in another namespace works while a ReferenceGrant there permits it, and answers 500 otherwise."""
    elsewhere = {"namespace": "elsewhere"}
    far, slices = service("far"), endpoints("far", [alpha.port])
    for each in (far, *slices):
        each["metadata"] |= elsewhere
    grant: Manifest = {
        "apiVersion": "gateway.networking.k8s.io/v1beta1",
        "kind": "ReferenceGrant",
        "metadata": {"name": "grant", **elsewhere},
        "spec": {
            "from": [{"group": "gateway.networking.k8s.io", "kind": "HTTPRoute", "namespace": "default"}],
            "to": [{"group": "", "kind": "Service"}],
        },
    }
    await proxy.apply(far, slices, route(rule({"name": "far", **elsewhere})))
    assert (await proxy.request()).status == 500
    await proxy.apply(grant)
    assert (await proxy.request()).backend == "alpha"
    grant["spec"]["to"] = [{"group": "", "kind": "Service", "name": "other"}]
    await proxy.apply(grant)
    assert (await proxy.request()).status == 500


async def test_a_service_without_endpoints_answers_503(proxy: Proxy) -> None:
    """A Service that exists but has nobody ready answers 503, and is served as soon as somebody is."""
    await proxy.apply(service("idle"), endpoints("idle", [1], ready=False), route(rule("idle")))
    assert (await proxy.request()).status == 503


async def test_an_endpoint_that_does_not_accept_is_given_up(proxy: Proxy, monkeypatch: pytest.MonkeyPatch) -> None:
    """A connection that is not accepted in time is an error of the backend, and not a wait without end."""
    monkeypatch.setattr("translator.envoy.cluster.CONNECT_TIMEOUT_SECONDS", 1)
    with unaccepting() as port:
        await proxy.apply(service("full"), endpoints("full", [port]), route(rule("full")))
        response = await proxy.request()
    assert response.status == 503
    assert b"connection timeout" in response.body


async def test_endpoints_that_terminate_serve_when_no_other_is_left(
    proxy: Proxy, alpha: Upstream, beta: Upstream
) -> None:
    """While one endpoint is ready, those that terminate get nothing; without one they go on serving."""
    ending = endpoints("ending", [alpha.port], ready=False, serving=True, terminating=True)
    await proxy.apply(service("ending"), ending, endpoints("ending", [beta.port]), route(rule("ending")))
    assert {(await proxy.request()).backend for _ in range(8)} == {"beta"}
    await proxy.apply(endpoints("ending", [beta.port], ready=False))
    assert (await proxy.request()).backend == "alpha"


async def test_ports_by_name_go_to_their_endpoints(proxy: Proxy, alpha: Upstream, beta: Upstream) -> None:
    """Each port of a Service has the endpoints of the slice's port of the same name."""
    both = service("both", ports=[{"name": "one", "port": 1001}, {"name": "two", "port": 1002}])
    [slice_] = endpoints("both", [alpha.port])
    slice_["ports"] = [{"name": "one", "port": alpha.port}, {"name": "two", "port": beta.port}]
    await proxy.apply(
        both,
        slice_,
        route(
            rule({"name": "both", "port": 1001}, matches=[prefix("/one")]),
            rule({"name": "both", "port": 1002}, matches=[prefix("/two")]),
        ),
    )
    assert (await proxy.request("/one")).backend == "alpha"
    assert (await proxy.request("/two")).backend == "beta"


async def test_an_external_name_is_resolved(proxy: Proxy, alpha: Upstream) -> None:
    """A Service of type ExternalName is reached by its DNS name, at the port of the reference."""
    name = {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": "outside"},
        "spec": {"type": "ExternalName", "externalName": "localhost"},
    }
    await proxy.apply(name, route(rule({"name": "outside", "port": alpha.port})))
    response = await proxy.request("/x", host="shop.example.com")
    assert (response.backend, response.sent("host")) == ("alpha", ["shop.example.com"])


async def test_a_service_with_an_address_and_no_endpoints_is_reached_there(proxy: Proxy, alpha: Upstream) -> None:
    """Without a cluster a Service's own IP address is where it is; endpoints, once there are some, come first."""
    await proxy.apply(
        service("fixed", alpha.port, clusterIP="127.0.0.1"), route(rule({"name": "fixed", "port": alpha.port}))
    )
    assert (await proxy.request()).backend == "alpha"


async def test_an_http2_backend(proxy: Proxy) -> None:
    """A port with appProtocol kubernetes.io/h2c is spoken to in HTTP/2, so that gRPC works, trailers included."""

    async def shout(request: bytes, context: grpc.aio.ServicerContext[bytes, bytes]) -> bytes:
        if request == b"fail":
            await context.abort(grpc.StatusCode.DATA_LOSS, "as asked")
        return request.upper()

    server = grpc.aio.server()
    shouting: grpc.RpcMethodHandler[bytes, bytes] = grpc.unary_unary_rpc_method_handler(shout)
    server.add_generic_rpc_handlers([grpc.method_handlers_generic_handler("test.Echo", {"Shout": shouting})])
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    try:
        await proxy.apply(
            service("h2", app_protocol="kubernetes.io/h2c"),
            endpoints("h2", [port]),
            route(rule("h2", matches=[exact("/test.Echo/Shout")])),
        )
        async with grpc.aio.insecure_channel(f"127.0.0.1:{proxy.port}") as channel:
            call: grpc.aio.UnaryUnaryMultiCallable[bytes, bytes] = channel.unary_unary("/test.Echo/Shout")
            assert await call(b"hello") == b"HELLO"
            with pytest.raises(grpc.aio.AioRpcError) as failure:
                await call(b"fail")
            assert (failure.value.code(), failure.value.details()) == (grpc.StatusCode.DATA_LOSS, "as asked")
    finally:
        await server.stop(0)


@pytest.mark.parametrize("protocol", ["", "kubernetes.io/ws"])
async def test_websockets(proxy: Proxy, alpha: Upstream, protocol: str) -> None:
    """A websocket goes through the gateway, both ways, whether or not the Service says that it speaks it."""
    alpha.raw = shout
    await proxy.apply(
        service("ws", app_protocol=protocol),
        endpoints("ws", [alpha.port]),
        route(rule("ws", timeouts={"request": "10s"})),
    )
    assert await talk(proxy, "/chat?x=1", "one", "two") == ["ONE", "TWO"]
    assert alpha.seen[0].path == "/chat?x=1"


async def test_an_upgrade_that_the_backend_refuses_is_refused(proxy: Proxy) -> None:
    """The client of an upgrade gets the backend's ordinary answer."""
    await proxy.apply(route(rule("alpha")))
    key = base64.b64encode(b"0123456789abcdef").decode()
    upgrade = {
        "Connection": "Upgrade",
        "Upgrade": "websocket",
        "Sec-WebSocket-Key": key,
        "Sec-WebSocket-Version": "13",
    }
    response = await proxy.request("/", headers=upgrade)
    assert response.status == 200


async def test_an_answer_without_a_backend(proxy: Proxy) -> None:
    """A DirectResponse answers with its status and body, and keeps up with its object."""
    filters = [
        {
            "type": "ExtensionRef",
            "extensionRef": {"group": "gateway.headgate.dev", "kind": "DirectResponse", "name": "teapot"},
        }
    ]
    answer = {
        "apiVersion": "gateway.headgate.dev/v1alpha1",
        "kind": "DirectResponse",
        "metadata": {"name": "teapot"},
        "spec": {"status": 418, "body": "short and stout: 100 %"},
    }
    await proxy.apply(answer, route(rule(filters=filters)))
    response = await proxy.request()
    assert (response.status, response.body) == (418, b"short and stout: 100 %")
    await proxy.apply({**answer, "spec": {"status": 204}})
    response = await proxy.request()
    assert (response.status, response.body) == (204, b"")
    await proxy.apply({**answer, "spec": {"status": 200, "body": "x" * 4096}})
    assert len((await proxy.request()).body) == 4096


async def test_a_listener_comes_and_goes(proxy: Proxy) -> None:
    """A listener that is added serves on its port, and one that is removed lets go of it."""
    port = free_port()
    one, two = ({"name": str(each), "protocol": "HTTP", "port": each} for each in (proxy.port, port))
    await proxy.apply(gateway(one, two), route(rule("alpha")))
    assert (await proxy.request(port=port)).backend == "alpha"
    await proxy.apply(gateway(one))

    async def answered() -> None:
        while True:  # Envoy's workers let go of the port a moment after its main thread has acknowledged that
            await proxy.request(port=port)

    with pytest.raises(aiohttp.ClientError):
        await asyncio.wait_for(answered(), 10)
    assert (await proxy.request()).backend == "alpha"


async def test_a_port_that_another_program_has_costs_its_listeners_only(proxy: Proxy) -> None:
    """Where a port cannot be bound the Gateway says so, with the way out, and its other listeners go on serving."""
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        taken = other.getsockname()[1]
        good, bad = ({"name": str(each), "protocol": "HTTP", "port": each} for each in (proxy.port, taken))
        await proxy.apply(gateway(good, bad), route(rule("alpha")), refused=True)
        assert (await proxy.request()).backend == "alpha"
        status = proxy.status("Gateway", "live")
        listeners = {each["name"]: _programmed(each) for each in status["listeners"]}
        assert listeners[good["name"]]["status"] == "True"
        for each in (listeners[bad["name"]], _programmed(status)):
            assert each["status"] == "False"
            assert "Another program has the port" in each["message"]
        await proxy.apply(gateway(good))
        assert _programmed(proxy.status("Gateway", "live"))["status"] == "True"


def _programmed(status: Manifest) -> Manifest:
    found: Manifest = next(each for each in status["conditions"] if each["type"] == "Programmed")
    return found
