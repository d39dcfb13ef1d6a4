"""The oracle's responses, and clients that compare what they get with a snapshot."""

from __future__ import annotations

from pathlib import Path

from bench.oracle import Oracle
from bench.oracle_server import encode
from bench.oracle_target import OracleTarget, run_settings
from bench.whole_clients import WholeClients
from headgate_proto.envoy.service.discovery.v3.discovery_pb2 import DeltaDiscoveryResponse
from xds import ROUTE, Resource, Snapshot


def test_a_response_has_the_bytes_of_its_resources() -> None:
    """A response has each resource as it is, and the names of the removed ones."""
    found = DeltaDiscoveryResponse.FromString(encode(ROUTE, [(ROUTE, "one", "v1", b"\x0a\x03one")], ["two"]))
    assert [(each.name, each.version, each.resource.value) for each in found.resources] == [
        ("one", "v1", b"\x0a\x03one")
    ]
    assert list(found.removed_resources) == ["two"]


async def test_clients_get_the_whole_snapshot_from_the_oracle(tmp_path: Path) -> None:
    """Clients of the oracle are complete, and nothing that they get differs from the snapshot."""
    snapshot = OracleTarget(tmp_path, 3, 8080, 2, settings=run_settings()).snapshot
    with Oracle.start() as oracle:
        oracle.load(snapshot)
        clients = WholeClients(oracle.port, "shop/web", "", snapshot)
        clients.connect(3)
        await clients.until_complete(3, longest=30)
        await clients.close()
    assert (clients.partial, clients.received) == (0, 3 * len(snapshot))


async def test_a_resource_of_another_content_counts_as_partial() -> None:
    """A client counts what differs from the snapshot that it expects."""
    expected = Snapshot.of([Resource.of(ROUTE, "one", b"\x0a\x03one")])
    with Oracle.start() as oracle:
        oracle.load([Resource.of(ROUTE, "one", b"\x0a\x03two")])
        clients = WholeClients(oracle.port, "shop/web", "", expected)
        clients.connect(1)
        await clients.until_complete(1, longest=30)
        await clients.close()
    assert clients.partial == 1
