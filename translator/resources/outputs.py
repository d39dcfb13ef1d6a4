"""The queries that end in Envoy's resources: where the IR, the features and Envoy's messages meet."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Final

from translator.backends.own_service import OwnService
from translator.db import Db
from translator.engine.query import Query, query
from translator.gateway.gateways import is_managed
from translator.gateway.ports import gateway_ports
from translator.infrastructure.own_service import OWN_SERVICES
from translator.ir.backend import Backend
from translator.ir.l4 import L4Chain
from translator.ir.listener import HttpChain, PortListener, RouteConfigKey, table_part
from translator.ir.route_scope import SCOPES
from translator.refs import Ref
from translator.resources.clusters import closed_resource, cluster_resource, endpoints_resource, gateway_backends
from translator.resources.datagrams import datagram_cluster_resource, datagram_endpoints_resource
from translator.resources.filter_needs import (
    discovered_filters,
    extension_config_resource,
    gateway_needs,
    generic_secret_resource,
)
from translator.resources.listener_filters import (
    filters_table_resource,
    internal_cluster_resource,
    internal_listener_resource,
)
from translator.resources.listeners import (
    http3_listener_resource,
    listener_resource,
    port_listener,
    secret_resource,
    served_certificates,
    served_trust_bundles,
    trust_bundle_resource,
)
from translator.resources.own_services import service_endpoints_resource
from translator.resources.own_zones import compares_zones, no_proxies_resource, proxies_resource
from translator.resources.routes import scope_configuration_resource, scope_resource, table_resource
from xds import Resource

Output = tuple[Query[..., Resource | None], tuple[object, ...]]
"""A query and its arguments, whose value is one resource."""

_OWN_SERVICES: Final[Mapping[Backend, OwnService]] = {each.deployed: each for each in OWN_SERVICES}
"""Headgate's own services, by their backends."""
_OWN_KEYS: Final = frozenset(each.key for each in _OWN_SERVICES)

Outputs = frozenset[Output]


@query
def gateway_outputs(db: Db, gateway: Ref) -> Outputs | None:
    """Everything that the proxies of a Gateway are sent; None if it is none of ours."""
    if not is_managed(db, gateway):
        return None
    outputs: dict[Output, None] = {}
    for port in gateway_ports(db, gateway):
        spec = port_listener(db, gateway, port)
        if spec is not None:
            outputs |= dict.fromkeys(_port_outputs(db, gateway, spec))
        outputs |= dict.fromkeys((secret_resource, (each,)) for each in served_certificates(db, gateway, port))
        outputs |= dict.fromkeys((trust_bundle_resource, (each,)) for each in served_trust_bundles(db, gateway, port))
    if outputs:
        needs = gateway_needs(db, gateway)
        for backend in (*gateway_backends(db, gateway), *needs.backends):
            if backend.settings or backend.key in _OWN_KEYS:
                of_own = backend in _OWN_SERVICES
                outputs |= dict.fromkeys(_of_own(gateway, backend) if of_own else _of_backend(gateway, backend))
            else:  # as most are, and of a Gateway with 10,000 each is looked at when there is another one
                outputs[cluster_resource, (backend,)] = None
                if backend.has_assignment:
                    outputs[endpoints_resource, (backend,)] = None
        outputs |= dict.fromkeys((generic_secret_resource, (each,)) for each in needs.secrets)
    if (proxies_resource, (gateway,)) not in outputs:
        outputs[no_proxies_resource, ()] = None
    return frozenset(outputs)


def _port_outputs(db: Db, gateway: Ref, spec: PortListener) -> Iterator[Output]:
    """Yield what is served on one port, and by what."""
    port = spec.port
    yield listener_resource, (gateway, port, spec.socket)
    if spec.http3_chains:
        yield http3_listener_resource, (gateway, port)
    yield from (output for each in spec.chains for output in _chain_outputs(gateway, each.chain))
    if any(isinstance(each.chain, HttpChain) for each in spec.chains):
        yield from ((extension_config_resource, (gateway, each.name)) for each in discovered_filters(db))
    if port.protocol == "UDP":
        yield datagram_cluster_resource, (gateway, port)
        table = RouteConfigKey(spec.gateway, port.number, protocol=port.protocol)
        yield datagram_endpoints_resource, (table,)
    if any(each.drops_datagrams for each in spec.datagrams):
        yield closed_resource, ()


def _of_own(gateway: Ref, backend: Backend) -> Iterator[Output]:
    """Yield the cluster of a service of Headgate's own, with the endpoints that it has for a Gateway."""
    yield cluster_resource, (backend,)
    yield service_endpoints_resource, (gateway, _OWN_SERVICES[backend])


def cluster_outputs(backend: Backend) -> Iterator[Output]:
    """Yield the cluster of a backend, and its endpoints unless Envoy finds these by itself."""
    yield cluster_resource, (backend,)
    if backend.has_assignment:
        yield endpoints_resource, (backend,)


def _of_backend(gateway: Ref, backend: Backend) -> Iterator[Output]:
    yield from cluster_outputs(backend)
    if compares_zones(backend.settings):
        yield proxies_resource, (gateway,)
    for setting in backend.settings:
        for each in setting.certificates:
            yield secret_resource, (Ref(*each),)
        for text in setting.secret_texts:
            yield generic_secret_resource, (text,)
        if anchors := setting.trust_anchors:
            yield trust_bundle_resource, (tuple(Ref(*each) for each in anchors),)


def _chain_outputs(gateway: Ref, chain: HttpChain | L4Chain) -> Iterator[Output]:
    if isinstance(chain, HttpChain):
        if chain.scoped:
            for part in (table_part(chain.table, scope) for scope in range(SCOPES)):
                yield scope_configuration_resource, (part,)
                yield scope_resource, (part,)
        else:
            yield table_resource, (chain.table,)
        if chain.filtered:
            yield filters_table_resource, (chain,)
            yield internal_listener_resource, (chain,)
            yield internal_cluster_resource, (chain,)
        return
    for each in chain.backends:
        if each.backend is not None:
            yield from _of_backend(gateway, each.backend)
    if chain.broken_share:
        yield closed_resource, ()
