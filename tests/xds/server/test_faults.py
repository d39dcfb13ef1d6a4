"""An unexpected error ends only the stream that it affects, and is logged."""

from __future__ import annotations

import logging
from typing import Any

import grpc
import pytest

from headgate_proto.envoy.config.core.v3 import base_pb2
from tests.headgate.waiting import eventually
from tests.xds.calls import CLUSTERS, Dial, serving
from tests.xds.sample_resources import cluster
from xds.protocol.session import Session
from xds.resources.snapshot import Snapshot
from xds.resources.types import CLUSTER
from xds.server.fault_log import AGAIN_SECONDS, MAX_KNOWN, FaultLog
from xds.server.server import Client, Observer, Peer

GOOD, BAD = base_pb2.Node(id="good", cluster="gateway"), base_pb2.Node(id="bad", cluster="gateway")


DISPLAYED = ("synced", "nack_groups")
"""Methods whose result is only displayed: an error does not end the stream."""


class Fault(Exception):
    """A bug."""


@pytest.mark.parametrize("method", ["update", "receive", "next", "acked", "nacks", "deadline", "nack_groups", "synced"])
async def test_a_stream_with_a_bug_ends_alone(
    method: str, dial: Dial, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """If the handling of a stream raises, other streams of the snapshot get the next one, and the bug is logged."""
    async with serving() as server:
        server.publish("gateway", CLUSTERS)
        calls = {}
        for node in (BAD, GOOD):
            calls[node.id] = dial(server)
            await calls[node.id].request(CLUSTER, node=node)
            await calls[node.id].request(CLUSTER, nonce=(await calls[node.id].response()).nonce)
        await eventually(lambda: all(each.synced for each in server.clients()))
        broken = next(each.session for each in server._streams if each.client and each.client.node == "bad")
        real = getattr(Session, method)

        def act(session: Session, *args: Any, **kwargs: Any) -> Any:
            if session is broken:
                raise Fault
            return real(session, *args, **kwargs)

        monkeypatch.setattr(Session, method, act)
        server.publish("gateway", Snapshot.of([cluster("a"), cluster("b")]))
        assert [each.name for each in (await calls["good"].response()).resources] == ["b"]
        if method == "receive":
            await calls["bad"].request(CLUSTER)
        if method in DISPLAYED:
            assert {each.node for each in server.clients()} == {"good", "bad"}
        else:
            if method in ("update", "acked", "nacks"):
                assert (await calls["bad"].status())[0] is grpc.StatusCode.INTERNAL
            await eventually(lambda: [each.node for each in server.clients()] == ["good"])
        assert "Fault" in caplog.text
        assert "bad" in caplog.text
        assert server.sync_status("gateway") is not None


@pytest.mark.parametrize("part", ["select", "authenticate", "authorise"])
async def test_a_client_is_not_served_if_its_authorisation_fails(
    part: str, dial: Dial, caplog: pytest.LogCaptureFixture
) -> None:
    """A bug in a callback that authorises a client ends that stream alone, and is logged."""

    def decide(*args: Any) -> Any:
        peer = args[-1]
        if isinstance(peer, Peer) and "good" not in peer.metadata:
            raise Fault
        if isinstance(peer, base_pb2.Node):
            if peer.id == "bad":
                raise Fault
            return peer.cluster
        return None

    server = serving(**{part: decide}) if part != "select" else type(serving())(decide)
    async with server:
        server.publish("gateway", CLUSTERS)
        good, bad = dial(server, metadata=(("good", "1"),)), dial(server)
        await good.request(CLUSTER, node=GOOD)
        await bad.request(CLUSTER, node=BAD)
        assert (await bad.status())[0] is grpc.StatusCode.INTERNAL
        assert (await good.response()).resources
        assert "Fault" in caplog.text


class Broken(Observer):
    """An observer that raises in every callback."""

    def opened(self, client: Client) -> None:
        """Raise."""
        raise Fault

    requested = responded = acked = closed = opened  # type: ignore[assignment]


async def test_an_observer_with_a_bug_ends_no_stream(dial: Dial, caplog: pytest.LogCaptureFixture) -> None:
    """Streams are served although their observer raises, and the bug is logged once a minute."""
    async with serving(observer=Broken()) as server:
        server.publish("gateway", CLUSTERS)
        for _ in range(2):
            call = dial(server)
            await call.request(CLUSTER)
            assert (await call.response()).resources
        logged = [each for each in caplog.records if "The observer Broken" in each.message]
    assert [each.levelno for each in logged][:1] == [logging.ERROR]
    assert len({each.message for each in logged}) == len(logged)


def test_an_error_is_logged_once_a_minute(caplog: pytest.LogCaptureFixture) -> None:
    """The same error is not logged again for a minute, another one is, and the tracked errors are bounded."""
    now = 0.0
    faults = FaultLog(lambda: now)
    for _ in range(3):
        faults.tell("Page", Fault("a"))
    faults.tell("Page", Fault("b"))
    assert len(caplog.records) == 2
    now = AGAIN_SECONDS
    faults.tell("Page", Fault("a"))
    assert len(caplog.records) == 3
    for number in range(2 * MAX_KNOWN):
        faults.tell("Page", Fault(str(number)))
    assert len(faults._logged) == MAX_KNOWN
