"""What a backendRef may name follows from the kinds of backends that are declared."""

from __future__ import annotations

import pytest

from bench.world import Raw, edit, manifest, route, world
from headgate_proto.envoy.config.endpoint.v3.endpoint_pb2 import ClusterLoadAssignment
from translator.db import Db
from translator.engine.query import query
from translator.extension import Extension
from translator.extensions import EXTENSIONS
from translator.inputs import Edit, Settings
from translator.ir.backend import Backend, BackendEndpoint, BackendKey
from translator.kinds import BackendKind
from translator.objects.schema.base import Fields, NamespacedObject
from translator.outcome import Outcome, Problem
from translator.refs import Ref
from translator.registry import registry
from translator.translator import Translator
from xds.resources.types import ENDPOINT

GATEWAY, ROUTE, POOL = Ref("Gateway", "shop", "web"), Ref("HTTPRoute", "shop", "route-1"), Ref("Pool", "shop", "a")


class PoolSpec(Fields):
    """Where a pool is."""

    address: str


class Pool(NamespacedObject):
    """Somebody's kind of backend."""

    kind = "Pool"
    group = "pools.example.com"
    versions = ("v1",)
    plural = "pools"
    spec: PoolSpec


@query
def pool(db: Db, ref: Ref, port: int) -> Outcome[Backend | None]:
    """Return the backend that a pool is."""
    if db.get(Pool, ref) is None:
        return Outcome(None, (Problem("ResolvedRefs", "BackendNotFound", f"{ref} does not exist; create it."),))
    return Outcome(Backend(BackendKey(*ref), port))


@query
def pool_endpoints(db: Db, backend: Backend) -> tuple[BackendEndpoint, ...]:
    """Return the one endpoint of a pool."""
    found = db.get(Pool, Ref(*backend.key))
    return (BackendEndpoint(found.spec.address, backend.port),) if found is not None else ()


WITH_POOLS = registry((*EXTENSIONS, Extension("pools", backends=(BackendKind(Pool, pool, pool_endpoints),))))


def to_pool(namespace: str = "shop") -> Raw:
    """Return a route to a pool."""
    made = route(1, 4, 5)
    reference = {"group": Pool.group, "kind": Pool.kind, "name": "a", "namespace": namespace, "port": 81}
    made["spec"]["rules"][0]["backendRefs"] = [reference]
    return made


def of(address: str) -> Edit:
    """Return the edit that makes the pool have an address."""
    found = WITH_POOLS.kinds.parse(manifest("pools.example.com/v1", "Pool", "a", spec={"address": address})).object
    return Edit(POOL, found)


@pytest.fixture
def translator() -> Translator:
    """Return a translator with pools, and a route to the pool that is not there yet."""
    made = Translator(Settings(offline=True), registry=WITH_POOLS)
    made.edit((*world(3, 4, 5), edit(to_pool())))
    assert made.evaluate().failures == []
    return made


def resolved(translator: Translator) -> tuple[str, str, str]:
    """Return the condition ResolvedRefs of the route."""
    (parent,) = translator.statuses[ROUTE]["parents"]
    (found,) = (each for each in parent["conditions"] if each["type"] == "ResolvedRefs")
    return found["status"], found["reason"], found["message"]


def test_a_kind_of_an_extension(translator: Translator) -> None:
    """A pool makes a cluster with the endpoints that its kind gives; other Services keep theirs."""
    status, reason, message = resolved(translator)
    assert (status, reason) == ("False", "BackendNotFound")
    assert message.startswith("spec.rules[0].backendRefs[0]: Pool shop/a does not exist")
    translator.edit([of("10.1.1.1")])
    translator.evaluate()
    assert resolved(translator)[0] == "True"
    translator.edit([of("10.1.1.2")])
    translator.evaluate()
    found = translator.snapshots[GATEWAY].resources(ENDPOINT)
    assert sorted(each.rpartition("/")[0] for each in found) == [
        "Pool/shop/a:81",
        "headgate",
        "shop/service-0:80",
        "shop/service-2:80",
    ]
    (body,) = (each.body for name, each in found.items() if name.startswith("Pool/"))
    (endpoint,) = ClusterLoadAssignment.FromString(body).endpoints[0].lb_endpoints
    assert endpoint.endpoint.address.socket_address.address == "10.1.1.2"
    assert translator.snapshots[GATEWAY].dangling() == []


def test_references_across_namespaces_need_a_grant(translator: Translator) -> None:
    """A pool in another namespace needs a ReferenceGrant as a Service does."""
    translator.edit([edit(to_pool("other"))])
    translator.evaluate()
    assert resolved(translator)[:2] == ("False", "RefNotPermitted")


def test_what_is_no_kind_of_backend(translator: Translator) -> None:
    """A kind that nobody declares is refused, with those that there are; so is a kind of another group."""
    some = to_pool()
    some["spec"]["rules"][0]["backendRefs"][0]["group"] = "other.example.com"
    translator.edit([edit(some)])
    translator.evaluate()
    status, reason, message = resolved(translator)
    assert (status, reason) == ("False", "InvalidKind")
    refused = (
        "a Pool.other.example.com is not supported as a backend; refer to one of kind Service or XBackend "
        "or Backend or InferencePool or Pool."
    )
    assert message == f"spec.rules[0].backendRefs[0]: {refused}"
    without = Translator(Settings(offline=True))
    without.edit((*world(3, 4, 5), edit(to_pool())))
    without.evaluate()
    assert resolved(without)[2].endswith("refer to one of kind Service or XBackend or Backend or InferencePool.")
