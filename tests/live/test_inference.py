"""InferencePools through a real Envoy, with a picker that does as it is told.

The conformance suite of the Gateway API Inference Extension asks for these of an implementation, by other means.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import grpc
import pytest
import pytest_asyncio
from aiohttp import web

from tests.certificates import self_signed
from tests.live.backend_tls import authorities
from tests.live.objects import Manifest, prefix, route, traffic_policy
from tests.live.pickers import (
    DESTINATION,
    Picker,
    picker_service,
    pod,
    pool,
    reference,
    running_picker,
    to_pool,
)
from tests.live.proxy import Proxy, free_port
from tests.live.test_grpc import grpc_route
from tests.live.upstream import Seen, Upstream
from translator.refs import Ref

COMPLETIONS = "/v1/chat/completions"


@pytest_asyncio.fixture(loop_scope="session")
async def picker() -> AsyncIterator[Picker]:
    """Yield a picker, which serves by TLS with a certificate of its own."""
    async with running_picker() as found:
        yield found


async def post(proxy: Proxy, path: str = COMPLETIONS, **options: Any) -> Any:
    """Send a request for a completion."""
    return await proxy.request(path, method="POST", body=b"{}", **options)


@pytest.mark.parametrize("by", [("metadata",), ("header",), ("metadata", "header")])
async def test_it_follows_the_picker(
    proxy: Proxy, picker: Picker, alpha: Upstream, beta: Upstream, by: tuple[str, ...]
) -> None:
    """Each request goes to the endpoint that the picker has chosen, however it tells, and the picker learns it."""
    picker.by = by
    await proxy.apply(picker_service(picker), pod("a"), pool(ports=[alpha.port, beta.port]), to_pool())
    for each in (alpha, beta, beta, alpha):
        picker.picks(each.port)
        assert (await post(proxy)).backend == each.name
        assert (await proxy.request("/v1/models")).backend == each.name
    assert picker.bodies == [b"{}", b""] * 4
    assert picker.served == [f"127.0.0.1:{each.port}" for each in (alpha, beta, beta, alpha) for _ in range(2)]


async def test_the_list_of_the_picker(proxy: Proxy, picker: Picker, alpha: Upstream, beta: Upstream) -> None:
    """Where requests are tried again, the picker's second choice is next; it learns which endpoint has answered."""
    dead = free_port()
    picker.picks(dead, beta.port)
    ports = [alpha.port, beta.port, dead]
    retries = traffic_policy("gateway", retry={"attempts": 1, "retryOn": ["connect-failure"]})
    await proxy.apply(picker_service(picker), pod("a"), pool(ports=ports), to_pool(), retries)
    for _ in range(5):
        assert (await post(proxy)).backend == "beta"
    assert set(picker.served) == {f"127.0.0.1:{beta.port}"}


async def test_clients_do_not_pick(proxy: Proxy, picker: Picker, alpha: Upstream, beta: Upstream) -> None:
    """What a client says about endpoints is removed, before the picker is asked and where it picks none."""
    await proxy.apply(picker_service(picker), pod("a"), pool(ports=[alpha.port, beta.port]), to_pool())
    mine = {DESTINATION: f"127.0.0.1:{alpha.port}"}
    found = Counter([(await post(proxy, headers=mine)).backend for _ in range(10)])
    assert found == {"alpha": 5, "beta": 5}
    assert all(DESTINATION not in each for each in picker.asked)
    assert all(each.values(DESTINATION) == [] for each in (*alpha.seen, *beta.seen))


async def test_endpoints_of_others(
    proxy: Proxy, picker: Picker, alpha: Upstream, beta: Upstream, gamma: Upstream
) -> None:
    """A choice that is no endpoint of the pool is no choice: the picker cannot send requests elsewhere."""
    picker.picks(gamma.port)
    await proxy.apply(picker_service(picker), pod("a"), pool(ports=[alpha.port, beta.port]), to_pool())
    assert {(await post(proxy)).backend for _ in range(4)} == {"alpha", "beta"}
    assert gamma.seen == []


@pytest.mark.parametrize("status", [429, 503])
async def test_the_picker_ends_a_request(proxy: Proxy, picker: Picker, alpha: Upstream, status: int) -> None:
    """A picker may answer by itself, as where all pods are busy."""
    picker.status = status
    await proxy.apply(picker_service(picker), pod("a"), pool(ports=[alpha.port]), to_pool())
    assert (await post(proxy)).status == status
    assert alpha.seen == []


async def test_bodies_pass_the_picker_whole(proxy: Proxy, picker: Picker, alpha: Upstream) -> None:
    """Bodies of megabytes pass in both directions, and the picker has seen them."""
    sent, back = b"a" * 3_000_000, b"b" * 3_000_000

    async def respond(seen: Seen) -> web.StreamResponse:
        return web.Response(body=back)

    alpha.answer = respond
    await proxy.apply(picker_service(picker), pod("a"), pool(ports=[alpha.port]), to_pool())
    response = await proxy.request(COMPLETIONS, method="POST", body=sent)
    assert (response.status, response.body == back) == (200, True)
    assert alpha.seen[0].body == sent
    assert picker.bodies == [sent]


async def test_streams_are_not_held_back(proxy: Proxy, picker: Picker, alpha: Upstream) -> None:
    """A client has the first event of a response before the model server has written the second."""
    read = asyncio.Event()

    async def events(request: web.BaseRequest) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        await response.prepare(request)
        await response.write(b"data: 1\n\n")
        await read.wait()
        await response.write(b"data: 2\n\n")
        return response

    alpha.raw = events
    await proxy.apply(picker_service(picker), pod("a"), pool(ports=[alpha.port]), to_pool())
    async with (
        aiohttp.ClientSession() as http,
        http.post(f"http://127.0.0.1:{proxy.port}{COMPLETIONS}", data=b"{}") as response,
    ):
        assert await response.content.readuntil(b"\n\n") == b"data: 1\n\n"
        read.set()
        assert await response.content.read() == b"data: 2\n\n"


async def test_fail_close(proxy: Proxy, alpha: Upstream) -> None:
    """Without its picker a pool answers 503, unless it says otherwise, and is served again once the picker is back."""
    async with running_picker() as picker:
        await proxy.apply(picker_service(picker), pod("a"), pool(ports=[alpha.port]), to_pool())
        assert (await post(proxy)).status == 200
    assert {(await post(proxy)).status for _ in range(5)} == {503}
    assert len(alpha.seen) == 1
    async with running_picker(picker.port):
        while (await post(proxy)).status == 503:
            pass
        assert (await post(proxy)).status == 200


async def test_fail_open(proxy: Proxy, alpha: Upstream, beta: Upstream) -> None:
    """With FailOpen all requests go on to any pod once the picker is known to be gone, and ask it once it is back."""
    opened = pool(ports=[alpha.port, beta.port], picker={"failureMode": "FailOpen"})
    async with running_picker() as picker:
        picker.picks(alpha.port)
        await proxy.apply(picker_service(picker), pod("a"), opened, to_pool())
        assert {(await post(proxy)).backend for _ in range(4)} == {"alpha"}
    await known(proxy, healthy=0)
    found = Counter([(await post(proxy)).backend for _ in range(40)])
    assert found == {"alpha": 20, "beta": 20}
    async with running_picker(picker.port) as picker:
        picker.picks(beta.port)
        last = await post(proxy)
        async with asyncio.timeout(30):
            while not picker.asked:
                last = await post(proxy)
        assert last.backend == "beta"


@pytest.mark.parametrize(("mode", "status"), [("FailClose", 503), ("FailOpen", 200)])
async def test_a_picker_without_pods(proxy: Proxy, alpha: Upstream, mode: str, status: int) -> None:
    """A picker's Service without ready pods is a picker that is not there."""
    services = picker_service(Picker(free_port()))
    found = pool(ports=[alpha.port], picker={"failureMode": mode})
    await proxy.apply(services[:1], pod("a"), found, to_pool())
    assert {(await post(proxy)).status for _ in range(10)} == {status}


async def known(proxy: Proxy, healthy: int) -> None:
    """Wait until the proxy knows how many pickers there are."""
    async with asyncio.timeout(15):
        while True:
            told = await proxy.admin("/stats?filter=cluster.default/picker.*membership_healthy")
            lines = told.splitlines()  # the clusters of tests before go within a moment
            if lines and all(line.endswith(f": {healthy}") for line in lines):
                return
            await asyncio.sleep(0.05)


async def test_a_picker_that_takes_its_time(proxy: Proxy, picker: Picker, alpha: Upstream) -> None:
    """A picker may hold a request back for longer than Envoy waits for other processors."""
    picker.picks(alpha.port)
    picker.pause = 0.5
    await proxy.apply(picker_service(picker), pod("a"), pool(ports=[alpha.port]), to_pool())
    assert (await post(proxy)).backend == "alpha"


@pytest.mark.parametrize("timeouts", [{"request": "300ms"}, {"request": "1h"}, {}])
async def test_a_picker_that_does_not_answer(
    proxy: Proxy, picker: Picker, alpha: Upstream, timeouts: dict[str, str]
) -> None:
    """A request whose picker takes it and says nothing ends with its own time, or once there was silence for long."""
    picker.pause = 3600
    to_it = to_pool(timeouts=timeouts)
    silence = traffic_policy("gateway", timeouts={"streamIdle": "300ms"})
    more = [] if timeouts == {"request": "300ms"} else [silence]
    await proxy.apply(picker_service(picker), pod("a"), pool(ports=[alpha.port]), to_it, *more)
    assert (await post(proxy)).status == 504
    assert alpha.seen == []


async def test_two_weighted_pools(proxy: Proxy, picker: Picker, alpha: Upstream, beta: Upstream) -> None:
    """Two pools share the requests of a rule by weight; each asks its own picker."""
    picker.picks(alpha.port)
    async with running_picker(tls=False) as other:
        other.picks(beta.port)
        named = picker_service(other, "other", app_protocol="h2c")
        second = pool("second", ports=[beta.port], picker={"name": "other"})
        refs = [reference("pool", weight=3), reference("second", weight=1)]
        both = route({"backendRefs": refs})
        await proxy.apply(picker_service(picker), named, pod("a"), pod("b", "second"))
        await proxy.apply(pool(ports=[alpha.port]), second, both)
        found = Counter([(await post(proxy)).backend for _ in range(200)])
        assert 110 <= found["alpha"] <= 190
        assert (len(picker.asked), len(other.asked)) == (found["alpha"], found["beta"])


async def test_rules_with_different_pools(proxy: Proxy, picker: Picker, alpha: Upstream, beta: Upstream) -> None:
    """Rules of one route send requests to pools of their own, and to Services without any picker."""
    picker.picks(alpha.port, beta.port)
    rules = [
        {"matches": [prefix("/a")], "backendRefs": [reference("pool")]},
        {"matches": [prefix("/b")], "backendRefs": [reference("second")]},
        {"matches": [prefix("/c")], "backendRefs": [{"name": "gamma", "port": 80}]},
    ]
    pools = pool(ports=[alpha.port]), pool("second", ports=[beta.port])
    await proxy.apply(picker_service(picker), pod("a"), pod("b", "second"), *pools, route(*rules))
    assert [(await post(proxy, path)).backend for path in ("/a", "/b", "/c")] == ["alpha", "beta", "gamma"]
    assert len(picker.asked) == 2


@pytest.mark.parametrize("port", [None, 80, 1234])
async def test_the_port_of_a_reference(proxy: Proxy, picker: Picker, alpha: Upstream, port: int | None) -> None:
    """A pool has its own ports: that of a backendRef means nothing."""
    picker.picks(alpha.port)
    to_it = route({"backendRefs": [reference() | ({} if port is None else {"port": port})]})
    await proxy.apply(picker_service(picker), pod("a"), pool(ports=[alpha.port]), to_it)
    assert (await post(proxy)).backend == "alpha"


async def test_a_picker_without_tls(proxy: Proxy, alpha: Upstream) -> None:
    """A picker that serves without TLS is reached where the port of its Service says so (`--secure-serving=false`)."""
    async with running_picker(tls=False) as picker:
        picker.picks(alpha.port)
        objects = pod("a"), pool(ports=[alpha.port]), to_pool()
        await proxy.apply(picker_service(picker), *objects)
        assert (await post(proxy)).status == 503
        await proxy.apply(picker_service(picker, app_protocol="kubernetes.io/h2c"))
        assert (await post(proxy)).backend == "alpha"


async def test_a_verified_picker(proxy: Proxy, alpha: Upstream) -> None:
    """A BackendTLSPolicy has the picker's certificate verified: nothing is sent to one with another name."""
    certificate, key = self_signed("picker", "picker.example.com")
    async with running_picker(pair=(certificate, key)) as picker:
        picker.picks(alpha.port)
        objects = picker_service(picker), pod("a"), pool(ports=[alpha.port]), to_pool(), authorities(certificate)
        for name, status in (("picker.example.com", 200), ("other.example.com", 503)):
            await proxy.apply(*objects, verified(name))
            assert (await post(proxy)).status == status
    assert len(picker.asked) == 1


def verified(name: str) -> Manifest:
    """Return a policy by which the picker has to have a name."""
    ca = {"group": "", "kind": "ConfigMap", "name": "ca"}
    spec = {
        "targetRefs": [{"group": "", "kind": "Service", "name": "picker"}],
        "validation": {"caCertificateRefs": [ca], "hostname": name},
    }
    version = "gateway.networking.k8s.io/v1"
    return {"apiVersion": version, "kind": "BackendTLSPolicy", "metadata": {"name": "verified"}, "spec": spec}


async def test_pods_come_and_go(proxy: Proxy, picker: Picker, alpha: Upstream) -> None:
    """Only ready pods of the pool's labels get requests, from when they are ready until they are gone."""
    objects = picker_service(picker), pool(ports=[alpha.port]), to_pool()
    await proxy.apply(*objects)
    assert (await post(proxy)).status == 503
    await proxy.apply(pod("a", ready=False), pod("b", "other"))
    assert (await post(proxy)).status == 503
    await proxy.apply(pod("a"))
    assert (await post(proxy)).backend == "alpha"
    await proxy.delete(Ref("Pod", "default", "a"))
    assert (await post(proxy)).status == 503


@pytest.mark.parametrize("named", [{"name": "nowhere"}, {"kind": "Picker", "group": "example.com"}])
async def test_an_invalid_picker(proxy: Proxy, picker: Picker, alpha: Upstream, named: Manifest) -> None:
    """A pool without a usable picker answers 500, and its status tells why."""
    await proxy.apply(picker_service(picker), pod("a"), pool(ports=[alpha.port], picker=named), to_pool())
    assert (await post(proxy)).status == 500
    (parent,) = proxy.status("InferencePool", "pool")["parents"]
    found = {each["type"]: (each["status"], each["reason"]) for each in parent["conditions"]}
    assert found == {"Accepted": ("True", "Accepted"), "ResolvedRefs": ("False", "InvalidExtensionRef")}


async def test_a_missing_picker(proxy: Proxy, alpha: Upstream) -> None:
    """A pool that names no picker is not accepted."""
    await proxy.apply(pod("a"), pool(ports=[alpha.port], picker=None), to_pool())
    assert (await post(proxy)).status == 500
    (parent,) = proxy.status("InferencePool", "pool")["parents"]
    assert parent["conditions"][0]["reason"] == "EndpointPickerRefMissing"


async def test_calls_of_grpc(proxy: Proxy, picker: Picker) -> None:
    """A GRPCRoute sends calls to the endpoint that was picked, where the pool's appProtocol says HTTP/2."""
    server = grpc.aio.server()

    async def say(body: bytes, _: grpc.aio.ServicerContext[bytes, bytes]) -> bytes:
        return body + b"!"

    handlers: dict[str, grpc.RpcMethodHandler[bytes, bytes]] = {"Say": grpc.unary_unary_rpc_method_handler(say)}
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler("demo.Model", handlers),))
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    try:
        picker.picks(port)
        h2c = pool(ports=[port, free_port()], appProtocol="kubernetes.io/h2c")
        to_it = grpc_route({"backendRefs": [reference()]})
        await proxy.apply(picker_service(picker), pod("a"), h2c, to_it)
        async with grpc.aio.insecure_channel(f"127.0.0.1:{proxy.port}") as channel:
            call: grpc.aio.UnaryUnaryMultiCallable[bytes, bytes] = channel.unary_unary("/demo.Model/Say")
            assert [await call(b"hello") for _ in range(4)] == [b"hello!"] * 4
        assert picker.served == [f"127.0.0.1:{port}"] * 4
    finally:
        await server.stop(None)
