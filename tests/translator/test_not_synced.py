"""Kinds that have not synced, as where RBAC lacks a rule: nothing is made of a part of the objects."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.world import edit, gateway, manifest, route, world
from tests.translator.engine.numbers import NUMBER, signs
from tests.translator.test_incremental import assert_same, evaluated, versions
from tests.translator.universe import objects, populations
from translator.engine.database import Database
from translator.engine.query import QueryError, query
from translator.inputs import Edit, Settings, not_synced
from translator.objects.schema.base import KubernetesObject
from translator.refs import Ref
from translator.registry import KINDS
from translator.translator import Translator

pytestmark = pytest.mark.slow

GATEWAY = Ref("Gateway", "shop", "web")
NOT_SYNCED = st.sampled_from(sorted(KINDS))
SETTINGS = st.builds(Settings, standalone=st.just(False), offline=st.booleans())
Population = list[KubernetesObject]


@query
def value(db: Database, name: str) -> object:
    """Return a number, 0 if there is none."""
    return db.input(NUMBER, name) or 0


@query
def positive_ones(db: Database) -> int:
    """How many numbers are positive."""
    return db.count(signs, "positive")


def test_what_is_there_can_be_read() -> None:
    """Of a domain that is not known, what was told is known; what was not told is not absent."""
    db = Database((signs,))
    db.set_synced(NUMBER, False)
    db.set(NUMBER, "one", 1)
    assert value(db, "one") == 1
    with pytest.raises(QueryError, match="NotSyncedError: Number") as raised:
        value(db, "two")
    assert raised.value.not_synced
    with pytest.raises(QueryError, match="NotSyncedError: signs"):
        positive_ones(db)


def test_once_it_is_known_it_is_read() -> None:
    """What could not be told is told as soon as the domain is known; and not any more if it is not known again."""
    db = Database((signs,))
    told: list[object] = []
    db.set_synced(NUMBER, False)
    for each in ("one", "two"):
        db.add_root(value, (each,), lambda memo: told.append(memo.failure or memo.value))
    db.set(NUMBER, "one", 1)
    db.evaluate()
    assert told.count(1) == 1
    assert db.failures == []
    told.clear()
    db.set_synced(NUMBER, True)
    db.evaluate()
    assert (told, positive_ones(db)) == ([0], 1)
    db.set_synced(NUMBER, False)
    db.evaluate()
    assert isinstance(told[-1], QueryError)
    with pytest.raises(QueryError, match="NotSyncedError"):
        positive_ones(db)


def edits(found: Population) -> list[Edit]:
    """Edits that bring objects in."""
    return [Edit(each.ref, each) for each in found]


def parts(found: Population, kind: str) -> tuple[list[Edit], list[Edit]]:
    """Edits that tell all objects but those of a kind, and that the kind is not read; and those that tell the rest."""
    rest, late = (edits([each for each in found if (each.kind == kind) is late]) for late in (False, True))
    return [*rest, not_synced(kind, "", "may not")], [*late, not_synced(kind, "", "")]


@given(SETTINGS, NOT_SYNCED, populations())
def test_nothing_is_made_of_half(settings: Settings, kind: str, found: Population) -> None:
    """Whatever kind is not read: what is published, told or deployed nevertheless is what it would be with all of it.

    And once it is read, all is as if it had been known from the beginning.
    """
    first, late = parts(found, kind)
    whole, translator = evaluated(settings, edits(found), {}), Translator(settings)
    translator.edit(first)
    assert translator.evaluate().failures == []
    published, told = versions(translator.snapshots.items()), dict(translator.statuses)
    assert published.items() <= versions(whole.snapshots.items()).items()
    assert all(whole.statuses.get(ref) == status for ref, status in told.items())
    for ref, proxies in translator.deployments.items():
        assert proxies.paused or proxies == whole.deployments.get(ref)
    translator.edit(late)
    assert translator.evaluate().failures == []
    assert_same(translator, whole)
    assert dict(translator.deployments) == dict(whole.deployments)


@given(SETTINGS, NOT_SYNCED, populations(), st.lists(objects(), max_size=3))
def test_nothing_is_taken_away(settings: Settings, kind: str, found: Population, later: Population) -> None:
    """A kind that cannot be read any more takes no Gateway's resources away, whatever else changes meanwhile."""
    translator = evaluated(settings, edits(found), {})
    later = [each for each in later if each.kind != kind]
    whole = evaluated(settings, edits([*found, *later]), {})
    translator.edit([not_synced(kind, "", "may not"), *edits(later)])
    changes = translator.evaluate()
    assert changes.failures == []
    assert all(ref not in whole.snapshots for ref, snapshot in changes.snapshots.items() if snapshot is None)
    for snapshot in translator.snapshots.values():
        assert snapshot.dangling() == []


def cluster() -> list[Edit]:
    """Ten routes of a Gateway, its class and their namespace."""
    spec = {"controllerName": Settings().controller_name}
    class_ = manifest("gateway.networking.k8s.io/v1", "GatewayClass", "headgate", "", spec=spec)
    return [edit(class_), edit(manifest("v1", "Namespace", "shop", "")), *world(10, 2, 5)]


@pytest.mark.parametrize("kind", ["GatewayClass", "Gateway", "HTTPRoute", "Service", "EndpointSlice"])
def test_without_what_everything_needs_it_is_blind(kind: str) -> None:
    """Where no Gateway's resources can be told, that is known: nobody is sent away, and no replica is ready."""
    translator = Translator(Settings(standalone=False))
    known = [each for each in cluster() if each.ref.kind != kind]
    translator.edit([*known, not_synced(kind, "", "may not")])
    translator.evaluate()
    assert (translator.nothing_synced, translator.serves_nothing(GATEWAY)) == (True, False)
    assert not translator.snapshots
    translator.edit([*cluster(), not_synced(kind, "", "")])
    translator.evaluate()
    assert (translator.nothing_synced, translator.serves_nothing(GATEWAY)) == (False, False)
    assert translator.serves_nothing(Ref("Gateway", "shop", "other"))


def test_the_rest_goes_on() -> None:
    """A kind that nothing refers to keeps nothing from being served when it cannot be read."""
    translator = Translator(Settings(standalone=False))
    translator.edit([*cluster(), *(not_synced(each, "", "may not") for each in ("Secret", "DirectResponse"))])
    changes = translator.evaluate()
    assert not translator.nothing_synced
    assert GATEWAY in changes.snapshots


def test_parts_of_a_kind_are_read_one_by_one() -> None:
    """Of a kind that is read namespace by namespace, all must have been before any of it counts as absent."""
    translator = Translator(Settings(standalone=False))
    translator.edit([*cluster(), not_synced("HTTPRoute", "a", "may not"), not_synced("HTTPRoute", "b", "may not")])
    translator.evaluate()
    translator.edit([not_synced("HTTPRoute", "a", "")])
    translator.evaluate()
    assert translator.nothing_synced
    translator.edit([not_synced("HTTPRoute", "b", "")])
    translator.evaluate()
    assert not translator.nothing_synced


def test_only_gateways_that_need_it_wait() -> None:
    """What one route needs and cannot be told keeps its own Gateway as it was, and no other one."""
    translator = Translator(Settings(standalone=False))
    other = gateway()
    other["metadata"]["name"] = "other"
    crossing = route(11, 2, 5)
    crossing["spec"]["parentRefs"] = [{"name": "other"}]
    crossing["spec"]["rules"][0]["backendRefs"][0]["namespace"] = "elsewhere"
    translator.edit([*cluster(), edit(other), edit(crossing), not_synced("ReferenceGrant", "", "may not")])
    translator.evaluate()
    assert set(translator.snapshots) == {GATEWAY}
    translator.edit([edit(route(12, 2, 5)), not_synced("ReferenceGrant", "", "")])
    assert set(translator.evaluate().snapshots) == {GATEWAY, Ref("Gateway", "shop", "other")}
