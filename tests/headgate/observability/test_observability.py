"""Observability of a running Headgate: NACKs with their objects, the age of ACKs, traces."""

from __future__ import annotations

import io
from typing import Any

import grpc.aio
import pytest
from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from rich.console import Console

from bench.world import GATEWAY, NAMESPACE, world
from headgate.controlplane.nack_reports import nack_reports, origins
from headgate.observability.metrics import Metrics
from headgate.observability.tracing import Traces, span
from headgate.reporting.tables import overview
from headgate_proto.envoy.config.core.v3 import base_pb2
from tests.headgate.waiting import eventually
from tests.xds.calls import DELTA, Call, serving
from translator.inputs import Settings
from translator.refs import Ref
from translator.translator import Translator
from xds.resources.types import CLUSTER, ENDPOINT, ROUTE
from xds.server.observer import Observers
from xds.server.server import Server

OWN = Ref("Gateway", NAMESPACE, GATEWAY)
KEY = f"{NAMESPACE}/{GATEWAY}"
NODE = base_pb2.Node(id=f"{KEY}/1", cluster=KEY)


@pytest.fixture
def translator() -> Translator:
    """Return a translator with 20 routes to 3 Services."""
    made = Translator(Settings())
    made.edit(list(world(20, 5, 3)))
    made.evaluate()
    return made


async def answer(server: Server, url: str, error: str = "") -> Call:
    """Return a client that subscribes to a type and sends an ACK or, with an error, a NACK of the first response."""
    call = Call(grpc.aio.insecure_channel(f"127.0.0.1:{server.port}"), DELTA)
    await call.request(url, "*", node=NODE)
    response = await call.response()
    await call.request(url, node=None, nonce=response.nonce, error=error)
    return call


async def test_a_nack_names_its_objects(translator: Translator) -> None:
    """A NACK of a cluster is reported with its Service, in `headgate status`, too."""
    snapshot = translator.snapshots[OWN]
    [bad] = [each for each in snapshot.resources(CLUSTER).values() if "service-1:" in each.name]
    async with serving() as server:
        server.publish(KEY, snapshot.replace(removals=[each.reference for each in snapshot if each != bad]))
        await answer(server, CLUSTER, "out of memory")
        await eventually(lambda: list(nack_reports(translator, server, OWN)))
        [found] = nack_reports(translator, server, OWN)
        assert found == {
            "gateway": KEY,
            "kind": "Cluster",
            "name": bad.name,
            "message": "out of memory",
            "objects": (f"Service {NAMESPACE}/service-1",),
        }
    text = io.StringIO()
    status: dict[str, Any] = {"objects": [], "envoys": [], "problems": [], "refused": [found]}
    Console(file=text, width=500).print(overview(status))
    assert f"a proxy refused Cluster {bad.name}: out of memory; it comes of Service {NAMESPACE}/service-1" in (
        text.getvalue()
    )


def test_of_many_objects_some_are_named(translator: Translator) -> None:
    """A NACK of a route configuration names the first of its objects, and the number of the others."""
    [table] = translator.snapshots[OWN].resources(ROUTE).values()
    found = origins(translator, OWN, table.reference)
    assert found[0] == f"HTTPRoute {NAMESPACE}/route-0"
    assert found[-1] == "and 13 more"
    assert len(found) == 11


async def test_a_client_shows_its_resources(translator: Translator) -> None:
    """For one node, the server returns the version of each accepted resource, and not of pending ones."""
    snapshot = translator.snapshots[OWN]
    async with serving() as server:
        server.publish(KEY, snapshot)
        call = await answer(server, CLUSTER)
        await call.request(ENDPOINT, "*", node=None)
        await call.response()
        [client] = server.clients(NODE.id)
        assert client.types[CLUSTER].has == {
            name: each.version for name, each in sorted(snapshot.resources(CLUSTER).items())
        }
        assert client.types[ENDPOINT].has == {}
        assert set(client.types[ENDPOINT].pending) == set(snapshot.resources(ENDPOINT))
        assert server.clients("another") == []
        [brief] = server.clients()
        assert brief.types[CLUSTER].has == {}


async def test_the_time_from_an_edit_to_its_ack_is_measured(translator: Translator) -> None:
    """A histogram by type has the age of acknowledged changes, and not of the initial resources."""
    metrics = Metrics()
    snapshot = translator.snapshots[OWN]
    async with serving(observer=metrics) as server:
        server.publish(KEY, snapshot)
        call = await answer(server, CLUSTER)
        await eventually(lambda: 'acks_total{type="Cluster"} 1.0' in metrics.text().decode())
        assert "xds_change_seconds_count" not in metrics.text().decode()
        [first, *others] = snapshot.resources(CLUSTER).values()
        server.publish(KEY, snapshot.replace([type(first).of(CLUSTER, first.name, others[0].body)]))
        await call.request(CLUSTER, node=None, nonce=(await call.response()).nonce)
        await eventually(lambda: 'xds_change_seconds_count{type="Cluster"} 1.0' in metrics.text().decode())
        assert "headgate_xds_streams_total 1.0" in metrics.text().decode()


@pytest.fixture(scope="module")
def exporter() -> InMemorySpanExporter:
    """Return an exporter of the spans from here on; an SDK can only be configured once."""
    kept, provider = InMemorySpanExporter(), TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(kept))
    trace.set_tracer_provider(provider)
    return kept


async def test_traces_follow_a_stream(translator: Translator, exporter: InMemorySpanExporter) -> None:
    """A stream is a span, with one for each response, including its result; a publication has its own span."""
    async with serving(observer=Observers(Metrics(), Traces())) as server:
        with span("publish", {"headgate.gateway": KEY}):
            server.publish(KEY, translator.snapshots[OWN])
        call = await answer(server, CLUSTER, "no")
        await call.response()
        call.call.cancel()
        await eventually(lambda: any(each.name == "xds.stream" for each in exporter.get_finished_spans()))
    spans = {each.name: each for each in exporter.get_finished_spans()}
    stream, pushes = (
        spans["xds.stream"],
        [each for each in exporter.get_finished_spans() if each.name == "xds.push"],
    )
    assert spans["publish"].attributes == {"headgate.gateway": KEY}
    assert stream.attributes is not None
    assert stream.attributes["xds.node.id"] == NODE.id
    assert all(each.parent is not None and each.parent.span_id == stream.context.span_id for each in pushes)
    assert pushes[0].status.description == "no"
    assert [each.attributes["xds.type"] for each in pushes if each.attributes] == [CLUSTER, CLUSTER]


def test_without_an_sdk_there_are_no_traces(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the extra, there are no spans, and an observer of streams does nothing."""
    monkeypatch.setattr("headgate.observability.tracing.trace", None)
    with span("evaluate") as found:
        assert found is None
    Traces().closed(None)  # type: ignore[arg-type]
