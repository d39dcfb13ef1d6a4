"""Collections that clients subscribe to by a glob, also with a real Envoy: clusters, and endpoints (LEDS)."""

from pathlib import Path

import pytest

from headgate_proto.envoy.config.cluster.v3 import cluster_pb2
from headgate_proto.envoy.config.endpoint.v3 import endpoint_components_pb2, endpoint_pb2
from tests.xds.envoy_process import free_port, running_envoy, upstream
from tests.xds.sample_resources import ADS, cluster, endpoints, listener, routes
from tests.xds.talk import Talk
from xds.resources.resource import Resource
from xds.resources.snapshot import Snapshot
from xds.resources.types import CLUSTER, ENDPOINT
from xds.server.server import Server, Timeouts

both = pytest.mark.parametrize("delta", [True, False], ids=["delta", "sotw"])

HERE = "xdstp://here/envoy.config.endpoint.v3.ClusterLoadAssignment/"


def assignment(name: str, *ports: int) -> Resource:
    """Return an assignment whose name is a URL."""
    return endpoints(HERE + name, *ports)


@both
def test_a_glob_stands_for_its_members(delta: bool) -> None:
    """All members of a collection are sent, those of other and of nested ones are not; changes follow."""
    one, two, other, deep = (assignment(each) for each in ("c/1", "c/2", "d/1", "c/e/1"))
    talk = Talk(one, two, other, deep, delta=delta)
    talk.request(ENDPOINT, HERE + "c/*")
    assert talk.response() == ([one.name, two.name], [])
    talk.accept(ENDPOINT, *(() if delta else (HERE + "c/*",)))
    assert talk.session.synced()
    three = assignment("c/3")
    talk.publish(assignment("c/1", 1), three, other, deep)
    assert talk.response() == ([one.name, three.name], [])
    talk.accept(ENDPOINT, *(() if delta else (HERE + "c/*",)))
    talk.now += 1
    assert talk.response() == (([], [two.name]) if delta else None)
    assert talk.session.substreams[ENDPOINT].holdings().keys() == {one.name, three.name}


def test_a_glob_without_members_does_not_exist() -> None:
    """An empty collection is reported as removed; a member that is added later is sent."""
    talk = Talk(assignment("d/1"), delta=True)
    talk.request(ENDPOINT, HERE + "c/*")
    assert talk.response() == ([], [HERE + "c/*"])
    talk.accept(ENDPOINT)
    talk.publish(assignment("d/1"), assignment("c/1"))
    assert talk.response() == ([HERE + "c/1"], [])


def test_a_glob_requested_before_the_first_snapshot() -> None:
    """A client that connects before the first snapshot gets the members later, and no removals."""
    early = Talk(delta=True)
    waits = type(early.session)(delta=True, clock=lambda: 0.0)
    early.session = waits
    early.request(ENDPOINT, HERE + "c/*")
    assert early.response() is None
    early.publish(assignment("c/1"))
    assert early.response() == ([HERE + "c/1"], [])
    early.accept(ENDPOINT)
    assert early.response() is None


def test_an_unsubscribed_glob_drops_its_members() -> None:
    """No changes of the members are sent any more, except of those requested by name."""
    one, two = assignment("c/1"), assignment("c/2")
    talk = Talk(one, two, delta=True)
    talk.request(ENDPOINT, HERE + "c/*", two.name)
    assert talk.response() == ([one.name, two.name], [])
    talk.request(ENDPOINT, drop=[HERE + "c/*"], nonce=talk.nonces[ENDPOINT])
    talk.publish(assignment("c/1", 1), assignment("c/2", 1))
    assert talk.response() == ([two.name], [])


def test_a_reconnected_client_gets_the_changes_of_a_glob() -> None:
    """A client with members from an earlier stream gets the changed ones, and the removals."""
    one, two = assignment("c/1"), assignment("c/2")
    talk = Talk(one, two, delta=True)
    had = {one.name: one.version, two.name: "old", HERE + "c/3": "gone"}
    talk.request(ENDPOINT, HERE + "c/*", had=had)
    assert talk.response() == ([two.name], [])
    talk.accept(ENDPOINT)
    talk.now += 1
    assert talk.response() == ([], [HERE + "c/3"])


def test_a_full_response_contains_the_members() -> None:
    """In the state-of-the-world variant, each response contains all clusters of a glob."""
    url = "xdstp://here/envoy.config.cluster.v3.Cluster/"
    made = [Resource.pack(cluster_pb2.Cluster(name=url + each)) for each in ("c/1", "c/2", "d/1")]
    talk = Talk(*made, delta=False)
    talk.request(CLUSTER, url + "c/*")
    response = talk.session.next()
    assert response is not None
    assert response.resources == 2
    assert made[2].body not in response.data


def member(port: int) -> endpoint_components_pb2.LbEndpoint:
    """Return an endpoint on loopback."""
    message = endpoint_components_pb2.LbEndpoint()
    address = message.endpoint.address.socket_address
    address.address, address.port_value = "127.0.0.1", port
    return message


async def test_an_envoy_gets_a_collection_of_endpoints(envoy_path: Path) -> None:
    """A real Envoy uses the members of a locality's collection of endpoints (LEDS), and follows their changes."""
    port = free_port()
    url = "xdstp://here/envoy.config.endpoint.v3.LbEndpoint/a/"
    message = endpoint_pb2.ClusterLoadAssignment(cluster_name="a")
    members = message.endpoints.add().leds_cluster_locality_config
    members.leds_config.CopyFrom(ADS)
    members.leds_collection_name = url + "*"
    base = [cluster("a"), Resource.pack(message), routes("r", {"/": "a"}), listener("l", port, "r")]
    async with (
        upstream("one") as one,
        upstream("two") as two,
        Server(lambda node: node.cluster, timeouts=Timeouts(removal_delay=0.1)) as server,
    ):
        server.publish("gateway", Snapshot.of([*base, Resource.pack(member(one), url + "1")]))
        async with running_envoy(envoy_path, server.port, delta=True) as envoy:
            await envoy.answers(port, "/", (200, "one"))
            server.publish("gateway", Snapshot.of([*base, Resource.pack(member(two), url + "2")]))
            await envoy.answers(port, "/", (200, "two"))


@both
async def test_an_envoy_gets_the_clusters_of_a_glob(envoy_path: Path, delta: bool) -> None:
    """A real Envoy with a collection of clusters in its bootstrap gets its members, and not those of another."""
    url = "xdstp://here/envoy.config.cluster.v3.Cluster/"
    mine, more, other = (
        Resource.pack(cluster_pb2.Cluster(name=url + each, type=cluster_pb2.Cluster.STATIC))
        for each in ("mine/1", "mine/2", "other/1")
    )
    async with Server(lambda node: node.cluster, timeouts=Timeouts(removal_delay=0.1)) as server:
        server.publish("gateway", Snapshot.of([mine, other]))
        running = running_envoy(envoy_path, server.port, delta=delta, clusters=url + "mine/*")
        async with running as envoy:
            await envoy.holds("mine/1::", "/clusters")
            server.publish("gateway", Snapshot.of([more, other]))
            await envoy.holds("mine/2::", "/clusters")
            await envoy.lacks("mine/1::", "/clusters")
            assert "other" not in await envoy.admin("/clusters")
