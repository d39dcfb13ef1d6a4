"""Owned fields, errors of the API server, and single applies of the proxy reconciler."""

from __future__ import annotations

import asyncio
import contextlib
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from translator.backends.rate_limit_service import RATE_LIMIT_SERVICE
from translator.infrastructure.manifest import Manifest, ProxyManifests
from translator.infrastructure.names import label_value, own_service_name, resource_name
from translator.inputs import ApplyResult
from translator.refs import Ref
from watchers.controllers.reconciler import NotLeader
from watchers.informers.list_watch import ObjectChange
from watchers.kubernetes.errors import ApiError, ClusterError, Unreachable
from watchers.proxies.api_errors import is_transient, problem_of
from watchers.proxies.inventory import Inventory, Live, Scale
from watchers.proxies.owned_fields import project
from watchers.proxies.reconciler import ProxyReconciler
from watchers.proxies.server_side_apply import Applier, ApplyError

GATEWAY = Ref("Gateway", "web", "shop")
CONFIG = Ref("ConfigMap", "web", "headgate-shop")
LABELS = {
    "app.kubernetes.io/managed-by": "headgate",
    "gateway.headgate.dev/controller": "me",
    "gateway.networking.k8s.io/gateway-name": "shop",
}
PLAIN = st.recursive(
    st.integers(0, 3) | st.text(max_size=1),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["a", "b", "name"]), inner, max_size=3),
    max_leaves=10,
)


@given(PLAIN, PLAIN)
def test_fields_of_others_are_not_projected(wanted: Any, more: Any) -> None:
    """A projection has only the manifest's fields, and is idempotent."""
    if isinstance(wanted, dict):
        assert project({"c": more, **wanted}, wanted) == project(wanted, wanted)
    once = project(more, wanted)
    assert project(once, wanted) == once


def test_missing_and_different_fields_are_projected() -> None:
    """Missing and different fields, and items of lists with names, show in the projection; others' items do not."""
    like = {"ports": [{"name": "a", "port": 1}], "args": ["x"], "gone": 1}
    live = {"ports": [{"name": "b"}, {"name": "a", "port": 2, "more": 3}], "args": ["x", "y"]}
    assert project(live, like) == {"ports": [{"name": "a", "port": 2}], "args": ["x", "y"]}


@pytest.mark.parametrize(
    ("status", "message", "condition", "reason"),
    [
        (422, "spec.x: Invalid value", "Accepted", "InvalidParameters"),
        (404, "404 page not found", "Programmed", "Pending"),
        (500, "failed to create typed patch object: field not declared", "Accepted", "InvalidParameters"),
        (403, "pods is forbidden: exceeded quota: q", "Programmed", "NoResources"),
        (403, 'User "x" cannot patch resource "services"', "Programmed", "Pending"),
        (403, 'admission webhook "w" denied the request: no', "Programmed", "Pending"),
        (500, 'Internal error occurred: failed calling webhook "w": no route to host', "Programmed", "Pending"),
    ],
)
def test_problems_of_errors(status: int, message: str, condition: str, reason: str) -> None:
    """Each error becomes a problem of a condition, with the object and the API server's message."""
    error = ApiError("PATCH x", status, "", message)
    problem = problem_of(CONFIG, error)
    assert not is_transient(error)
    assert (problem.condition, problem.reason) == (condition, reason)
    assert "ConfigMap web/headgate-shop" in problem.message
    assert message in problem.message


def test_transient_errors_are_no_problems() -> None:
    """Errors of busy servers, and conflicts are transient."""
    assert all(is_transient(ApiError("x", status)) for status in (409, 429, 500, 503))


class Failing:
    """An API server whose first requests fail; later ones return the sent object."""

    def __init__(self, *failures: ClusterError) -> None:
        self.failures = list(failures)
        self.applied: list[Any] = []
        self.gate = asyncio.Event()

    async def request(self, method: str, path: str, *, body: Any = None, **_: Any) -> Any:
        """Respond to a request."""
        if self.failures:
            raise self.failures.pop(0)
        if method == "GET":
            raise ApiError("GET", 404)
        self.applied.append(body)
        self.gate.set()
        return {**body, "metadata": {**body["metadata"], "resourceVersion": "5"}}


def manifest() -> Manifest:
    """Return a ConfigMap."""
    metadata = {"name": "headgate-shop", "namespace": "web", "labels": LABELS}
    return Manifest(CONFIG, {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": {"a": "b"}})


async def test_an_outage_is_no_problem() -> None:
    """During an outage, the apply is retried until it succeeds, and no problem is reported."""
    api, results = Failing(Unreachable("http://x", "away"), ApiError("x", 503)), list[ApplyResult | None]()
    inventory = Inventory()
    wanted = {GATEWAY: ProxyManifests((manifest(),))}
    reconciler = ProxyReconciler(api, wanted, inventory, "me", lambda _, deployed: results.append(deployed))
    leading = asyncio.create_task(reconciler.run())
    async with asyncio.timeout(10):
        await api.gate.wait()
    leading.cancel()
    await asyncio.gather(leading, return_exceptions=True)
    assert (len(api.applied), results) == (1, [])


async def test_only_the_leader_applies() -> None:
    """After the lease was lost, no late write is sent."""
    api = Failing()
    reconciler = ProxyReconciler(
        api, {GATEWAY: ProxyManifests((manifest(),))}, Inventory(), "me", print, may_write=lambda: False
    )
    leading = asyncio.create_task(reconciler.run())
    await asyncio.sleep(0.05)
    assert not leading.done()
    leading.cancel()
    await asyncio.gather(leading, return_exceptions=True)
    assert api.applied == []


async def test_objects_of_a_list_have_not_drifted() -> None:
    """Objects of a list, which lack apiVersion and kind, have not drifted: a new leader applies them once."""
    api, inventory, wanted = Failing(), Inventory(), manifest()
    body = {key: value for key, value in wanted.body.items() if key not in ("apiVersion", "kind")}
    inventory.observe([ObjectChange(CONFIG, {**body, "metadata": {**body["metadata"], "resourceVersion": "5"}})])
    reconciler = ProxyReconciler(api, {GATEWAY: ProxyManifests((wanted,))}, inventory, "me", lambda *_: None)
    leading = asyncio.create_task(reconciler.run())
    await asyncio.sleep(0.05)
    reconciler.enqueue([GATEWAY])
    await asyncio.sleep(0.05)
    leading.cancel()
    await asyncio.gather(leading, return_exceptions=True)
    assert len(api.applied) == 2, "a dry run and an apply"


class Recording:
    """An API server that accepts everything, and records requests.

    Attributes:
        found: the response to a GET.
        requests: the method, the end of the path and whether it is a dry run, in order.
    """

    def __init__(self, found: dict[str, Any] | None = None) -> None:
        self.found = found
        self.requests: list[tuple[str, str, bool]] = []

    async def request(self, method: str, path: str, *, query: Any = None, body: Any = None, **_: Any) -> Any:
        """Respond to a request."""
        self.requests.append((method, "/".join(path.split("/")[-2:]), "dryRun" in (query or {})))
        if method == "GET":
            if self.found is None:
                raise ApiError("GET", 404)
            return self.found
        return {**body, "metadata": {**body.get("metadata", {}), "resourceVersion": "5"}}


async def deployed(
    api: Recording, wanted: ProxyManifests, *there: tuple[Ref, dict[str, Any]]
) -> list[ApplyResult | None]:
    """Reconcile a Gateway with these existing objects; return the reported results."""
    results: list[ApplyResult | None] = []
    inventory = Inventory()
    inventory.observe([ObjectChange(ref, raw) for ref, raw in there])
    reconciler = ProxyReconciler(api, {GATEWAY: wanted}, inventory, "me", lambda _, each: results.append(each))
    leading = asyncio.create_task(reconciler.run())
    for _ in range(20):
        await asyncio.sleep(0)
    leading.cancel()
    await asyncio.gather(leading, return_exceptions=True)
    return results


def stored(name: str = "headgate-shop", **more: Any) -> dict[str, Any]:
    """Return an object as the API server stores it."""
    return {
        "metadata": {"name": name, "namespace": "web", "labels": LABELS, "uid": "u", "resourceVersion": "4"},
        **more,
    }


async def test_objects_of_another_controller_are_not_taken_over() -> None:
    """An object of the same name with the label of another Headgate is a problem, and is never written."""
    theirs = {"metadata": {"labels": {**LABELS, "gateway.headgate.dev/controller": "another"}}}
    api = Recording(theirs)
    (result,) = await deployed(api, ProxyManifests((manifest(),)))
    assert result is not None
    assert [method for method, _, _ in api.requests] == ["GET"]
    mine = Recording({"metadata": {"labels": LABELS}})
    assert await deployed(mine, ProxyManifests((manifest(),))) == []
    assert [method for method, _, _ in mine.requests] == ["GET", "PATCH"]


@pytest.mark.parametrize("available", [0, 1])
async def test_a_workload_of_the_other_kind_stays_until_the_new_one_is_available(available: int) -> None:
    """A Deployment is replaced by a DaemonSet, and deleted once that has an available proxy."""
    name, kind = "headgate-shop", "DaemonSet"
    body = {"apiVersion": "apps/v1", "kind": kind, "metadata": {"name": name, "namespace": "web", "labels": LABELS}}
    api = Recording()
    wanted = ProxyManifests((Manifest(Ref(kind, "web", name), {**body, "spec": {}}),))
    await deployed(
        api,
        wanted,
        (Ref("Deployment", "web", name), stored(status={"availableReplicas": 1})),
        (Ref(kind, "web", name), stored(status={"numberAvailable": available})),
    )
    is_namespace_gone = [path for method, path, _ in api.requests if method == "DELETE"]
    assert is_namespace_gone == [f"deployments/{name}"] * available


async def test_existing_objects_are_validated_before_any_change() -> None:
    """All objects are validated before the first is changed, so that a rejection of the last changes none."""
    other = Manifest(Ref("ConfigMap", "web", "headgate-two"), manifest().body)
    api = Recording()
    await deployed(api, ProxyManifests((manifest(), other)), (CONFIG, stored()), (other.ref, stored("headgate-two")))
    assert [dry_run for _, _, dry_run in api.requests] == [True, True, False, False]


class Watching:
    """An observer that records outcomes."""

    def __init__(self) -> None:
        self.outcomes: list[tuple[str, str]] = []

    def deployed(self, kind: str, outcome: str, seconds: float) -> None:
        """Record the outcome of a write."""
        self.outcomes.append((kind, outcome))


def live(version: str = "4") -> Live:
    """Return the observed ConfigMap."""
    return Live(GATEWAY, "u", version, b"{}")


@pytest.mark.parametrize(
    ("status", "outcome"), [(0, "changed"), (409, "conflict"), (404, "gone"), (403, "refused"), (503, "failed")]
)
async def test_outcomes_of_writes_are_counted(status: int, outcome: str) -> None:
    """Each attempt counts once, by the API server's response; a dry run only if it is rejected."""
    watching = Watching()
    api = Failing(*([ApiError("PATCH", status)] * 2 if status else []))
    applier = Applier(api, "me", lambda: True, watching)
    with contextlib.suppress(ApplyError, ApiError):
        await applier.dry_run(manifest())
    dry_runs = [] if outcome == "changed" else [("ConfigMap", outcome)]
    assert watching.outcomes == dry_runs
    with contextlib.suppress(ApplyError, ApiError):
        await applier.apply(manifest(), live())
    assert watching.outcomes == [*dry_runs, ("ConfigMap", outcome)]


async def test_creations_repairs_and_deletions_are_counted() -> None:
    """Created, changed, repaired and deleted objects are counted separately; unsent writes are not counted."""
    watching, api = Watching(), Failing()
    applier = Applier(api, "me", lambda: True, watching)
    await applier.apply(manifest(), None)
    await applier.apply(manifest(), live(), repair=True)
    assert not await Applier(Failing(ApiError("DELETE", 404)), "me", lambda: True, watching).delete(CONFIG, live())
    with pytest.raises(NotLeader):
        await Applier(api, "me", lambda: False, watching).apply(manifest(), live())
    assert watching.outcomes == [("ConfigMap", each) for each in ("created", "repaired", "gone")]


def test_the_gateway_of_an_object() -> None:
    """An object belongs to its owner, or else to the Gateway of its label, if it has the name for that Gateway."""
    touched: list[set[Ref]] = []
    inventory = Inventory()
    inventory.add_event_handler(lambda gateways: touched.append(set(gateways)))
    metadata = {"labels": LABELS, "resourceVersion": "1", "uid": "u"}
    inventory.observe([ObjectChange(CONFIG, {"metadata": metadata})])
    copy = CONFIG._replace(name="headgate-copy")
    owner = {"kind": "Gateway", "name": "shop"}
    inventory.observe([ObjectChange(copy, {"metadata": {**metadata, "ownerReferences": [owner]}})])
    assert touched == [{GATEWAY}]
    assert [ref for ref, _ in inventory.of(GATEWAY)] == [CONFIG]
    by_others = [{"manager": "kubectl-create", "operation": "Update"}]
    inventory.observe([ObjectChange(CONFIG, {"metadata": {**metadata, "managedFields": by_others}})])
    assert inventory.gateways == frozenset()
    ours = [*by_others, {"manager": "headgate", "operation": "Apply"}]
    inventory.observe([ObjectChange(CONFIG, {"metadata": {**metadata, "managedFields": ours}})])
    assert inventory.gateways == {GATEWAY}
    inventory.observe([ObjectChange(CONFIG, None)])
    assert (inventory.gateways, inventory.get(CONFIG)) == (frozenset(), None)


def test_the_rate_limit_service_of_a_gateway() -> None:
    """Its objects are the Gateway's, by their name, and its pods are no proxies."""
    inventory = Inventory()
    metadata = {"labels": LABELS, "resourceVersion": "1", "uid": "u"}
    body = {"metadata": metadata, "spec": {"replicas": 2}, "status": {"readyReplicas": 1}}
    own = Ref("Deployment", GATEWAY.namespace, own_service_name(RATE_LIMIT_SERVICE.prefix, GATEWAY))
    proxies = own._replace(name=resource_name(GATEWAY))
    inventory.observe([ObjectChange(own, body), ObjectChange(proxies, body)])
    assert [ref for ref, _ in inventory.of(GATEWAY)] == [proxies, own]
    assert list(inventory.scales()) == [Scale(GATEWAY, 2, 1)]


def test_an_object_of_an_unknown_gateway() -> None:
    """An object without an owner and with a shortened label belongs to no known Gateway, and is not deleted."""
    gateway = GATEWAY._replace(name="x" * 100)
    name, label = resource_name(gateway), label_value(gateway.name)
    labels = {**LABELS, "gateway.networking.k8s.io/gateway-name": label}
    metadata: dict[str, Any] = {"labels": labels, "resourceVersion": "1", "uid": "u"}
    touched: list[set[Ref]] = []
    inventory = Inventory()
    inventory.add_event_handler(lambda gateways: touched.append(set(gateways)))
    ref = CONFIG._replace(name=name)
    inventory.observe(
        [ObjectChange(ref, {"metadata": {**metadata, "ownerReferences": [{"kind": "Gateway", "name": gateway.name}]}})]
    )
    assert inventory.gateways == {gateway}
    inventory.observe([ObjectChange(ref, {"metadata": metadata})])
    assert inventory.gateways == frozenset()
    assert inventory.get(ref) is not None
    assert touched == [{gateway}, {gateway}]
