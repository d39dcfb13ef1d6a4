"""The queries that end in clusters and their endpoints."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any, NamedTuple, cast

from translator.backends.reference import refused
from translator.db import Db
from translator.engine.query import NotSyncedError, index, query
from translator.envoy import cluster as clusters
from translator.envoy.filter_configs import FilterNeeds
from translator.envoy.names import cluster_name
from translator.envoy.route_policies import filter_needs
from translator.gateway import attachment
from translator.gateway.client_certificate import presented_certificate
from translator.inputs import INVALID
from translator.ir.backend import Backend
from translator.objects.gateway_api.backend import BackendObject
from translator.objects.gateway_api.gateway import Gateway
from translator.objects.gateway_api.references import GATEWAY_GROUP, backend_references
from translator.objects.gateway_api.route import Route
from translator.objects.gateway_api.rules import RouteRule
from translator.policies.attachment import (
    any_policies,
    may_have_backend_policies,
    names_policies,
    referenced_policies,
)
from translator.policies.targets import backend_shard
from translator.refs import Ref
from translator.routes.policies import effective_rules
from xds import CLUSTER, ENDPOINT, Reference, Resource


class PolicyUse(NamedTuple):
    """A rule or backendRef of a route that names a policy in a filter, at a Gateway that the route is attached to.

    Attributes:
        rule: the place of the rule.
        backend: the place of its backendRef; -1 for a filter of the rule itself.
    """

    gateway: Ref
    route: Ref
    rule: int
    backend: int


class BackendUse(NamedTuple):
    """A Gateway that a route is attached to, and the port of the backend that the route names."""

    gateway: Ref
    port: int


class FilterUse(NamedTuple):
    """The key under which is filed what the filters of a Gateway's routes need."""

    gateway: Ref


class TokenUse(NamedTuple):
    """The key under which is filed that routes of a Gateway go to what tells the tokens of its responses.

    Attributes:
        of: what the key is of, for tuples are equal whatever they are called.
    """

    gateway: Ref
    of: str = "tokens"


@index(BackendObject, INVALID, partitions=lambda _, ref: (ref.namespace,), partition_of=lambda namespace: namespace)
def backend_objects(db: Db, ref: Ref) -> Iterator[tuple[str, Ref]]:
    """File backends that have a status, valid or not, under their namespaces."""
    if issubclass(db.registry.kinds[ref.kind], BackendObject):
        yield ref.namespace, ref


@query(firewall=True)
def may_have_status(db: Db, namespace: str) -> bool:
    """Return whether there may be a backend with a status in a namespace: while there is none, nobody looks for it.

    While that is not known, they look, so that it holds up nothing (ADR 12).
    """
    try:
        return db.count(backend_objects, namespace) > 0
    except NotSyncedError:
        return True


def _partitions(db: Db, route: Ref) -> Iterator[Ref | str]:
    # Without the namespaces of what Backends and policies name: to find these is to read as much as the entries do.
    # While a bug hides the entries of a route, the status of a policy there does not wait for them.
    yield from attachment.candidates(db, route)
    found = db.get(Route, route)
    for each in backend_references(found.spec) if found is not None else ():
        yield each.namespace or route.namespace
    if names_policies(db, route):
        yield route.namespace


def _partition_of(key: Ref | FilterUse | TokenUse) -> Ref | str:
    if isinstance(key, FilterUse | TokenUse):
        return key.gateway
    return key if key.kind == Gateway.kind else key.namespace


Filed = Backend | BackendUse | PolicyUse | FilterNeeds | TokenUse


@index(Route, partitions=_partitions, partition_of=_partition_of)
def backends(db: Db, route: Ref) -> Iterator[tuple[Ref | FilterUse | TokenUse, Filed]]:
    """File every backend that a route can send requests to under the Gateways that it is attached to.

    Those of connections and datagrams are not filed: they are in the IR of the ports, of the routes that serve.
    Whether a Gateway presents a certificate to them is no part of it: `gateway_backends` says so.

    These Gateways are filed too under those objects that the route names as backends, and that may have policies
    or whose kind has a status of its own, whether or not they can be served: they are the ancestors of such policies,
    and of such objects.

    What filters need that policies configure has a key of its own, and so has that tokens are counted.
    """
    stacks = dict.fromkeys(
        (gateway, binding.stack, binding.table.passthrough, binding.path)
        for gateway, binding in attachment.bindings(db, route)
    )
    used: dict[tuple[Ref | FilterUse | TokenUse, Filed], None] = {}
    for gateway, stack, _, path in stacks:
        for rule in effective_rules(db, route, stack, None, path):
            sent_to = rule.value.all_backends
            if any(each.counts_tokens for backend in sent_to for each in backend.settings):
                used[TokenUse(gateway), TokenUse(gateway)] = None
            used |= dict.fromkeys((gateway, each) for each in sent_to)
            used |= dict.fromkeys((FilterUse(gateway), each) for each in filter_needs(rule.value))
    yield from used
    if any(stack is not None for _, stack, _, _ in stacks):
        yield from _policy_uses(db, route, tuple(dict.fromkeys(gateway for gateway, *_ in stacks)))
    if stacks and (may_have_backend_policies(db) or may_have_status(db, route.namespace)):
        served = ((key, each) for key, each in used if isinstance(each, Backend) and isinstance(key, Ref))
        yield from _uses(db, route, {(gateway, passthrough): None for gateway, _, passthrough, _ in stacks}, served)


def _policy_uses(db: Db, route: Ref, gateways: tuple[Ref, ...]) -> Iterator[tuple[Ref, PolicyUse]]:
    """Yield the policies that filters of a route name, each with the rule or backendRef of the filter."""
    found = db.get(Route, route)
    rules: tuple[RouteRule[Any], ...] = getattr(found.spec, "rules", ()) if found is not None and gateways else ()
    for number, rule in enumerate(rules):
        for place, each in enumerate((rule, *rule.backend_refs), start=-1):
            for policy in referenced_policies(db, getattr(each, "filters", ()), route.namespace):
                yield from ((policy, PolicyUse(gateway, route, number, place)) for gateway in gateways)


def _uses(
    db: Db, route: Ref, gateways: Iterable[tuple[Ref, bool]], served: Iterable[tuple[Ref, Backend]]
) -> Iterator[tuple[Ref, BackendUse]]:
    """Yield the objects that a route names as backends, or that others name for it, if something is told of these.

    Args:
        db: the database.
        route: the route.
        gateways: the Gateways that it is attached to, and whether these pass TLS through, which no policy concerns.
        served: what it can send requests to at each of them, such as the members of Backends and what policies name.
    """
    found = db.get(Route, route)
    policies = may_have_backend_policies(db)
    used: dict[tuple[Ref, BackendUse], None] = {}
    for each in backend_references(found.spec) if found is not None else ():
        ref = Ref(each.kind, each.namespace or route.namespace, each.name)
        kind = db.registry.backend_of(each.group, each.kind)
        if kind is None or (not kind.has_ancestors and not (policies and any_policies(db, backend_shard(ref)))):
            continue
        if refused(db, GATEWAY_GROUP, route, kind, ref) is None:
            concerned = (gateway for gateway, passthrough in gateways if kind.has_ancestors or not passthrough)
            used |= dict.fromkeys((ref, BackendUse(gateway, each.port or 0)) for gateway in concerned)
    for gateway, backend in served:
        ref = Ref(*backend.key)
        model = db.registry.kinds.get(ref.kind)  # None for a server that is no object, such as one of a URL
        kind = db.registry.backend_of(model.group, ref.kind) if model is not None else None
        if kind is not None and (kind.has_ancestors or (policies and any_policies(db, backend_shard(ref)))):
            used[ref, BackendUse(gateway, backend.port)] = None
    yield from used


def gateway_backends(db: Db, gateway: Ref) -> Sequence[Backend]:
    """Return the backends that a Gateway's routes send requests to."""
    found = cast(Sequence[Backend], db.select(backends, gateway))
    certificate = presented_certificate(db, gateway)
    return found if certificate is None else [each.presenting(certificate) for each in found]


@query(firewall=True)
def counts_tokens(db: Db, gateway: Ref) -> bool:
    """Return whether routes of a Gateway go to models, so that its listeners count what these use."""
    return bool(db.select(backends, TokenUse(gateway)))


def route_needs(db: Db, gateway: Ref) -> Sequence[FilterNeeds]:
    """Return what the filters need that the policies of a Gateway's routes configure."""
    return cast(Sequence[FilterNeeds], db.select(backends, FilterUse(gateway)))


def backend_uses(db: Db, backend: Ref) -> Sequence[BackendUse]:
    """Return the Gateways whose routes name a backend; empty while there is no policy for it, nor a status of it."""
    return cast(Sequence[BackendUse], db.select(backends, backend))


def policy_uses(db: Db, policy: Ref) -> Sequence[PolicyUse]:
    """Return the rules and backendRefs that name a policy in a filter, at each Gateway that they are served at."""
    return cast(Sequence[PolicyUse], db.select(backends, policy))


@query
def closed_resource(db: Db) -> Resource | None:
    """Return the ``Cluster`` without endpoints, for connections that are closed."""
    return Resource.pack(clusters.closed_cluster())


@query
def cluster_resource(db: Db, backend: Backend) -> Resource | None:
    """Return the ``Cluster`` of a backend."""
    message = clusters.cluster(backend, db.settings.descriptors)
    if backend.settings:
        return Resource.pack(message)
    # It refers to nothing but its endpoints, so that no reference is searched for.
    name = cluster_name(backend)
    needs = (Reference(ENDPOINT, name),) if backend.has_assignment else ()
    return Resource.of(CLUSTER, name, message.SerializeToString(deterministic=True), needs)


@query
def endpoints_resource(db: Db, backend: Backend) -> Resource | None:
    """Return the ``ClusterLoadAssignment`` of a backend; there for every backend, if need be empty."""
    endpoints = db.registry.backend(backend.key.kind).endpoints
    message = clusters.load_assignment(backend, endpoints(db, backend))
    return Resource.of(ENDPOINT, cluster_name(backend), message.SerializeToString(deterministic=True))
