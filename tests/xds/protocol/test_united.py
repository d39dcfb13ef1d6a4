"""A client keeps the parts of a discovered filter that its routes name, until it has accepted other routes."""

import pytest

from headgate_proto.envoy.config.core.v3 import extension_pb2
from headgate_proto.envoy.extensions.filters.http.jwt_authn.v3 import config_pb2
from headgate_proto.envoy.service.discovery.v3 import discovery_pb2
from tests.xds.sample_resources import cluster, listener, named_routes, requirements
from tests.xds.talk import Talk, settled
from xds.resources.resource import Resource
from xds.resources.types import CLUSTER, EXTENSION_CONFIG, ROUTE

both = pytest.mark.parametrize("delta", [True, False], ids=["delta", "sotw"])

BASE = [cluster("a", eds=False), listener("l", 80, "r")]


def sent(talk: Talk) -> list[str]:
    """Return the names of the requirements in the next response, which has one extension config."""
    response = talk.session.next()
    assert response is not None
    assert response.type_url == EXTENSION_CONFIG
    talk.nonces[response.type_url] = response.nonce
    if talk.session.delta:
        packed = discovery_pb2.DeltaDiscoveryResponse.FromString(response.data).resources[0].resource
    else:
        packed = discovery_pb2.DiscoveryResponse.FromString(response.data).resources[0]
    made = extension_pb2.TypedExtensionConfig.FromString(packed.value)
    return sorted(config_pb2.JwtAuthentication.FromString(made.typed_config.value).requirement_map)


def accept(talk: Talk, url: str) -> None:
    """Accept the last response of a type."""
    names = {ROUTE: "r", EXTENSION_CONFIG: "jwt"}
    talk.accept(url, *(() if talk.session.delta else (names[url],)))


@both
def test_new_parts_come_before_routes_and_old_ones_go_after(delta: bool) -> None:
    """A part in place of another is added first; once the routes that name it are accepted, the other goes."""
    talk = settled(*BASE, requirements("jwt", "p", "s"), named_routes("r", "a", "p"), delta=delta)
    talk.publish(*BASE, requirements("jwt", "q", "s"), named_routes("r", "a", "q"))
    assert sent(talk) == ["p", "q", "s"]
    assert talk.response() is None
    accept(talk, EXTENSION_CONFIG)
    assert talk.response(ROUTE) == (["r"], [])
    assert talk.response() is None
    accept(talk, ROUTE)
    assert sent(talk) == ["q", "s"]
    accept(talk, EXTENSION_CONFIG)
    assert talk.session.synced()
    assert talk.response() is None
    assert talk.session.deadline() is None


@both
def test_a_removed_part_costs_one_response(delta: bool) -> None:
    """A part that only goes is removed once the routes that do not name it are accepted."""
    talk = settled(*BASE, requirements("jwt", "p"), named_routes("r", "a", "p"), delta=delta)
    talk.publish(*BASE, requirements("jwt"), named_routes("r", "a"))
    assert talk.response(ROUTE) == (["r"], [])
    assert talk.response() is None
    accept(talk, ROUTE)
    assert sent(talk) == []
    accept(talk, EXTENSION_CONFIG)
    assert talk.response() is None


@both
def test_an_edit_without_routes_is_sent_as_it_is(delta: bool) -> None:
    """Where no route changes, the configuration is sent as it is in the snapshot."""
    talk = settled(*BASE, requirements("jwt", "p", "s"), named_routes("r", "a", "p"), delta=delta)
    talk.publish(*BASE, requirements("jwt", "p"), named_routes("r", "a", "p"))
    assert sent(talk) == ["p"]


@both
def test_parts_stay_while_snapshots_follow_each_other(delta: bool) -> None:
    """What the accepted routes name stays through several snapshots, whether these change the configuration or not."""
    talk = settled(*BASE, requirements("jwt", "p"), named_routes("r", "a", "p"), delta=delta)
    talk.publish(*BASE, requirements("jwt", "q"), named_routes("r", "a", "q"))
    assert sent(talk) == ["p", "q"]
    talk.publish(*BASE, requirements("jwt", "q"), named_routes("r", "a", "q", "/x"))
    accept(talk, EXTENSION_CONFIG)
    assert talk.response(ROUTE) == (["r"], [])
    talk.publish(*BASE, requirements("jwt", "s"), named_routes("r", "a", "s"))
    assert sent(talk) == ["p", "q", "s"]
    accept(talk, EXTENSION_CONFIG)
    accept(talk, ROUTE)
    assert talk.response(ROUTE) == (["r"], [])
    accept(talk, ROUTE)
    assert sent(talk) == ["s"]
    accept(talk, EXTENSION_CONFIG)
    assert talk.response() is None
    assert talk.session.deadline() is None


@both
def test_rejected_routes_keep_their_parts(delta: bool) -> None:
    """While a client rejects new routes, what its old routes name stays."""
    talk = settled(*BASE, requirements("jwt", "p"), named_routes("r", "a", "p"), delta=delta)
    talk.publish(*BASE, requirements("jwt"), named_routes("r", "a"))
    assert talk.response(ROUTE) == (["r"], [])
    talk.reject(ROUTE, *(() if delta else ("r",)))
    assert talk.response(EXTENSION_CONFIG) is None
    talk.publish(*BASE, requirements("jwt"), named_routes("r", "a", "", "/x"))
    assert talk.response(ROUTE) == (["r"], [])
    accept(talk, ROUTE)
    assert sent(talk) == []


@both
def test_what_kept_parts_refer_to_stays(delta: bool) -> None:
    """The cluster that a kept part fetches keys from is removed after that part."""
    keys = cluster("keys", eds=False)
    had = requirements("jwt", "p", keys="keys")
    talk = settled(*BASE, keys, had, named_routes("r", "a", "p"), delta=delta)
    talk.publish(*BASE, requirements("jwt"), named_routes("r", "a"))
    assert talk.response(ROUTE) == (["r"], [])
    talk.now += 3
    assert talk.response() is None
    accept(talk, ROUTE)
    assert sent(talk) == []
    accept(talk, EXTENSION_CONFIG)
    assert talk.response() is None
    talk.now += 1
    assert talk.response(CLUSTER) == ([], ["keys"])


@both
def test_routes_wait_for_new_parts(delta: bool) -> None:
    """Routes are sent once the part that they name is accepted, and that once its cluster is."""
    talk = settled(*BASE, requirements("jwt"), named_routes("r", "a"), delta=delta)
    new = requirements("jwt", "p", keys="keys")
    talk.publish(*BASE, cluster("keys", eds=False), new, named_routes("r", "a", "p"))
    assert talk.response(CLUSTER) == (["keys"], [])
    assert talk.response() is None
    talk.accept(CLUSTER)
    assert sent(talk) == ["p"]
    assert talk.response() is None
    accept(talk, EXTENSION_CONFIG)
    assert talk.response(ROUTE) == (["r"], [])


@both
def test_routes_wait_no_longer_than_the_deadline(delta: bool) -> None:
    """A client that never answers for an extension config gets its routes after a deadline."""
    talk = settled(*BASE, requirements("jwt"), named_routes("r", "a"), delta=delta)
    talk.publish(*BASE, requirements("jwt", "p"), named_routes("r", "a", "p"))
    assert sent(talk) == ["p"]
    assert talk.response() is None
    talk.now += 5
    assert talk.response(ROUTE) == (["r"], [])


@both
def test_another_type_of_filter_is_not_united(delta: bool) -> None:
    """A configuration of another type, or of one that is not known, has nothing of the one before."""
    had = requirements("jwt", "p")
    talk = settled(*BASE, had, named_routes("r", "a", "p"), delta=delta)
    made = extension_pb2.TypedExtensionConfig(name="jwt")
    made.typed_config.type_url, made.typed_config.value = "type.googleapis.com/none.Known", b"x"
    talk.publish(*BASE, other := Resource.pack(made), named_routes("r", "a"))
    response = talk.session.next()
    assert response is not None
    assert other.body in response.data
