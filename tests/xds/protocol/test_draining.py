"""Resources that only a removed or replaced listener uses stay while its connections drain."""

import pytest

from tests.xds.sample_resources import cluster, endpoints, listener, path, routes
from tests.xds.talk import settled
from xds.resources.types import CLUSTER, LISTENER, ROUTE

both = pytest.mark.parametrize("delta", [True, False], ids=["delta", "sotw"])


@both
def test_resources_of_a_removed_listener_stay_while_it_drains(delta: bool) -> None:
    """A cluster that only a removed listener refers to stays while it drains, and so do its routes."""
    talk = settled(*path("a"), delta=delta)
    talk.publish()
    assert talk.response() == ([], ["l"])
    talk.accept(LISTENER)
    talk.now += 599
    assert talk.response() is None
    assert talk.session.deadline() == 600.0
    gone: list[str] = []
    for second in range(600, 605):
        talk.now = float(second)
        while (received := talk.response()) is not None:
            gone += received[1]
            for url in talk.nonces:
                talk.accept(url)
    assert gone == (["r", "a", "a"] if delta else ["a"])


@both
def test_a_client_that_has_drained_unsubscribes(delta: bool) -> None:
    """Once the client unsubscribes from the routes of a removed listener, what only they refer to is removed."""
    talk = settled(*path("a"), delta=delta)
    talk.publish()
    talk.response(LISTENER)
    talk.accept(LISTENER)
    talk.now += 10
    assert talk.response() is None
    talk.request(ROUTE, drop=["r"], nonce=talk.nonces[ROUTE])
    talk.response()
    talk.now += 1
    assert talk.response(CLUSTER) == ([], ["a"])


@both
def test_resources_of_a_replaced_listener_stay_while_it_drains(delta: bool) -> None:
    """A listener with other routes leaves the old ones to its old connections; shared ones are not affected."""
    talk = settled(*path("a"), delta=delta)
    moved = [cluster("b"), endpoints("b"), routes("s", {"/": "b"}), listener("l", 80, "s")]
    talk.publish(*moved)
    talk.response(CLUSTER)
    talk.accept(CLUSTER)
    assert talk.response(LISTENER) == (["l"], [])
    talk.accept(LISTENER)
    talk.now += 599
    while (received := talk.response()) is not None:
        assert received[1] == []
    talk.publish(*moved[:2], routes("s", {"/x": "b"}), listener("l", 81, "s"))
    assert len(talk.session.substreams[LISTENER].draining) == 1
