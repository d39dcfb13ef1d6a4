"""The queries that end in listeners, and in the secrets of their certificates."""

from __future__ import annotations

from collections.abc import Iterator, Set
from dataclasses import replace
from typing import NamedTuple, cast

from translator.db import Db
from translator.engine.query import query
from translator.envoy.ai.metrics import CountedTokens
from translator.envoy.hooks import (
    CONNECTION_MANAGER,
    DOWNSTREAM_TLS,
    FILTER_CHAIN,
    HTTP_FILTERS,
    LISTENER,
    NETWORK_FILTER,
    TCP_PROXY,
)
from translator.envoy.http3 import http3_listener
from translator.envoy.listener import forwarded, listener
from translator.envoy.names import secret_name, trust_bundle_name
from translator.envoy.secret import secret, trust_bundle_secret
from translator.extension import http_filters
from translator.gateway import attachment
from translator.gateway.ca_certificates import trust_bundle
from translator.gateway.certificates import certificate, listener_certificates
from translator.gateway.client_validation import listener_validation
from translator.gateway.gateways import allows_underscores, unsupported_parameters
from translator.gateway.listeners import ListenerState
from translator.gateway.ports import accepted_listeners, gateway_ports, port_listeners
from translator.infrastructure.addresses import bind_addresses
from translator.ir.l4 import L4Chain, L4Setting
from translator.ir.listener import (
    Certificate,
    ChainMatch,
    FilterChain,
    HttpChain,
    ListenerSetting,
    PeerValidation,
    PortListener,
    RouteConfigKey,
    SocketPort,
)
from translator.objects.gateway_api.gateway import gateway_of, key_of
from translator.policies.effective import inherited
from translator.refs import Ref
from translator.resources.clusters import counts_tokens
from translator.resources.http3 import without_http3_in_vain
from translator.resources.listener_policies import ListenerPolicies, listener_policies
from translator.resources.route_scopes import is_scoped
from translator.routes.connections import connection_settings
from translator.routes.policies import effective_l4_rules
from xds import Resource

Settings = tuple[ListenerSetting, ...]


@query
def _served(db: Db, gateway: Ref, port: SocketPort) -> tuple[tuple[ListenerState, tuple[Ref, ...]], ...]:
    """Return the served listeners on a port of a Gateway, with the Secrets of their certificates.

    A listener that terminates TLS and has no certificate is not served.
    """
    served = []
    for state in port_listeners(db, gateway, port):
        certificates = listener_certificates(db, state.ref).value if state.tls else ()
        if certificates or not state.tls:
            served.append((state, certificates))
    return tuple(served)


def served_certificates(db: Db, gateway: Ref, port: SocketPort) -> Iterator[Ref]:
    """Yield the Secrets with the certificates of the served listeners on a port of a Gateway."""
    for _, certificates in _served(db, gateway, port):
        yield from certificates


def served_trust_bundles(db: Db, gateway: Ref, port: SocketPort) -> Iterator[tuple[Ref, ...]]:
    """Yield the objects by whose CA certificates the served listeners on a port validate client certificates."""
    spec = port_listener(db, gateway, port)
    for setting in spec.all_settings if spec is not None else ():
        yield from (tuple(Ref(*each) for each in bundle) for bundle in setting.trust_bundles)
    for state, _ in _served(db, gateway, port):
        validation = listener_validation(db, state).value
        if validation is not None:
            yield validation.sources


def _peer_validation(db: Db, state: ListenerState) -> PeerValidation | None:
    found = listener_validation(db, state).value
    return None if found is None else PeerValidation(trust_bundle_name(found.sources), not found.insecure)


@query
def port_listener(db: Db, gateway: Ref, port: SocketPort) -> PortListener | None:
    """Return what a Gateway serves on a port; None if none of its listeners there can be served."""
    addresses = bind_addresses(db, gateway)
    if not addresses or unsupported_parameters(db, gateway) is not None:
        return None
    chains: dict[FilterChain, None] = {}
    served = _served(db, gateway, port)
    if port.protocol == "UDP":
        sessions = tuple(each for state, _ in served for each in datagram_settings(db, state.table))
        return PortListener(key_of(gateway), port, addresses, datagrams=sessions) if served else None
    filtered = {state.table for state, _ in served if state.filters}
    policies: dict[RouteConfigKey, ListenerPolicies] = {}
    of_socket: Settings = ()
    for state, certificates in served:
        if state.table not in policies:  # those of the listener that precedes the others of one filter chain
            own = listener_policies(db, state)
            of_socket = of_socket if policies else tuple(cast(Settings, LISTENER.of(own.settings)))
            settings = without_http3_in_vain(db, gateway, port, own.settings, of_socket)
            policies[state.table] = own._replace(settings=settings)
        secrets = tuple(map(secret_name, certificates))
        parts = ChainParts(state, secrets, state.table in filtered, policies[state.table])
        chains |= dict.fromkeys(_chains(db, gateway, parts))
    if not chains:
        return None
    if any(isinstance(each.chain, L4Chain) for each in chains):
        chains |= dict.fromkeys(_closed(db, gateway, port, {each.match for each in chains}))
    return PortListener(
        key_of(gateway),
        port,
        addresses,
        tuple(chains),
        exclusive=db.settings.standalone,
        settings=of_socket,
        socket=_socket(db, addresses, of_socket),
    )


def _socket(db: Db, addresses: tuple[str, ...], settings: Settings) -> str:
    """Return what is particular about a socket that no other program may share: its options, and its addresses.

    If one of them changes Envoy opens another socket, and refuses the listener since the one before is still there.
    """
    if not db.settings.standalone:
        return ""
    others = (str(addresses),) if addresses != db.settings.addresses else ()
    return " ".join((*others, *(repr(each) for each in settings if each.of_socket)))


class ChainParts(NamedTuple):
    """What the filter chains of a listener are made of.

    Attributes:
        state: the listener.
        secrets: the names of its certificates.
        filtered: whether a listener of the same filter chain has filters.
        policies: what policies give it.
    """

    state: ListenerState
    secrets: tuple[str, ...]
    filtered: bool
    policies: ListenerPolicies


def _chains(db: Db, gateway: Ref, parts: ChainParts) -> Iterator[FilterChain]:
    """Yield the filter chains of a listener.

    One that forwards connections has one for each domain of its routes, and one for its own hostname: what none of its
    routes takes is closed, and falls to no listener with a wider hostname (Gateway API: listener isolation).
    """
    state, secrets, settings = parts.state, parts.secrets, parts.policies.settings
    table, validation = state.table, _peer_validation(db, state)
    if parts.policies.error:
        yield FilterChain(ChainMatch(table.hostname), L4Chain(table.port))
        return
    if state.protocol not in db.registry.l4_protocols:
        http = tuple(each for each in settings if _is_http(each))
        if counts_tokens(db, gateway):
            http = (*http, CountedTokens())
        # Behind filters Envoy would be sent requests for an internal listener that still waits for its scopes.
        scoped = not parts.filtered and is_scoped(db, table)
        served = HttpChain(table, allows_underscores(db, gateway), http, parts.filtered, scoped)
        yield FilterChain(ChainMatch(table.hostname), served, secrets, validation, _of_chain(settings))
        return
    for domain in dict.fromkeys((table.hostname, *db.select(attachment.domains, table))):
        yield FilterChain(ChainMatch(domain), l4_chain(db, table, domain), secrets, validation, _of_chain(settings))


def _is_http(setting: ListenerSetting) -> bool:
    return any(each.implemented_by(type(setting)) for each in (CONNECTION_MANAGER, HTTP_FILTERS))


def _of_chain(settings: Settings) -> Settings:
    hooks = (FILTER_CHAIN, DOWNSTREAM_TLS, NETWORK_FILTER, TCP_PROXY)
    return tuple(each for each in settings if any(hook.implemented_by(type(each)) for hook in hooks))


def _closed(db: Db, gateway: Ref, port: SocketPort, served: Set[ChainMatch]) -> Iterator[FilterChain]:
    """Yield filter chains that close the connections of listeners that cannot be served, such as without certificate.

    Otherwise these connections would be forwarded by listeners with wider hostnames.
    """
    for state in accepted_listeners(db, gateway, port):
        if ChainMatch(state.hostname) not in served:
            yield FilterChain(ChainMatch(state.hostname), L4Chain(port.number))


@query(firewall=True)
def l4_chain(db: Db, table: RouteConfigKey, domain: str) -> L4Chain:
    """Return where the connections of a domain go: those of the route with the most specific hostname, then the oldest.

    The order is that of `TLSRouteSpec.hostnames`, and GEP-713's. Connections of TCP have the domain "".
    """
    first = next(iter(db.select(attachment.routes, (table, domain))), None)
    gateway = gateway_of(table.gateway)
    rules = effective_l4_rules(db, first.route, gateway, table.passthrough) if first is not None else ()
    if first is None or not rules:
        return L4Chain(table.port)
    rule = rules[0].value  # a route of connections has one
    backends = tuple(each for each in rule.backends if each.weight)
    # What routes of requests inherit in Envoy, a chain has of each policy that concerns connections.
    stack = inherited(db, gateway, first.listener) or first.known_stack
    settings = connection_settings(db, first.route, rule.name, stack)
    if settings is None:
        return L4Chain(table.port, route=first.route, rule=rule.name)
    return L4Chain(table.port, backends, first.route, rule.name, settings)


@query(firewall=True)
def datagram_settings(db: Db, table: RouteConfigKey) -> tuple[L4Setting, ...]:
    """Return what shapes the sessions of a port of UDP."""
    return l4_chain(db, table, "").settings


@query(firewall=True)
def is_served(db: Db, gateway: Ref, port: SocketPort) -> bool:
    """Whether a Gateway serves something on a port."""
    return port_listener(db, gateway, port) is not None


@query
def listener_resource(db: Db, gateway: Ref, port: SocketPort, socket: str) -> Resource | None:
    """Return the ``Listener`` of a port; none if its socket is another by now (`PortListener.socket`)."""
    spec = port_listener(db, gateway, port)
    if spec is None or spec.socket != socket:
        return None
    made = Resource.pack(listener(spec, http_filters(db), db.settings.descriptors))
    return replace(made, origin=tuple(forwarded(spec)))


@query
def http3_listener_resource(db: Db, gateway: Ref, port: SocketPort) -> Resource | None:
    """Return the ``Listener`` on UDP that speaks HTTP/3 for a port of TCP."""
    spec = port_listener(db, gateway, port)
    if spec is None or not spec.http3_chains:
        return None
    return Resource.pack(http3_listener(spec, http_filters(db), db.settings.descriptors))


@query(firewall=True)
def http3_ports(db: Db, gateway: Ref) -> tuple[int, ...]:
    """Return the ports of a Gateway at which HTTP/3 is spoken."""
    specs = (port_listener(db, gateway, each) for each in gateway_ports(db, gateway))
    return tuple(each.port.number for each in specs if each is not None and each.http3_chains)


@query
def secret_resource(db: Db, ref: Ref) -> Resource | None:
    """Return the ``Secret`` of a certificate."""
    found = certificate(db, ref)
    return Resource.pack(secret(secret_name(ref), found)) if isinstance(found, Certificate) else None


@query
def trust_bundle_resource(db: Db, sources: tuple[Ref, ...]) -> Resource | None:
    """Return the ``Secret`` with the CA certificates of objects."""
    found = trust_bundle(db, sources)
    return Resource.pack(trust_bundle_secret(trust_bundle_name(sources), found)) if found is not None else None
