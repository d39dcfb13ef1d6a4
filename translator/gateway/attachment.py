"""Attachment of routes to listeners, with the reason where a listener does not accept a route."""

from __future__ import annotations

from collections.abc import Iterator, Set
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import NamedTuple

from translator.db import Db
from translator.delegation.paths import Path, SiblingPlace, order, paths
from translator.delegation.relations import may_be_child
from translator.engine.query import QueryError, index, query
from translator.gateway.gateways import gateway_spec, is_managed
from translator.gateway.hostnames import intersect, specificity
from translator.gateway.listener_sets import named_gateway, parent_gateway, serving_gateway
from translator.gateway.listeners import Attachable, ListenerState, attachable_listeners
from translator.gateway.service_parents import named_services, service_of, service_tables
from translator.ir.listener import RouteConfigKey, ServiceTable, TablePart, table_part
from translator.ir.route_scope import scope_of
from translator.objects.gateway_api.gateway import Gateway, gateway_of
from translator.objects.gateway_api.listener import ListenerOwner
from translator.objects.gateway_api.listenerset import ListenerSet
from translator.objects.gateway_api.references import ParentReference
from translator.objects.gateway_api.route import Route
from translator.outcome import Problem
from translator.permissions.namespaces import permits
from translator.policies.effective import Stack, child_stack, route_stack
from translator.refs import ListenerRef, Ref


class Domain(NamedTuple):
    """A domain of a route: the narrower of the listener's and the route's hostname, and the route's hostname."""

    name: str
    route_hostname: str


@dataclass(frozen=True, slots=True)
class Binding:
    """A route on one listener: under which domains of which route table.

    Attributes:
        stack: the policies of the listener and its Gateway that it has to know; None if no policy concerns it.
        path: the rules by which the route is a child of one that is attached to the listener; empty for that one.
    """

    listener: ListenerRef
    table: RouteConfigKey
    domains: tuple[Domain, ...]
    stack: Stack | None
    path: Path = ()


@dataclass(frozen=True, slots=True)
class ParentStatus:
    """The result of one parentRef: the listeners that the route attached to, or the problem that prevents it.

    Attributes:
        gateway: the Gateway that serves these listeners, or would; the parent itself if there is no such Gateway.
    """

    reference: ParentReference
    gateway: Ref
    bindings: tuple[Binding, ...]
    problem: Problem | None = None


class ChildAttachment(tuple[ParentStatus, ...]):
    """The attachment of a route that may be served as a child too: others do not even look for parents."""

    __slots__ = ()

    def __eq__(self, other: object) -> bool:
        return isinstance(other, ChildAttachment) and super().__eq__(other)

    def __ne__(self, other: object) -> bool:
        return not self == other  # that of tuples compares the elements alone

    __hash__ = tuple.__hash__


@query
def attachment(db: Db, route: Ref) -> tuple[ParentStatus, ...]:
    """Return what came of a route's parentRefs that name Gateways of ours, in their order, then of the defaults.

    It is a `ChildAttachment` if the route may be a child.
    """
    found = db.get(Route, route)
    if found is None:
        return ()
    named = [each for each in found.spec.parent_refs if is_ours(db, route, each)]
    made = tuple(
        _attach(db, route, reference, found.hostnames)
        for reference in (*named, *_defaults(db, route, found, {_parent(route, each) for each in named}))
    )
    return ChildAttachment(made) if may_be_child(found) else made


def _default_scopes(db: Db, gateway: Ref) -> tuple[str, ...]:
    found = db.get(Gateway, gateway)
    return (found.spec.default_scope,) if found is not None and found.spec.default_scope == "All" else ()


@index(Gateway.kind, partitions=_default_scopes)
def default_gateways(db: Db, gateway: Ref) -> Iterator[tuple[str, Ref]]:
    """File our default Gateways under their scope (`GatewaySpec.defaultScope`; GEP-3793)."""
    spec = gateway_spec(db, gateway)
    if spec is not None and spec.default_scope == "All" and is_managed(db, gateway):
        yield spec.default_scope, gateway


def _defaults(db: Db, route: Ref, found: Route, named: Set[Ref]) -> Iterator[ParentReference]:
    """Yield the default Gateways that a route asks for, as references to those that it does not name."""
    if found.spec.use_default_gateways == "All":
        for each in db.select(default_gateways, "All"):
            if each not in named:
                yield ParentReference(namespace=each.namespace, name=each.name)


def _parent(route: Ref, reference: ParentReference) -> Ref:
    return Ref(reference.kind, reference.namespace or route.namespace, reference.name)


def is_ours(db: Db, route: Ref, reference: ParentReference) -> bool:
    """Whether a route's parent is for us to answer for; standalone nobody else could, where it does not exist."""
    if reference.group != ListenerOwner.group or reference.kind not in (Gateway.kind, ListenerSet.kind):
        return False
    parent = _parent(route, reference)
    gateway = named_gateway(db, parent)
    if gateway is not None and is_managed(db, gateway):
        return True
    return db.settings.standalone and (gateway is None or db.get(Gateway, gateway) is None)


def _attach(db: Db, route: Ref, reference: ParentReference, hostnames: tuple[str, ...]) -> ParentStatus:
    parent = _parent(route, reference)
    gateway = parent_gateway(db, parent) or parent
    named = [each for each in attachable_listeners(db, parent) if _selects(reference, each.state)]
    if not named:
        return ParentStatus(
            reference, gateway, (), Problem("Accepted", "NoMatchingParent", _no_parent(db, parent, reference))
        )
    refusals = [_refusal(db, each.state, route) for each in named]
    allowed = [each for each, refusal in zip(named, refusals, strict=True) if not refusal]
    if not allowed:
        text = f"{parent} does not take the route: {'; '.join(refusals)}."
        return ParentStatus(reference, gateway, (), Problem("Accepted", "NotAllowedByListeners", text))
    bound = (_bind(db, route, each, hostnames) for each in allowed)
    bindings = tuple(each for each in bound if each is not None)
    if not bindings:
        served = ", ".join(sorted({each.state.hostname or "*" for each in allowed}))
        text = (
            f"spec.hostnames: none of {', '.join(hostnames)} is served by a listener of {parent} (it serves {served})."
        )
        return ParentStatus(reference, gateway, (), Problem("Accepted", "NoMatchingListenerHostname", text))
    return ParentStatus(reference, gateway, bindings)


def _selects(reference: ParentReference, listener: ListenerState) -> bool:
    if reference.section_name is not None and reference.section_name != listener.name:
        return False
    return reference.port is None or reference.port == listener.port


def _no_parent(db: Db, parent: Ref, reference: ParentReference) -> str:
    if db.get(ListenerOwner, parent) is None:
        return f"{parent} does not exist; create it or correct the parentRef."
    if serving_gateway(db, parent) is None:
        return f"{parent} is attached to no Gateway; its status says why."
    wanted = [f"sectionName {reference.section_name}"] if reference.section_name is not None else []
    wanted += [f"port {reference.port}"] if reference.port is not None else []
    has = ", ".join(f"{each.name} (port {each.port})" for each, _ in attachable_listeners(db, parent)) or "none"
    return f"{parent} has no listener with {' and '.join(wanted)}; its listeners: {has}."


def _refusal(db: Db, listener: ListenerState, route: Ref) -> str:
    """Return why a listener does not accept a route; "" if it does."""
    if route.kind not in listener.kinds:
        kinds = " or ".join(listener.kinds) or "no kind of route"
        return f"listener {listener.name} takes {kinds}"
    namespaces, own = listener.allowed.namespaces, listener.ref.owner.namespace
    if permits(db, namespaces, own, route.namespace):
        return ""
    if namespaces.from_ == "Selector":
        return f"the selector of listener {listener.name} does not match the labels of namespace {route.namespace}"
    return f"listener {listener.name} takes routes of namespace {own} only"


def _bind(db: Db, route: Ref, attachable: Attachable, hostnames: tuple[str, ...]) -> Binding | None:
    listener = attachable.state
    domains: dict[Domain, None] = {}
    for own in hostnames or ("",):
        name = intersect(listener.hostname, own)
        if name is not None:
            domains[Domain(name, own)] = None
    if not domains:
        return None
    reachable = tuple(each for each in domains if attachable.serves(db, each.name))
    return Binding(listener.ref, listener.table, reachable, route_stack(db, route, listener.gateway, listener.ref))


def candidates(db: Db, route: Ref) -> Iterator[Ref]:
    """Yield the Gateways that a route may be attached to: the partitions of the indexes of routes.

    While its attachment cannot be computed, those are all that it, and the ListenerSets that it names, name, and the
    default Gateways if it asks for them.
    """
    try:
        yield from dict.fromkeys(gateway for gateway, _ in bindings(db, route))
    except QueryError:
        found = db.get(Route, route)
        if may_be_child(found):  # if it is not known who delegates to it, those are all Gateways
            for root in dict.fromkeys(each[0].parent for each in paths(db, route)):
                yield from candidates(db, root)
        if found is not None:
            named = {_parent(route, each): None for each in found.spec.parent_refs}
            gateways = (named_gateway(db, each) for each in named if each.kind in (Gateway.kind, ListenerSet.kind))
            yield from dict.fromkeys(each for each in gateways if each is not None)
            for default in _defaults(db, route, found, named.keys()):
                yield _parent(route, default)


class NamespacesOfTable(NamedTuple):
    """The namespaces of the routes of a table."""

    table: RouteConfigKey


@lru_cache(maxsize=1024)  # one value for all routes of a table
def _namespaces(table: RouteConfigKey) -> NamespacesOfTable:
    return NamespacesOfTable(table)


def _partition_of_domains(key: RouteConfigKey | TablePart | NamespacesOfTable) -> Ref:
    return gateway_of((key if isinstance(key, RouteConfigKey) else key.table).gateway)


# One index rather than three, each of which would keep a memo for every route.
@index(Route, partitions=candidates, partition_of=_partition_of_domains)
def domains(db: Db, route: Ref) -> Iterator[tuple[RouteConfigKey | TablePart | NamespacesOfTable, str]]:
    """File the domains that a route table has routes for, those that a scope of it has, and their namespaces."""
    for _, binding in bindings(db, route):
        for domain in binding.domains if not binding.path else ():  # a child's are those of its parent
            yield binding.table, domain.name
            yield table_part(binding.table, scope_of(domain.name)), domain.name
        yield _namespaces(binding.table), route.namespace


class RouteRank(NamedTuple):
    """Sorts the routes of a domain: of those whose matches are equal the one that sorts first is tried first.

    That is the one with the more specific own hostname, then the older, then the first by "namespace/name", which is
    compared as one text (`HTTPRouteRule`): "team-a/zz" is before "team/aa".
    """

    wildcard: bool
    shortness: int
    creation_time: str
    name: str


def route_rank(db: Db, route: Ref, domain: Domain) -> RouteRank:
    """Return the rank of a route among those of one of its domains."""
    found = db.get(Route, route)
    exact, length = specificity(domain.route_hostname)
    return RouteRank(
        not exact, -length, found.creation_time if found is not None else "", f"{route.namespace}/{route.name}"
    )


class RouteOnDomain(NamedTuple):
    """A route that serves a domain; it begins with its `RouteRank`.

    Attributes:
        listener: the listener that serves it there.
        has_stack: whether policies concern it.
        stack: that of its binding, empty where it has none.
        path: that of its binding; its rank is that of the first parent.
        order: what sorts a child among all that the first parent serves.
    """

    wildcard: bool
    shortness: int
    creation_time: str
    name: str
    route: Ref
    listener: ListenerRef
    has_stack: bool
    stack: Stack
    path: Path = ()
    order: tuple[SiblingPlace, ...] = ()

    @property
    def known_stack(self) -> Stack | None:
        """The policies that the route has to know there; None if none concerns it."""
        return self.stack if self.has_stack else None


def _candidates(db: Db, route: Ref) -> Iterator[Ref]:
    yield from candidates(db, route)
    yield from named_services(db, route)


def _partition(key: tuple[RouteConfigKey | ServiceTable, str]) -> Ref:
    table, _ = key
    return service_of(table) if isinstance(table, ServiceTable) else gateway_of(table.gateway)


@index(Route, partitions=_candidates, partition_of=_partition)
def routes(db: Db, route: Ref) -> Iterator[tuple[tuple[RouteConfigKey | ServiceTable, str], RouteOnDomain]]:
    """File routes under route table and domain; for clients of a Service, they have all hostnames."""
    for _, binding in bindings(db, route):
        stack, path = binding.stack, binding.path
        place = order(db, path, route) if path else ()
        for domain in binding.domains:
            rank = route_rank(db, route, domain) if not path else parent_rank(db, path[0].parent, domain)
            served = RouteOnDomain(*rank, route, binding.listener, stack is not None, stack or (), path, place)
            yield (binding.table, domain.name), served
    for table, policies in service_tables(db, route):
        rank, nowhere = route_rank(db, route, Domain("", "")), ListenerRef(service_of(table), "")
        yield (table, ""), RouteOnDomain(*rank, route, nowhere, policies is not None, policies or ())


@query(firewall=True)
def parent_rank(db: Db, route: Ref, domain: Domain) -> RouteRank:
    """Return the rank of a route, as all of its children have it."""
    return route_rank(db, route, domain)


def bindings(db: Db, route: Ref) -> Iterator[tuple[Ref, Binding]]:
    """Yield the Gateways and listeners that a route is served at: its own, then as a child those of its parents."""
    found = attachment(db, route)
    for parent in found:
        for binding in parent.bindings:
            yield parent.gateway, binding
    if isinstance(found, ChildAttachment):
        yield from delegated(db, route)


def delegated(db: Db, route: Ref) -> Iterator[tuple[Ref, Binding]]:
    """Yield the Gateways and listeners that a route is served at as a child, by each path from a route there."""
    for path in paths(db, route):
        for gateway, binding in root_bindings(db, path[0].parent):
            stack = child_stack(db, route, path, gateway, binding.listener)
            yield gateway, replace(binding, stack=stack, path=path)


class ParentState(NamedTuple):
    """What a child needs to know of a parent, or of a route further up.

    Attributes:
        ours: whether one of them is for us to answer for.
        attached: whether one of them is attached to a listener.
    """

    ours: bool
    attached: bool


@query(firewall=True)
def parent_state(db: Db, parent: Ref) -> ParentState:
    """Return whether a route is served so that it can delegate: one value for all of its children."""
    roots = dict.fromkeys((parent, *(each[0].parent for each in paths(db, parent))))
    found = [status for each in roots for status in attachment(db, each)]
    return ParentState(bool(found), any(each.bindings for each in found))


@query(firewall=True)
def root_bindings(db: Db, route: Ref) -> tuple[tuple[Ref, Binding], ...]:
    """Return where a route is attached: one value for all of its children."""
    return tuple((parent.gateway, binding) for parent in attachment(db, route) for binding in parent.bindings)
