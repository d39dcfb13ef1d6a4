"""Resources that only a removed or replaced listener uses stay while its connections drain."""

import pytest

from tests.xds.sample_resources import cluster, endpoints, listener, path, routes
from tests.xds.talk import settled
from xds.resources.types import CLUSTER, LISTENER, ROUTE

both = pytest.mark.parametrize("delta", [True, False], ids=["delta", "sotw"])


@both
def test_what_a_removed_listener_used_outlives_its_connections(delta: bool) -> None:
    """A cluster that only a removed listener leads to stays while that drains, and so do its routes."""
    talk = settled(*path("a"), delta=delta)
    talk.publish()
    assert talk.hear() == ([], ["l"])
    talk.accept(LISTENER)
    talk.now += 599
    assert talk.hear() is None
    assert talk.session.deadline() == 600.0
    gone: list[str] = []
    for second in range(600, 605):
        talk.now = float(second)
        while (heard := talk.hear()) is not None:
            gone += heard[1]
            for url in talk.nonces:
                talk.accept(url)
    assert gone == (["r", "a", "a"] if delta else ["a"])


@both
def test_a_client_that_has_drained_says_so(delta: bool) -> None:
    """Once the client drops the routes of a removed listener, what only they refer to is removed."""
    talk = settled(*path("a"), delta=delta)
    talk.publish()
    talk.hear(LISTENER)
    talk.accept(LISTENER)
    talk.now += 10
    assert talk.hear() is None
    talk.ask(ROUTE, drop=["r"], nonce=talk.nonces[ROUTE])
    talk.hear()
    talk.now += 1
    assert talk.hear(CLUSTER) == ([], ["a"])


@both
def test_a_listener_replaced_keeps_what_only_the_old_one_used(delta: bool) -> None:
    """A listener that moves to other routes leaves the old ones for its old connections; shared ones are as ever."""
    talk = settled(*path("a"), delta=delta)
    moved = [cluster("b"), endpoints("b"), routes("s", {"/": "b"}), listener("l", 80, "s")]
    talk.publish(*moved)
    talk.hear(CLUSTER)
    talk.accept(CLUSTER)
    assert talk.hear(LISTENER) == (["l"], [])
    talk.accept(LISTENER)
    talk.now += 599
    while (heard := talk.hear()) is not None:
        assert heard[1] == []
    talk.publish(*moved[:2], routes("s", {"/x": "b"}), listener("l", 81, "s"))
    assert len(talk.session.substreams[LISTENER].draining) == 1
