"""A query that raises, whichever it is, takes nothing away that is served."""

from __future__ import annotations

import pkgutil
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from typing import Any
from unittest.mock import patch

import pytest
from hypothesis import given
from hypothesis import strategies as st

import translator as package
from bench.world import edit, manifest
from tests.translator.strategies import parsed
from tests.translator.test_incremental import assert_same, evaluated, versions
from tests.translator.test_not_synced import SETTINGS, Population, edits
from tests.translator.universe import objects, populations
from translator.engine.query import Index, Query
from translator.inputs import Edit, Settings
from translator.objects.schema.base import KubernetesObject
from translator.translator import Translator
from xds.resources.snapshot import diff

pytestmark = pytest.mark.slow


def queries() -> Iterator[tuple[str, Query[..., Any]]]:
    """Return all queries of the translator by their names, and the entries of its indexes."""
    for info in pkgutil.walk_packages(package.__path__, "translator."):
        for name, each in vars(import_module(info.name)).items():
            if isinstance(each, Index):
                yield name, each.entries
            elif isinstance(each, Query):
                yield name, each


QUERIES = dict(queries())


class Bug(Exception):
    """An unexpected error."""


@contextmanager
def broken(name: str, one_in: int) -> Iterator[None]:
    """Have a query raise, for one in so many of its calls."""
    query = QUERIES[name]
    function = query.function

    def raising(db: Any, *args: Any) -> Any:
        if sum(map(ord, str(args))) % one_in == 0:
            raise Bug(name)
        return function(db, *args)

    with patch.object(query, "function", raising):
        yield


def same(whole: Any, status: Any) -> bool:
    """Whether a status is what it would be without the bug, but for the condition that tells of it."""
    if not any("A bug in Headgate" in each["message"] for each in status.get("conditions", ())):
        return bool(whole == status)
    computed = {**status, "conditions": [each for each in status["conditions"] if each["type"] != "Programmed"]}
    expected = {**whole, "conditions": [each for each in whole["conditions"] if each["type"] != "Programmed"]}
    return computed in (expected, {"conditions": []})


NAMES = st.sampled_from(sorted(QUERIES))
SHARE = st.integers(1, 3)


@given(SETTINGS, NAMES, SHARE, populations())
def test_at_the_start_nothing_follows_from_a_bug(settings: Any, name: str, share: int, found: Population) -> None:
    """What is published, told or deployed all the same is what it would be without the bug; nothing counts as gone."""
    whole, translator = evaluated(settings, edits(found), {}), Translator(settings)
    translator.edit(edits(found))
    with broken(name, share):
        translator.evaluate()
        assert versions(translator.snapshots.items()).items() <= versions(whole.snapshots.items()).items()
        assert all(same(whole.statuses.get(ref), status) for ref, status in translator.statuses.items())
        assert all(each.paused or each == whole.deployments.get(ref) for ref, each in translator.deployments.items())
        assert translator.deployments.keys() >= whole.deployments.keys()  # beyond these all are held
        assert not any(map(translator.serves_nothing, whole.snapshots))
        assert not any(map(translator.has_no_status, whole.statuses))


@given(SETTINGS, NAMES, SHARE, populations(), st.lists(objects(), max_size=3))
def test_later_nothing_goes_because_of_a_bug(
    settings: Any, name: str, share: int, found: Population, later: Population
) -> None:
    """What a bug hits stays as it was: nothing goes that would not go without it."""
    translator = evaluated(settings, edits(found), {})
    snapshots, statuses = dict(translator.snapshots), dict(translator.statuses)
    deployments = dict(translator.deployments)
    whole = evaluated(settings, edits([*found, *later]), {})
    with broken(name, share):
        translator.edit(edits(later))
        translator.evaluate()
    for gateway, before in snapshots.items():
        if gateway in whole.snapshots:
            now = translator.snapshots[gateway]
            assert now.dangling() == []
            left = {each.reference for each in whole.snapshots[gateway]} & {each.reference for each in before}
            assert left <= {each.reference for each in now}
    assert (statuses.keys() & whole.statuses.keys()) <= translator.statuses.keys()
    for gateway, proxies in deployments.items():
        if proxies.manifests and (wanted := whole.deployments.get(gateway)) and wanted.manifests:
            assert translator.deployments[gateway].manifests


API = "gateway.networking.k8s.io/v1"
STANDALONE = Settings(standalone=True, offline=True)
CLASS_SPEC = {"controllerName": "gateway.headgate.dev/controller"}
LISTENER = {"name": "http", "port": 80, "protocol": "HTTP"}
GATEWAY_SPEC = {"gatewayClassName": "headgate", "listeners": [LISTENER]}
GATEWAY = parsed(manifest(API, "Gateway", "web", spec=GATEWAY_SPEC))
BACKEND = parsed(manifest("v1", "Service", "shop", spec={"ports": [{"name": "http", "port": 80}]}))
EXTERNAL = parsed(manifest("v1", "Service", "shop", spec={"type": "ExternalName", "externalName": "z.test"}))


def attached(*gateways: str) -> KubernetesObject:
    """Return a route to the Service `shop`, attached to Gateways."""
    rules = [{"backendRefs": [{"name": "shop", "port": 80}]}]
    spec = {"parentRefs": [{"name": each} for each in gateways], "rules": rules}
    return parsed(manifest(API, "HTTPRoute", "shop", spec=spec))


@pytest.mark.parametrize("standalone", [False, True])
@pytest.mark.parametrize(
    ("name", "found", "later"),
    [
        pytest.param("backends", [GATEWAY, attached("web"), BACKEND], [EXTERNAL], id="another backend"),
        pytest.param("backends", [GATEWAY, attached("web")], [BACKEND], id="a first backend"),
        pytest.param("backends", [GATEWAY, BACKEND], [attached("web")], id="a new route"),
        pytest.param("routes", [GATEWAY, attached("web"), BACKEND], [attached("other")], id="a route that leaves"),
    ],
)
def test_a_table_waits_for_clusters_that_an_index_lacks(
    name: str, found: Population, later: Population, *, standalone: bool
) -> None:
    """Where an index keeps its old entries, a table that does not fit them stays; the Gateway says so until it ends."""
    settings = Settings(standalone=standalone, offline=True)
    given = [edit(manifest(API, "GatewayClass", "headgate", "", spec=CLASS_SPEC)), *edits(found)]
    translator = evaluated(settings, given, {})
    before = translator.snapshots[GATEWAY.ref]
    with broken(name, 1):
        translator.edit(edits(later))
        failures = translator.evaluate().failures
    assert [each.label for each in failures] == [f"{name}(HTTPRoute shop/shop)"]
    assert translator.snapshots[GATEWAY.ref].dangling() == []
    assert diff(before, translator.snapshots[GATEWAY.ref]) == {}
    assert "A bug in Headgate" in str(translator.statuses[GATEWAY.ref])
    translator.edit([Edit(attached().ref, None)])
    translator.evaluate()
    translator.edit(edits([*found, *later]))
    assert translator.evaluate().failures == []
    assert_same(translator, evaluated(settings, [*given, *edits(later)], {}))


def test_a_gateway_is_not_published_with_clusters_missing() -> None:
    """Of a new Gateway whose table needs a cluster that an index lacks, nothing is published until that is over."""
    translator = evaluated(STANDALONE, edits([BACKEND]), {})
    with broken("backends", 1):
        translator.edit(edits([GATEWAY, attached("web")]))
        translator.evaluate()
    assert GATEWAY.ref not in translator.snapshots
    assert not translator.serves_nothing(GATEWAY.ref)
    assert "A bug in Headgate" in str(translator.statuses[GATEWAY.ref])
    translator.edit([Edit(attached().ref, None)])
    translator.evaluate()
    translator.edit(edits([attached("web")]))
    translator.evaluate()
    assert_same(translator, evaluated(STANDALONE, edits([BACKEND, GATEWAY, attached("web")]), {}))


@pytest.mark.parametrize("standalone", [False, True])
def test_a_bug_is_not_told_at_the_gateway_of_another_controller(*, standalone: bool) -> None:
    """A Gateway that goes over to another controller while a bug hits it loses its status."""
    settings = Settings(standalone=standalone, offline=True)
    class_ = manifest(API, "GatewayClass", "headgate", "", spec=CLASS_SPEC)
    other = manifest(API, "GatewayClass", "other", "", spec={"controllerName": "example.com/other"})
    specs = ({"gatewayClassName": each, "listeners": [{**LISTENER, "port": 81}]} for each in ("headgate", "other"))
    changed, handed_over = (parsed(manifest(API, "Gateway", "web", spec=spec)) for spec in specs)
    translator = evaluated(settings, [edit(class_), edit(other), *edits([GATEWAY])], {})
    with broken("gateway_outputs", 1):
        translator.edit([Edit(GATEWAY.ref, None), *edits([changed])])
        translator.evaluate()
        assert "A bug in Headgate" in str(translator.statuses[GATEWAY.ref])
        translator.edit(edits([handed_over]))
        assert [each.label for each in translator.evaluate().failures] == ["gateway_outputs(Gateway shop/web)"]
    assert GATEWAY.ref not in translator.statuses
