"""Whatever a client sends, the server neither fails nor leaks nor hangs, and serves other clients."""

import asyncio
import contextlib
from collections.abc import Iterator
from typing import Any

import grpc
import grpc.aio
import pytest
from google.protobuf.message import DecodeError
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from headgate_proto.envoy.service.discovery.v3 import discovery_pb2
from tests.xds.calls import DELTA, NODE, STREAM, Call, serving
from tests.xds.sample_resources import cluster, endpoints, listener, routes, scope, scoped_listener
from xds.protocol.ordering import Timeouts
from xds.protocol.session import ProtocolError, Request, Session
from xds.resources.snapshot import Snapshot
from xds.resources.types import CLUSTER, ENDPOINT, LISTENER, ROUTE, SCOPED_ROUTE, SECRET, VIRTUAL_HOST
from xds.server.server import Limits

URLS = (CLUSTER, ENDPOINT, LISTENER, ROUTE, SECRET, SCOPED_ROUTE, VIRTUAL_HOST, "", "type.googleapis.com/unknown")
MAX_NAMES = 50
ENDS = (grpc.StatusCode.OK, grpc.StatusCode.INVALID_ARGUMENT, grpc.StatusCode.INTERNAL)
"""The statuses with which a stream may end; a gRPC client reports INTERNAL if it writes when the stream ends."""

names = st.lists(
    st.sampled_from(["a", "b", "r", "q", "l", "*", "", "none", "x" * 300]) | st.text(max_size=5), max_size=4
)
nonces = st.sampled_from(["", "last", "1", "stale"]) | st.text(max_size=3)
errors = st.none() | st.text(max_size=20) | st.sampled_from(["a is bad", "\0" * 5000])


def snapshot(timeout: int) -> Snapshot:
    """Return a snapshot of all requested resources; each timeout makes another."""
    leads = [cluster("a", timeout=timeout, secret="s"), cluster("b"), endpoints("a", timeout), endpoints("b")]
    leads += [routes("r", {"/": "a"}), routes("q", {"/": "b"}), scope("s", "k", "rq"[timeout % 2])]
    listeners = [listener("l", 80, "r"), listener("m", 81 + timeout, "r"), scoped_listener("n", 90)]
    return Snapshot.of([*leads, *listeners])


@st.composite
def delta_requests(draw: st.DrawFn) -> discovery_pb2.DeltaDiscoveryRequest:
    """Return incremental requests, valid and invalid."""
    request = discovery_pb2.DeltaDiscoveryRequest(
        type_url=draw(st.sampled_from(URLS)),
        resource_names_subscribe=draw(names),
        resource_names_unsubscribe=draw(names),
        initial_resource_versions=draw(st.dictionaries(st.sampled_from(["a", "b", "gone"]), st.text(max_size=2))),
        response_nonce=draw(nonces),
    )
    if (error := draw(errors)) is not None:
        request.error_detail.message = error
    return request


@st.composite
def sotw_requests(draw: st.DrawFn) -> discovery_pb2.DiscoveryRequest:
    """Return state-of-the-world requests, valid and invalid."""
    request = discovery_pb2.DiscoveryRequest(
        type_url=draw(st.sampled_from(URLS)),
        resource_names=draw(names),
        version_info=draw(st.sampled_from(["", "known", "unknown"])),
        response_nonce=draw(nonces),
    )
    if (error := draw(errors)) is not None:
        request.error_detail.message = error
    return request


steps = st.lists(st.integers(1, 4) | st.floats(0, 6) | delta_requests() | sotw_requests(), max_size=30)


class Fuzzed:
    """A session that gets arbitrary requests, with its invariants."""

    def __init__(self, delta: bool) -> None:
        self.now = 0.0
        timeouts = Timeouts(ack_deadline=5.0, removal_delay=1.0, drain=2.0)
        self.session = Session(delta=delta, clock=lambda: self.now, timeouts=timeouts, max_names=MAX_NAMES)
        self.requests = discovery_pb2.DeltaDiscoveryRequest if delta else discovery_pb2.DiscoveryRequest
        self.session.update(snapshot(1))
        self.nonces: dict[str, str] = {}

    def step(self, what: int | float | Request) -> None:
        """Publish (an integer), wait (seconds), or receive (a request of the session's variant)."""
        if isinstance(what, int):
            self.session.update(snapshot(what))
        elif isinstance(what, float):
            self.now += what
        elif isinstance(what, self.requests):
            if what.response_nonce == "last":
                what.response_nonce = self.nonces.get(what.type_url, "")
            with contextlib.suppress(ProtocolError):
                self.session.receive(what)
        self.drain()

    def drain(self) -> None:
        """Send all responses: one by type and some more for bisection, never endlessly."""
        for _ in range(40):
            response = self.session.next()
            if response is None:
                break
            self.nonces[response.type_url] = response.nonce
        else:
            raise AssertionError("there is no end of responses")
        deadline = self.session.deadline()
        assert deadline is None or deadline > self.now
        self.session.synced()
        for each in self.session.substreams.values():
            assert len(each.subscription.names) <= MAX_NAMES
            assert len(each.dirty) + len(each.to_resend) + len(each.nacked) <= 4 * MAX_NAMES
            assert len(each.batches) <= MAX_NAMES


@pytest.mark.parametrize("delta", [True, False], ids=["delta", "sotw"])
@given(script=steps)
@settings(max_examples=200)
def test_a_session_survives_arbitrary_requests(delta: bool, script: list[Any]) -> None:
    """After any requests, a session sends requested clusters in their newest version within its deadlines."""
    fuzzed = Fuzzed(delta)
    for what in script:
        fuzzed.step(what)
    fuzzed.step(9)
    fuzzed.now += 6
    kind: Any = discovery_pb2.DeltaDiscoveryRequest if delta else discovery_pb2.DiscoveryRequest
    field = "resource_names_subscribe" if delta else "resource_names"
    request = kind(type_url=CLUSTER, response_nonce=fuzzed.nonces.get(CLUSTER, ""), **{field: ["a", "*"]})
    fuzzed.session.receive(request)
    sent = {name for response in iter(fuzzed.session.next, None) for name in response.changed}
    substream = fuzzed.session.substreams[CLUSTER]
    assert "a" in sent or substream.state("a") == cluster("a", timeout=9, secret="s")


@given(raw=st.binary(max_size=200))
def test_arbitrary_bytes_are_processed_or_rejected(raw: bytes) -> None:
    """Bytes either cannot be parsed, or are a request that a session processes or rejects with ProtocolError."""
    for kind, delta in ((discovery_pb2.DeltaDiscoveryRequest, True), (discovery_pb2.DiscoveryRequest, False)):
        session = Session(delta=delta, clock=lambda: 0.0)
        session.update(snapshot(1))
        with contextlib.suppress(DecodeError, ProtocolError):
            session.receive(kind.FromString(raw))
            session.next()


@pytest.fixture(scope="module")
def loop() -> Iterator[asyncio.AbstractEventLoop]:
    """Yield an event loop that outlives the examples."""
    with asyncio.Runner() as runner:
        yield runner.get_loop()


messages = st.lists(
    st.binary(max_size=60)
    | delta_requests().map(lambda each: each.SerializeToString())
    | sotw_requests().map(lambda each: each.SerializeToString()),
    max_size=6,
)


@given(method=st.sampled_from([STREAM, DELTA]), sent=messages, first=st.booleans(), cut=st.booleans())
@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_no_bytes_break_the_server(
    loop: asyncio.AbstractEventLoop, method: str, sent: list[bytes], first: bool, cut: bool
) -> None:
    """Streams of any bytes end with a status or continue; none is left over, and the next client is served."""
    loop.run_until_complete(_attack(method, sent, first, cut))


async def _attack(method: str, sent: list[bytes], first: bool, cut: bool) -> None:
    async with serving(limits=Limits(names=MAX_NAMES)) as server:
        server.publish("gateway", snapshot(1))
        async with grpc.aio.insecure_channel(f"127.0.0.1:{server.port}") as channel:
            bad, good = Call(channel, method), Call(channel, method)
            if first:
                await bad.request(CLUSTER)
            for each in sent:
                with contextlib.suppress(grpc.aio.AioRpcError, asyncio.InvalidStateError):
                    await bad.call.write(each)
            await good.request(CLUSTER, node=NODE)
            assert (await good.response()).resources
            if cut:
                bad.call.cancel()
            else:
                with contextlib.suppress(grpc.aio.AioRpcError, asyncio.InvalidStateError):
                    await bad.call.done_writing()
                async with asyncio.timeout(10):
                    with contextlib.suppress(grpc.aio.AioRpcError):
                        while await bad.call.read() is not grpc.aio.EOF:
                            pass
                    assert await bad.call.code() in ENDS
            good.call.cancel()
        async with asyncio.timeout(10):
            while server._streams:  # noqa: ASYNC110
                await asyncio.sleep(0.001)
        server.withdraw("gateway")
        assert set(server._groups) <= {""}
