"""Incremental evaluation gives the outputs of the current objects, whatever was edited in whatever order."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import chain, repeat
from random import Random

from hypothesis import given
from hypothesis import strategies as st

from headgate_proto.envoy.config.route.v3 import route_pb2
from tests.translator.universe import objects, populations
from translator.envoy.route import BROKEN
from translator.inputs import AttributedNack, Edit, GatewaySyncStatus, Invalid, Settings
from translator.objects.partial import partial_object
from translator.objects.schema.base import Fields, KubernetesObject
from translator.refs import Ref
from translator.translator import Changes, Translator
from xds.protocol.nacks import Nack
from xds.resources import references
from xds.resources.resource import Reference, Resource
from xds.resources.snapshot import Snapshot
from xds.resources.types import LISTENER, ROUTE, SECRET

SETTINGS = st.builds(
    Settings,
    standalone=st.booleans(),
    offline=st.booleans(),
    descriptors=st.sampled_from([None, 1000]),
    policy_namespaces=st.sampled_from([frozenset(), frozenset("a")]),
    policy_affected=st.booleans(),
    scoped_hostnames=st.sampled_from((0, 0, 0, 1)),
)
REJECTIONS = st.builds(
    AttributedNack, st.builds(Nack, st.just(LISTENER), st.sampled_from(["port-80", "port-81", ""]), st.just("no"))
)
DELIVERIES = st.builds(
    GatewaySyncStatus,
    clients=st.integers(0, 1),
    all_acked=st.booleans(),
    nacks=st.lists(REJECTIONS, max_size=1).map(tuple),
)
GATEWAYS = st.builds(Ref, st.just("Gateway"), st.sampled_from("ab"), st.sampled_from(["g1", "g2"]))
Fed = dict[Ref, GatewaySyncStatus]
REQUESTED = frozenset(f"{name}.{namespace}.svc:80" for name in ("w1", "w2") for namespace in "ab")


def edits_of(found: KubernetesObject) -> st.SearchStrategy[Edit]:
    """Return an object comes most of the time, goes, or is there and cannot be read."""
    raw = {"spec": getattr(found, "spec", Fields()).model_dump(mode="json", by_alias=True)}
    refused = Edit(found.ref, Invalid("no", partial_object(raw)._replace(generation=2)))
    return st.sampled_from([Edit(found.ref, found)] * 6 + [Edit(found.ref, None)] * 2 + [refused])


EDITS = objects().flatmap(edits_of)
BEGINNINGS = populations().map(lambda found: [Edit(each.ref, each) for each in found])
STEPS = st.builds(lambda first, then: [first, *then], BEGINNINGS, st.lists(st.lists(EDITS, max_size=3), max_size=5))
Steps = list[list[Edit]]
Versions = dict[Ref, dict[tuple[str, str], str]]


def versions(snapshots: Iterable[tuple[Ref, Snapshot]]) -> Versions:
    """Snapshots as the names and versions of their resources."""
    return {ref: {(each.type_url, each.name): each.version for each in found} for ref, found in snapshots}


def final(steps: Steps, chance: Random) -> list[Edit]:
    """Return the edits that bring what is there after all edits, in any order: of the unreadable also as it was."""
    read: dict[Ref, Edit] = {}
    latest: dict[Ref, Edit] = {}
    for each in (each for step in steps for each in step):
        latest[each.ref] = each
        if not isinstance(each.object, Invalid):
            read[each.ref] = each
    found = [each for each in read.values() if each.object is not None]
    refused = [each for each in latest.values() if isinstance(each.object, Invalid)]
    chance.shuffle(found)
    chance.shuffle(refused)
    return found + refused


def needs(table: Resource) -> frozenset[Reference]:
    """Return what a RouteConfiguration names: it counts as unchanged when it says the same."""
    message = route_pb2.RouteConfiguration.FromString(table.body)
    found = (Reference(*each) for each in references.of(message))
    return frozenset(each for each in found if each.name != BROKEN)


class Follower:
    """A consumer that knows only the translator's changes, as the publisher and the status writer do."""

    def __init__(self) -> None:
        self.snapshots: dict[Ref, Snapshot] = {}
        self.statuses: dict[Ref, object] = {}

    def follow(self, changes: Changes) -> None:
        """Take what an evaluation brought."""
        assert changes.failures == []
        for ref, snapshot in changes.snapshots.items():
            self.snapshots.pop(ref, None)
            if snapshot is not None:
                assert snapshot.dangling() == []
                for each in snapshot.resources(ROUTE).values():
                    assert each.references == needs(each)
                self.snapshots[ref] = snapshot
        for ref, status in changes.statuses.items():
            self.statuses.pop(ref, None)
            if status is not None:
                self.statuses[ref] = status

    def check(self, translator: Translator) -> None:
        """Assert that following the changes leads to what the translator holds."""
        assert self.snapshots == dict(translator.snapshots)
        assert self.statuses == dict(translator.statuses)


def evaluated(settings: Settings, found: Iterable[Edit], fed: Fed, requested: str = "") -> Translator:
    """Return a translator that never saw anything but these edits, deliveries, and namespaces of gRPC clients."""
    made = Translator(settings)
    for namespace in requested:
        made.set_requested(namespace, REQUESTED)
    made.edit(found)
    for gateway, delivery in fed.items():
        made.set_sync_status(gateway, delivery)
    made.evaluate()
    return made


def assert_same(one: Translator, other: Translator) -> None:
    """Assert that two translators give the same to the proxies and to the users."""
    assert versions(one.snapshots.items()) == versions(other.snapshots.items())
    assert dict(one.statuses) == dict(other.statuses)
    assert clients(one) == clients(other)


def clients(translator: Translator) -> dict[str, dict[tuple[str, str], str]]:
    """Return the names and versions of the resources of gRPC clients, none of which is a Secret."""
    found = dict(translator.client_snapshots)
    assert all(each.dangling() == [] and not each.resources(SECRET) for each in found.values())
    return {name: {(each.type_url, each.name): each.version for each in snapshot} for name, snapshot in found.items()}


@given(SETTINGS, STEPS, st.dictionaries(GATEWAYS, DELIVERIES), st.randoms(use_true_random=False))
def test_incremental_equals_from_scratch(settings: Settings, steps: Steps, fed: Fed, chance: Random) -> None:
    """After any edits, snapshots and statuses are those of a translator that sees the final objects in any order.

    On the way no snapshot refers to what it does not hold or to what it has no use for, nothing fails, and the changes
    tell all that changed.
    """
    translator, follower = Translator(settings), Follower()
    for step, namespace in zip(steps, chain("ab", repeat("b")), strict=False):
        translator.edit(step)
        translator.set_requested(namespace, REQUESTED)
        follower.follow(translator.evaluate())
        follower.check(translator)
        for gateway, delivery in fed.items():
            translator.set_sync_status(gateway, delivery)
    for namespace in "ab":
        translator.set_requested(namespace, REQUESTED)
    follower.follow(translator.evaluate())
    follower.check(translator)
    assert_same(translator, evaluated(settings, final(steps, chance), fed, "ab"))
