"""Limits on clients: request rates, deadlines of decisions, and the start and end of streams."""

import asyncio
import contextlib
from collections.abc import AsyncIterator

import grpc
from hypothesis import given
from hypothesis import strategies as st

from tests.headgate.waiting import eventually
from tests.xds.calls import CLUSTERS, DELTA, NODE, Call, Dial, serving
from tests.xds.sample_resources import cluster, endpoints
from xds.resources.snapshot import Snapshot
from xds.resources.types import CLUSTER, ENDPOINT
from xds.server.server import Client, Limits, Observer, Peer, StreamRejected
from xds.server.token_bucket import TokenBucket


class Verifier:
    """Authorises each peer with a valid token, once `answer` is set."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.cancelled = 0
        self.answer = asyncio.Event()

    async def __call__(self, key: str, peer: Peer) -> None:
        """Authorise a peer."""
        self.asked.append(key)
        try:
            await self.answer.wait()
        except asyncio.CancelledError:
            self.cancelled += 1
            raise
        if peer.metadata.get("authorization") != "Bearer good":
            raise StreamRejected("the token is not good", grpc.StatusCode.UNAUTHENTICATED)


async def test_authorisation_may_be_asynchronous(dial: Dial) -> None:
    """A stream waits for an asynchronous authorisation, which is requested once, and then gets its resources."""
    verifier = Verifier()
    async with serving(authorise=verifier) as server:
        server.publish("gateway", Snapshot.of([cluster("a"), endpoints("a")]))
        good, bad = dial(server, metadata=(("authorization", "Bearer good"),)), dial(server)
        for call in (good, bad):
            await call.request(CLUSTER)
            await call.request(ENDPOINT, "a", node=None)
        await eventually(lambda: len(verifier.asked) == 2)
        assert not server.clients()
        verifier.answer.set()
        assert {(await good.response()).type_url, (await good.response()).type_url} == {CLUSTER, ENDPOINT}
        assert await bad.status() == (grpc.StatusCode.UNAUTHENTICATED, "the token is not good")
        assert [each.node for each in server.clients()] == [NODE.id]
        assert verifier.asked == ["gateway"] * 2


async def test_a_slow_authorisation_ends_the_stream(dial: Dial) -> None:
    """A stream whose client is not authorised in time ends with a status."""
    verifier = Verifier()
    async with serving(authorise=verifier, limits=Limits(first_request=0.5)) as server:
        waiting = dial(server)
        await waiting.request(CLUSTER)
        code, details = await waiting.status()
        assert (code, details) == (grpc.StatusCode.DEADLINE_EXCEEDED, "who is asking could not be found out in time")
        await eventually(lambda: verifier.cancelled == 1)


async def test_a_disconnected_client_is_not_authorised(dial: Dial) -> None:
    """The authorisation of a disconnected client is cancelled, and leaves nothing behind."""
    verifier = Verifier()
    async with serving(authorise=verifier) as server:
        call = dial(server)
        await call.request(CLUSTER)
        await eventually(lambda: verifier.asked)
        call.call.cancel()
        await eventually(lambda: verifier.cancelled == 1)
        assert server.sync_status("gateway") is None


class Throttled(Observer):
    """Counts requests and pauses."""

    def __init__(self) -> None:
        self.requests = 0
        self.pauses: list[float] = []

    def requested(self, client: Client, type_url: str) -> None:
        """Count a request."""
        self.requests += 1

    def throttled(self, client: Client, seconds: float) -> None:
        """Record a pause."""
        self.pauses.append(seconds)


async def test_a_client_above_the_request_rate_is_throttled(dial: Dial) -> None:
    """After its burst a stream is read at the permitted rate, is not ended, and others are served meanwhile."""
    seen = Throttled()
    async with serving(observer=seen, limits=Limits(requests_per_second=0.001, requests_at_once=20)) as server:
        server.publish("gateway", CLUSTERS)
        greedy, other = dial(server), dial(server)
        for number in range(40):
            await greedy.request(ENDPOINT, f"e{number}")
        await eventually(lambda: seen.pauses)
        assert seen.requests == 21
        await other.request(CLUSTER)
        assert (await other.response()).resources
        assert (seen.requests, len(seen.pauses), len(server.clients())) == (22, 1, 2)


async def test_all_requests_of_a_throttled_client_are_read(dial: Dial) -> None:
    """All requests of a throttled client are read in time, one after another."""
    seen = Throttled()
    async with serving(observer=seen, limits=Limits(requests_per_second=100, requests_at_once=1)) as server:
        call = dial(server)
        for number in range(20):
            await call.request(ENDPOINT, f"e{number}")
        await eventually(lambda: seen.requests == 20)


@given(rate=st.floats(0.5, 100), burst=st.integers(1, 50), gaps=st.lists(st.floats(0, 3), max_size=100))
def test_a_bucket_permits_no_more_than_its_rate(rate: float, burst: int, gaps: list[float]) -> None:
    """At any time, at most the burst and the tokens of the elapsed time were permitted, for any requests."""
    now, bucket = 10.0, TokenBucket(rate, burst, 10.0)
    for count, gap in enumerate(gaps, start=1):
        now += gap
        now += bucket.take(now)
        assert count <= burst + (now - 10.0) * rate + 1e-6


def test_a_bucket_stores_no_more_than_its_burst() -> None:
    """After any pause and a burst of requests, each further request waits."""
    bucket = TokenBucket(rate=2, burst=3, now=0.0)
    assert [bucket.take(1000.0) for _ in range(5)] == [0, 0, 0, 0.5, 1.0]


async def test_a_stop_ends_streams_after_the_grace_period(dial: Dial) -> None:
    """A client that does not read its responses delays a stop for the grace period and no longer."""
    server = serving()
    await server.start()
    big = Snapshot.of([cluster("x" * 100 + str(number)) for number in range(100_000 // 10)])
    server.publish("gateway", big)
    stuck = dial(server)
    await stuck.request(CLUSTER)
    await eventually(lambda: server.clients())
    await asyncio.sleep(0.1)
    begun = asyncio.get_running_loop().time()
    await server.stop(grace=0.3)
    assert asyncio.get_running_loop().time() - begun < 3
    assert not server.clients()
    with contextlib.suppress(grpc.aio.AioRpcError):
        await stuck.response()


FRAME, PING, GOAWAY = 9, 6, 7
TOO_MANY_PINGS = b"too_many_pings"


class Connection:
    """A bare HTTP/2 connection."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader, self._writer = reader, writer
        self._writer.write(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + self._frame(4))

    @staticmethod
    def _frame(kind: int, flags: int = 0, payload: bytes = b"") -> bytes:
        return len(payload).to_bytes(3, "big") + bytes([kind, flags]) + bytes(4) + payload

    def ping(self, flags: int = 0, payload: bytes = b"12345678") -> None:
        """Send a ping, or with flag 1 the answer to one."""
        self._writer.write(self._frame(PING, flags, payload))

    async def read(self) -> tuple[int, int, bytes] | None:
        """Return the next frame's type, flags and payload; None at the end."""
        try:
            async with asyncio.timeout(10):
                head = await self._reader.readexactly(FRAME)
                return head[3], head[4], await self._reader.readexactly(int.from_bytes(head[:3], "big"))
        except (asyncio.IncompleteReadError, ConnectionError):
            return None

    async def until(self, *kinds: int) -> tuple[int, bytes] | None:
        """Return the flags and payload of the next frame of one of these types; None if there is none."""
        while (frame := await self.read()) is not None:
            if frame[0] in kinds:
                return frame[1:]
        return None


@contextlib.asynccontextmanager
async def connect(port: int) -> AsyncIterator[Connection]:
    """Yield a connection to a port of loopback."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        yield Connection(reader, writer)
    finally:
        writer.close()
        with contextlib.suppress(ConnectionError):
            await writer.wait_closed()


async def test_keepalive_pings_are_answered() -> None:
    """A client that pings at the permitted interval gets answers, with or without a stream; a faster one a GOAWAY."""
    async with serving(limits=Limits(ping_interval=0.05)) as server, connect(server.port) as patient:
        for _ in range(6):
            await asyncio.sleep(0.06)
            patient.ping()
            assert await patient.until(PING) == (1, b"12345678")
    async with serving(limits=Limits(ping_interval=60)) as server, connect(server.port) as hasty:
        answers = []
        for _ in range(6):
            hasty.ping()
            answers.append(await hasty.until(PING, GOAWAY))
        # The answer to a ping that was sent before may follow.
        assert any(each is not None and each[1].endswith(TOO_MANY_PINGS) for each in answers)


async def test_a_silent_connection_is_closed() -> None:
    """A silent client is pinged; one that answers stays, one that does not is disconnected."""
    async with (
        serving(limits=Limits(keepalive_timeout=0.2)) as server,
        connect(server.port) as dead,
        connect(server.port) as alive,
    ):
        assert await dead.until(PING) is not None
        pings = 0
        ended = asyncio.ensure_future(dead.until(255))
        while not ended.done() or pings < 3:
            found = await alive.until(PING)
            assert found is not None
            alive.ping(1, found[1])
            pings += 1
        assert ended.result() is None


async def test_a_stop_sends_goaway(dial: Dial) -> None:
    """A stop sends GOAWAY, so that clients open their next stream on another connection, and drains at once."""
    server = serving()
    await server.start()
    call = dial(server)
    server.publish("gateway", CLUSTERS)
    await call.request(CLUSTER)
    await call.request(CLUSTER, nonce=(await call.response()).nonce)
    await eventually(lambda: not server.clients()[0].types[CLUSTER].pending)
    async with connect(server.port) as bare:
        bare.ping()
        await bare.until(PING)
        stopping = asyncio.ensure_future(server.stop(grace=10))
        assert await bare.until(GOAWAY) is not None
    assert await call.status() == (grpc.StatusCode.OK, "")
    async with asyncio.timeout(5):
        await stopping


async def test_ended_streams_leave_nothing_behind(dial: Dial) -> None:
    """Streams that end in any state leave no group and no stream behind."""
    async with serving() as server:
        calls: list[Call] = [dial(server, DELTA) for _ in range(30)]
        for number, call in enumerate(calls):
            await call.request(CLUSTER)
            if number % 3 == 0:
                call.call.cancel()
        await eventually(lambda: server.clients())
        server.publish("gateway", CLUSTERS)
        server.withdraw("gateway")
        for call in calls:
            call.call.cancel()
        await eventually(lambda: not server.clients())
        assert server.sync_status("gateway") is None
        assert not server._groups
