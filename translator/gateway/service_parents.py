"""Routes of Services: parentRefs that name a Service, whose routes gRPC's own xDS clients apply (GEP-1426).

A route in the Service's namespace is a *producer* route, which is for the clients of all namespaces; one in another
namespace is a *consumer* route, which is for the clients of its own.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from translator.db import Db
from translator.engine.query import query
from translator.ir.listener import ServiceTable
from translator.objects.gateway_api.references import ParentReference
from translator.objects.gateway_api.route import Route
from translator.objects.kubernetes.service import Service, ServicePort
from translator.outcome import Problem
from translator.policies.effective import Stack, own_stack
from translator.refs import Ref


@dataclass(frozen=True, slots=True)
class ServiceParent:
    """The result of one parentRef: the ports of a Service that a route serves, or the problem that prevents it.

    Attributes:
        stack: the policies that the route has to know; None if it has none.
    """

    reference: ParentReference
    service: Ref
    tables: tuple[ServiceTable, ...] = ()
    stack: Stack | None = None
    problem: Problem | None = None


def service_parents(db: Db, route: Ref) -> tuple[ServiceParent, ...]:
    """Return what came of a route's parentRefs that name Services, in their order."""
    found = db.get(Route, route)
    if found is None or not any(names_service(db, route, each) for each in found.spec.parent_refs):
        return ()  # as nearly every route, which so has no memo
    return _parents(db, route)


def names_service(db: Db, route: Ref, reference: ParentReference) -> bool:
    """Whether a route's parent is a Service, and routes of its kind are served to gRPC clients."""
    names = (reference.group, reference.kind) == (Service.group, Service.kind)
    return names and db.registry.route(route.kind).proxyless


@query
def _parents(db: Db, route: Ref) -> tuple[ServiceParent, ...]:
    found = db.get(Route, route)
    references = found.spec.parent_refs if found is not None else ()
    return tuple(_parent(db, route, each) for each in references if names_service(db, route, each))


def _parent(db: Db, route: Ref, reference: ParentReference) -> ServiceParent:
    service = named_service(route, reference)
    found = db.get(Service, service)
    ports = [] if found is None else [each.port for each in found.spec.ports if _selects(reference, each)]
    if found is None or not ports or found.spec.type == "ExternalName":
        problem = Problem("Accepted", "NoMatchingParent", _no_parent(service, found, reference))
        return ServiceParent(reference, service, problem=problem)
    name = f"{service.namespace}/{service.name}"
    tables = tuple(ServiceTable(name, port, route.namespace) for port in ports)
    return ServiceParent(reference, service, tables, own_stack(db, route))


def named_service(route: Ref, reference: ParentReference) -> Ref:
    """Return the Service that a route's parentRef names."""
    return Ref(Service.kind, reference.namespace or route.namespace, reference.name)


def _selects(reference: ParentReference, port: ServicePort) -> bool:
    if port.protocol != "TCP" or reference.section_name not in (None, port.name):
        return False
    return reference.port in (None, port.port)


def _no_parent(service: Ref, found: Service | None, reference: ParentReference) -> str:
    if found is None:
        return f"{service} does not exist; create it or correct the parentRef."
    if found.spec.type == "ExternalName":
        return f"{service} is of type ExternalName, whose routes nobody applies; name another Service."
    wanted = [f"name {reference.section_name}"] if reference.section_name is not None else []
    wanted += [f"number {reference.port}"] if reference.port is not None else []
    asked = f" with {' and '.join(wanted)}" if wanted else ""
    has = ", ".join(f"{each.port}/{each.protocol}{f' ({each.name})' if each.name else ''}" for each in found.spec.ports)
    return f"{service} has no TCP port{asked}; its ports: {has or 'none'}."


def service_tables(db: Db, route: Ref) -> Iterator[tuple[ServiceTable, Stack | None]]:
    """Yield the ports of Services that a route serves, each once, and the policies that it has to know."""
    yield from {table: parent.stack for parent in service_parents(db, route) for table in parent.tables}.items()


def named_services(db: Db, route: Ref) -> Iterator[Ref]:
    """Yield the Services that a route may serve."""
    found = db.get(Route, route)
    for each in found.spec.parent_refs if found is not None else ():
        if names_service(db, route, each):
            yield named_service(route, each)


def service_of(table: ServiceTable) -> Ref:
    """Return the Service of a table."""
    namespace, _, name = table.service.partition("/")
    return Ref(Service.kind, namespace, name)
