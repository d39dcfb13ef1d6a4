"""The front door: changes after edits, reports of bugs, and traces of results."""

from __future__ import annotations

import pytest

from bench.world import edit, endpoint_slice, gateway, removal, route, service, world
from headgate_proto.envoy.config.cluster.v3 import cluster_pb2
from translator.envoy import cluster as clusters
from translator.envoy.names import PROXIES
from translator.inputs import Edit, Invalid, Settings, not_synced
from translator.ir.backend import Backend
from translator.refs import Ref
from translator.translator import Translator
from xds.resources.resource import Reference
from xds.resources.snapshot import diff
from xds.resources.types import CLUSTER, ENDPOINT, LISTENER, ROUTE

GATEWAY = Ref("Gateway", "shop", "web")
ROUTE_5 = Ref("HTTPRoute", "shop", "route-5")


@pytest.fixture
def translator() -> Translator:
    """Ten routes over two hosts to five Services."""
    made = Translator(Settings(offline=True))
    made.edit(world(10, 2, 5))
    assert made.evaluate().failures == []
    return made


def test_nothing_is_reported_twice(translator: Translator) -> None:
    """An evaluation without edits before it brings nothing."""
    changes = translator.evaluate()
    assert (changes.snapshots, changes.statuses, changes.deployments) == ({}, {}, {})


def test_a_gateway_without_listeners_has_a_snapshot() -> None:
    """A Gateway whose every listener is refused is published once, as what any proxy asks for, which must not wait."""
    translator = Translator(Settings(offline=True))
    reserved = gateway(port=19000)
    translator.edit([edit(reserved)])
    assert [(each.type_url, each.name) for each in translator.evaluate().snapshots[GATEWAY] or ()] == [
        (ENDPOINT, PROXIES)
    ]
    reserved["metadata"]["generation"] = 2
    translator.edit([edit(reserved)])
    changes = translator.evaluate()
    assert (list(changes.snapshots), list(changes.statuses)) == ([], [GATEWAY])


def test_gone_and_come_back_is_no_change(translator: Translator) -> None:
    """Objects that are replaced in one batch, as editors replace files, do not make their resources be sent again."""
    batch = list(world(10, 2, 5))
    translator.edit([*(each._replace(object=None) for each in batch), *batch])
    changes = translator.evaluate()
    assert changes.snapshots == {}


def test_a_gateway_that_goes_takes_its_snapshot_along(translator: Translator) -> None:
    """Without its Gateway there is no snapshot, no status and nothing remembered but that routes look for it."""
    translator.edit([removal(gateway())])
    changes = translator.evaluate()
    assert changes.snapshots == {GATEWAY: None}
    assert changes.statuses[GATEWAY] is None
    assert changes.deployments.get(GATEWAY) is None
    assert not translator.snapshots


def test_everything_that_goes_leaves_nothing(translator: Translator) -> None:
    """A translator from which all objects were removed remembers nothing."""
    translator.edit([each._replace(object=None) for each in world(10, 2, 5)])
    translator.evaluate()
    assert translator.memos == 0
    assert not translator.statuses


def test_a_gateway_that_never_could_be_read_is_forgotten_when_it_goes() -> None:
    """The proxies of a Gateway that cannot be read are left alone, until the Gateway goes."""
    translator = Translator(Settings(standalone=False))
    translator.edit([Edit(GATEWAY, Invalid("spec: is required"))])
    paused = translator.evaluate().deployments[GATEWAY]
    assert paused is not None
    assert paused.paused
    translator.edit([Edit(GATEWAY, None)])
    assert translator.evaluate().deployments == {GATEWAY: None}
    assert not translator.deployments


def test_silence_is_known_or_not() -> None:
    """Of objects that may be ours it is not sure that there is nothing to tell, until all is known that decides it."""
    translator = Translator(Settings(standalone=False))
    translator.edit([not_synced("GatewayClass", "", "denied"), *world(10, 2, 5)])
    translator.evaluate()
    assert not translator.statuses
    assert not translator.has_no_status(GATEWAY)
    assert not translator.has_no_status(ROUTE_5)
    translator.edit([not_synced("GatewayClass", "", "")])
    translator.evaluate()
    assert not translator.statuses
    assert translator.has_no_status(GATEWAY)
    assert translator.has_no_status(ROUTE_5)
    translator.edit([not_synced("GatewayClass", "", "denied"), removal(route(5, 2, 5))])
    translator.evaluate()
    assert translator.has_no_status(ROUTE_5)


def test_a_bug_is_contained(translator: Translator, monkeypatch: pytest.MonkeyPatch) -> None:
    """What a bug hits keeps its last good value and is told with each evaluation; all else goes on."""
    before = translator.snapshots[GATEWAY]

    def broken(backend: Backend) -> cluster_pb2.Cluster:
        raise ZeroDivisionError("bug")

    h2c = service(3)
    h2c["spec"]["ports"][0]["appProtocol"] = "kubernetes.io/h2c"
    with monkeypatch.context() as patch:
        patch.setattr(clusters, "cluster", broken)
        translator.edit([edit(h2c), edit(endpoint_slice(1, address="10.9.9.9")), edit(route(5, 2, 5, path="/new"))])
        changes = translator.evaluate()
    assert [each.label.partition("(")[0] for each in changes.failures] == ["cluster_resource"]
    changed = diff(before, translator.snapshots[GATEWAY])
    assert changed.keys() == {ENDPOINT}  # the table would refer to the cluster that is missing
    assert translator.snapshots[GATEWAY].dangling() == []
    assert any(name.startswith("shop/service-1") for names in changed.values() for name in names)
    assert translator.evaluate().failures == changes.failures
    translator.edit([edit(service(3)), edit(endpoint_slice(1)), edit(route(5, 2, 5))])
    assert translator.evaluate().failures == []
    assert diff(before, translator.snapshots[GATEWAY]) == {}


def test_why_a_status_is_so(translator: Translator) -> None:
    """The reads behind a route's status name the objects that it depends on."""
    why = translator.trace_status(ROUTE_5)
    assert why is not None
    told = "\n".join(why.lines())
    assert "route_status(HTTPRoute shop/route-5)" in told
    for name in ("Gateway shop/web", "Service shop/service-0", "HTTPRoute shop/route-5"):
        assert name in told
    assert translator.trace_status(Ref("Secret", "shop", "none")) is None


def test_why_a_resource_is_so(translator: Translator) -> None:
    """The reads behind a resource name the objects that it was made from, and there are none of one that is not."""
    why = translator.trace_resource(GATEWAY, Reference(ROUTE, "port-10080"))
    assert why is not None
    told = "\n".join(why.lines())
    assert all(f"HTTPRoute shop/route-{number}" in told for number in range(10))
    assert translator.trace_resource(GATEWAY, Reference(LISTENER, "port-1")) is None
    assert translator.trace_resource(Ref("Gateway", "a", "b"), Reference(CLUSTER, "c")) is None


def test_why_is_told_once_for_what_many_read(translator: Translator) -> None:
    """What is read in many places is told in full in one of them, so that the answer is no larger than the database."""
    why = translator.trace_resource(GATEWAY, Reference(ROUTE, "port-10080"))
    assert why is not None
    assert len(list(why.lines())) < 5 * translator.memos
    assert sum(line.strip() == "input(Gateway, Gateway shop/web)" for line in why.lines()) < 10


def test_an_object_is_given_back(translator: Translator) -> None:
    """What was fed in can be asked for, as it is now."""
    assert translator.object(GATEWAY) == edit(gateway()).object
    assert translator.object(Ref("Gateway", "a", "b")) is None
