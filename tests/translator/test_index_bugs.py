"""An index whose entries raise for one object: what cannot need that object goes on, and nothing is taken away."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from unittest.mock import patch

import pytest
from hypothesis import given

from bench.world import Raw, edit, manifest
from tests.translator.engine.numbers import NUMBER
from tests.translator.test_incremental import assert_same, evaluated, versions
from tests.translator.test_not_synced import SETTINGS, Population, edits
from tests.translator.universe import populations
from translator.engine.database import Database
from translator.engine.query import Index, QueryError, declared_in, index, query
from translator.gateway.attachment import attachment
from translator.inputs import Edit, Settings
from translator.objects.schema.base import KubernetesObject
from translator.refs import Ref
from translator.translator import Translator

pytestmark = pytest.mark.slow

API = "gateway.networking.k8s.io/v1"
GATEWAYS = [Ref("Gateway", team, "web") for team in "ab"]
INDEXES = {each.name: each for each in declared_in("translator")}
CLUSTER = Settings(standalone=False, offline=True, scoped_hostnames=1)
STANDALONE = Settings(standalone=True, offline=True, scoped_hostnames=1)


def team(name: str, port: int, *, standalone: bool) -> list[Raw]:
    """All that a team has: a Gateway and a proxy's pod, a route, a backend elsewhere; in a cluster parameters too."""
    parameters = {"group": "gateway.headgate.dev", "kind": "GatewayParameters", "name": "web"}
    listener = {"name": "http", "port": port, "protocol": "HTTP"}
    spec: dict[str, Any] = {"gatewayClassName": "headgate", "defaultScope": "All", "listeners": [listener]}
    spec |= {"allowedListeners": {"namespaces": {"from": "Same"}}}
    further = {"parentRef": {"name": "web"}, "listeners": [{**listener, "port": port + 10}]}
    spec |= {} if standalone else {"infrastructure": {"parametersRef": parameters}}
    backend = {"name": "shop", "namespace": f"{name}-backends", "port": 80}
    routed = {"parentRefs": [{"name": "web"}], "rules": [{"backendRefs": [backend]}]}
    giver = {"group": "gateway.networking.k8s.io", "kind": "HTTPRoute", "namespace": name}
    grant = {"from": [giver], "to": [{"group": "", "kind": "Service"}]}
    targets = [
        {"group": API.split("/")[0], "kind": kind, "name": of}
        for kind, of in (("Gateway", "web"), ("HTTPRoute", "shop"))
    ]
    policy = {"targetRefs": targets, "cors": {"allowOrigins": ["https://a.com"]}}
    served = {"group": "", "kind": "Service", "name": "shop"}
    tls = {"targetRefs": [served], "validation": {"wellKnownCACertificates": "System", "hostname": "shop.test"}}
    pool = {"group": "inference.networking.k8s.io", "kind": "InferencePool", "name": "models"}
    picked = {"parentRefs": [{"name": "web"}], "rules": [{"backendRefs": [pool]}]}
    pods = {"selector": {"matchLabels": {"app": "models"}}, "targetPorts": [{"number": 8000}]}
    tools = {"ports": [{"name": "mcp", "port": 80, "appProtocol": "mcp"}]}
    made = [
        manifest(API, "Gateway", "web", name, spec=spec),
        manifest("gateway.headgate.dev/v1alpha1", "GatewayParameters", "web", name, spec={}),
        manifest(
            "gateway.headgate.dev/v1alpha1",
            "GatewayExtension",
            "asked",
            name,
            spec={"extAuth": {"grpcService": {"backendRef": {"name": "asked", "port": 80}}, "clearRouteCache": True}},
        ),
        manifest("v1", "Pod", "proxy", name, status={}),
        manifest("gateway.headgate.dev/v1alpha1", "TrafficPolicy", "shop", name, spec=policy),
        manifest(API, "BackendTLSPolicy", "shop", f"{name}-backends", spec=tls),
        manifest(API, "HTTPRoute", "shop", name, spec=routed),
        manifest(API, "HTTPRoute", "child", name, spec={"rules": [{"backendRefs": [backend]}]}),
        manifest(API, "HTTPRoute", "models", name, spec=picked),
        manifest("inference.networking.k8s.io/v1", "InferencePool", "models", name, spec=pods),
        manifest("v1", "Service", "tools", name, spec=tools),
        manifest(API, "ListenerSet", "more", name, spec=further),
        manifest("gateway.networking.k8s.io/v1beta1", "ReferenceGrant", "shop", f"{name}-backends", spec=grant),
        manifest("v1", "Service", "shop", f"{name}-backends", spec={"ports": [{"name": "http", "port": 80}]}),
        manifest(
            "gateway.networking.x-k8s.io/v1alpha1",
            "XBackend",
            "external",
            name,
            spec={
                "type": "ExternalHostname",
                "externalHostname": {"hostname": f"{name}.example.com"},
                "port": {"number": 443},
            },
        ),
        manifest(
            "discovery.k8s.io/v1",
            "EndpointSlice",
            "shop-1",
            f"{name}-backends",
            addressType="IPv4",
            endpoints=[{"addresses": ["10.0.0.1"]}],
            ports=[{"name": "http", "port": 8080}],
        ),
    ]
    made[3]["metadata"]["labels"] = {"gateway.networking.k8s.io/gateway-name": "web"}
    made[-1]["metadata"]["labels"] = {"kubernetes.io/service-name": "shop"}
    return made


def population(settings: Settings) -> list[Edit]:
    """Two teams that share nothing but the class and the definitions."""
    spec = {"controllerName": settings.controller_name}
    class_ = manifest(API, "GatewayClass", "headgate", "", spec=spec)
    definition = manifest("apiextensions.k8s.io/v1", "CustomResourceDefinition", f"gateways.{API.split('/')[0]}", "")
    shared = [] if settings.standalone else [class_, definition]
    teams = [
        each for name, port in (("a", 10080), ("b", 10081)) for each in team(name, port, standalone=settings.standalone)
    ]
    return [edit(each) for each in (*shared, *teams)]


@contextmanager
def broken(listing: Index[Any, Any], *sources: Ref) -> Iterator[None]:
    """Have the entries of an index raise for these objects."""
    function = listing.entries.function

    def raising(db: Any, source: Ref) -> Any:
        if source in sources:
            raise RuntimeError("a bug")
        return function(db, source)

    with patch.object(listing.entries, "function", raising):
        yield


def is_over(listing: Index[Any, Any], found: object) -> bool:
    """Tell whether an index is over an object: over its kind, or a class of it, unless it leaves it alone."""
    assert isinstance(found, KubernetesObject)
    if not listing.is_over(found.kind, type(found)):
        return False
    return listing.projection is None or listing.projection(found) is not None


def cases() -> Iterator[Any]:
    """Each index with each object of the first team, or of nobody's, that it is over, in a cluster and without one."""
    for settings in (CLUSTER, STANDALONE):
        for name, listing in INDEXES.items():
            for ref, found in population(settings):
                if is_over(listing, found) and not ref.namespace.startswith("b"):
                    place = "standalone" if settings.standalone else "cluster"
                    yield pytest.param(settings, listing, ref, id=f"{place}-{name}-{ref.kind}")


CASES = pytest.mark.parametrize(("settings", "listing", "ref"), list(cases()))


def test_every_index_of_objects_is_tried() -> None:
    """There is an object for each index, so that none is left out; what proxies refuse is no object, nor metadata."""
    others = {INDEXES[each] for each in ("nacks_by_route", "labelled_secrets")}
    assert {case.values[1] for case in cases()} == set(INDEXES.values()) - others


@CASES
def test_at_the_start_the_others_are_served(settings: Settings, listing: Index[Any, Any], ref: Ref) -> None:
    """The other team's Gateway is all that it would be without the bug; the first one's is that, or is held.

    The bug names its object, also at a Gateway that is held. Once it is mended all is as if it had never been.
    """
    ours, other = GATEWAYS
    whole, translator = evaluated(settings, population(settings), {}), Translator(settings)
    translator.edit(population(settings))
    with broken(listing, ref):
        changes = translator.evaluate()
    assert [each.label for each in changes.failures] == [f"{listing.name}({ref})"]
    if listing is INDEXES["relations"]:  # routes of any Gateway may delegate to a child
        assert translator.snapshots == {}
    else:
        assert versions([(other, translator.snapshots[other])]) == versions([(other, whole.snapshots[other])])
        assert translator.deployments.get(other) == whole.deployments.get(other)
        assert translator.statuses[other] == whole.statuses[other]
    assert versions(translator.snapshots.items()).items() <= versions(whole.snapshots.items()).items()
    assert not any(map(translator.serves_nothing, whole.snapshots))
    assert not any(map(translator.has_no_status, whole.statuses))
    if ours not in translator.snapshots and ours in translator.statuses:
        assert f"{listing.name}({ref}): RuntimeError" in str(translator.statuses[ours])
    translator.edit([Edit(ref, None)])
    translator.evaluate()
    translator.edit([each for each in population(settings) if each.ref == ref])
    assert translator.evaluate().failures == []
    assert_same(translator, whole)


@CASES
def test_later_all_is_served(settings: Settings, listing: Index[Any, Any], ref: Ref) -> None:
    """An object that was listed stays so, and what else changes is served, for whomever; the bug is told."""
    translator = evaluated(settings, population(settings), {})
    changed = Edit(ref, newer(translator.object(ref), {"generation": 2}))
    route: Any = translator.object(Ref("HTTPRoute", "b", "shop"))
    moved = Edit(route.ref, route.model_copy(update={"spec": route.spec.model_copy(update={"hostnames": ("b.test",)})}))
    with broken(listing, ref):
        translator.edit([changed, moved])
        changes = translator.evaluate()
    assert {each.label for each in changes.failures} <= {f"{listing.name}({ref})"}  # it reads little of its object
    assert GATEWAYS[1] in changes.snapshots
    whole = evaluated(settings, [*population(settings), changed, moved], {})
    assert_same(translator, whole)
    assert dict(translator.deployments) == dict(whole.deployments)


def contributions(db: Database, found: Population, part: str) -> dict[tuple[str, Ref], Any]:
    """Return what `entries` or `partitions` of each index give for each object."""
    over = [(each, ref) for each in INDEXES.values() for ref in dict.fromkeys(one.ref for one in found)]
    over = [(each, ref) for each, ref in over if ref.kind in each.collections]
    return {(each.name, ref): db.read(getattr(each, part), (ref,)) for each, ref in over}


@given(SETTINGS, populations())
def test_what_an_object_may_contribute_to_holds_what_it_contributes(settings: Settings, found: Population) -> None:
    """The partitions of an object are those of all its keys at least, also where no attachment can be computed."""
    db = evaluated(settings, edits(found), {})._db
    entries, partitions = (contributions(db, found, part) for part in ("entries", "partitions"))
    with patch.object(attachment, "function", side_effect=RuntimeError):
        unattached = evaluated(settings, edits(found), {})._db
        try:
            wider = contributions(unattached, found, "partitions")
        except QueryError:  # default Gateways are unknown: all partitions count
            wider = partitions
    for (name, ref), filed in entries.items():
        used = {INDEXES[name].partition_of(key) for key, _ in filed}
        assert used <= set(partitions[name, ref])
        assert used <= set(wider[name, ref])


def newer(found: Any, metadata: dict[str, Any]) -> Any:
    """Return an object with something else in its metadata."""
    return found.model_copy(update={"metadata": found.metadata.model_copy(update=metadata)})


def first_letter(_db: Database, name: str) -> str:
    """Return the partition of a name; of one in capitals that is a bug too."""
    if name.isupper():
        raise ValueError("loud")
    return name[0]


@index(NUMBER, partitions=first_letter, partition_of=lambda key: key[0])
def names(db: Database, name: str) -> Iterator[tuple[str, int]]:
    """Index numbers by the first two letters of their name; 13 is a bug."""
    found = db.input(NUMBER, name)
    if found == 13:
        raise ValueError("unlucky")
    yield name[:2], found


@query
def listed(db: Database, key: str) -> tuple[int, ...]:
    """Return what is listed under two letters."""
    return db.select(names, key)


def database(**numbers: int) -> Database:
    """Return a database with these numbers, and the index of their names."""
    made = Database((names,))
    for name, number in numbers.items():
        made.set(NUMBER, name, number)
    return made


def known(db: Database, key: str) -> bool:
    """Whether it is known what is listed under a key; if not, the bug names the input."""
    try:
        listed(db, key)
    except QueryError as error:
        return not (error.not_synced and error.bug.startswith("names("))
    return True


def test_only_the_partition_of_a_failing_input_is_unknown() -> None:
    """Keys of the same partition are not known, empty ones included; all others are; and so until it is mended."""
    db = database(one=1, otto=13, two=2)
    assert [known(db, each) for each in ("on", "ot", "ox", "tw", "xx")] == [False, False, False, True, True]
    db.evaluate()
    db.set(NUMBER, "otto", 8)
    assert [known(db, each) for each in ("on", "ot", "ox", "tw")] == [True] * 4
    assert listed(db, "ot") == (8,)


def test_readers_hear_of_a_partition_that_gets_incomplete() -> None:
    """A reader that had a value is told, if it reads that partition, and no other reader runs again."""
    db = database(one=1, two=2)
    assert (listed(db, "on"), listed(db, "tw")) == ((1,), (2,))
    db.set(NUMBER, "omen", 13)
    before = db.executions["listed"]
    assert [known(db, each) for each in ("on", "tw")] == [False, True]
    assert db.executions["listed"] == before + 1


def test_without_its_partitions_a_failing_input_may_be_anywhere() -> None:
    """While it raises too to which partitions an input belongs, no bucket is known."""
    db = database(one=1, TWO=13)
    assert not known(db, "on")
    db.set(NUMBER, "TWO", None)
    assert known(db, "on")


def test_nothing_is_left_of_a_failing_input() -> None:
    """What was remembered of an input whose entries failed goes with the bug, or with the input."""
    db = database(one=1)
    listed(db, "on")
    db.evaluate()
    size = len(db)
    for number in (None, 5):
        db.set(NUMBER, "otto", 13)
        db.evaluate()
        db.set(NUMBER, "otto", number)
        db.evaluate()
        assert db.failures == []
        db.set(NUMBER, "otto", None)
        db.evaluate()
        assert len(db) == size
