"""Listeners of Gateways: validity, conflicts and allowed routes."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import lru_cache
from ipaddress import ip_address
from operator import attrgetter
from typing import Final, NamedTuple

from translator.db import Db
from translator.engine.query import QueryError, index, query
from translator.gateway.conflicts import conflict
from translator.gateway.gateways import (
    addresses,
    gateway_spec,
    listener_specs,
    unsupported_parameters,
)
from translator.gateway.hostnames import covers, intersect, wider
from translator.gateway.listener_sets import possible_gateways, serving_gateway
from translator.gateway.protocols import SNI_PROTOCOLS, wire_protocol
from translator.ir.listener import RouteConfigKey, SocketPort
from translator.objects.gateway_api.gateway import Gateway, GatewaySpec, gateway_of, key_of
from translator.objects.gateway_api.listener import AllowedRoutes, Listener, ListenerOwner, ListenerRequestFilter
from translator.outcome import Problem
from translator.own_addresses import overlap, taken
from translator.proxy import OWN_PORTS
from translator.refs import ListenerRef, Ref


class HostnameKey(NamedTuple):
    """A hostname of the listeners that share a port; with `within`, all that it covers, itself among them."""

    gateway: Ref
    port: int
    wire_protocol: str
    hostname: str
    within: bool = False


@dataclass(frozen=True, slots=True)
class ListenerState:
    """A listener as it can be served, and its problems.

    Attributes:
        ref: the object that has it, and its name there.
        gateway: the Gateway that serves it.
        hostname: its hostname, "" for any.
        kinds: the kinds of route that may attach.
        allowed: which routes may attach.
        problems: why it is not accepted, conflicts, or lists kinds that it cannot serve.
        overlaps: the names of other listeners of `SNI_PROTOCOLS` on the port that share hostnames with it.
        passthrough: whether TLS is forwarded as it is (`tls.mode`); otherwise `SNI_PROTOCOLS` terminate it.
        validates_clients: whether the Gateway has it validate the certificates of clients (`spec.tls.frontend`).
        filters: what every request passes before a route is chosen (`filters.requests`), in this order.
    """

    ref: ListenerRef
    gateway: Ref
    port: int
    protocol: str
    hostname: str
    kinds: tuple[str, ...]
    allowed: AllowedRoutes
    problems: tuple[Problem, ...] = ()
    overlaps: tuple[str, ...] = ()
    passthrough: bool = False
    validates_clients: bool = False
    filters: tuple[ListenerRequestFilter, ...] = ()

    @property
    def name(self) -> str:
        """Its name, which a parentRef's sectionName may give."""
        return self.ref.name

    @property
    def accepted(self) -> bool:
        """Whether it is served, as far as its certificates allow."""
        return not any(each.condition in ("Accepted", "Conflicted") for each in self.problems)

    @property
    def socket_port(self) -> SocketPort:
        """The port of the socket that serves it."""
        return SocketPort.of(self.port, self.protocol)

    @property
    def tls(self) -> bool:
        """Whether it terminates TLS."""
        return self.by_sni and not self.passthrough

    @property
    def by_sni(self) -> bool:
        """Whether it takes the connections of its hostname only; otherwise it takes all of its port."""
        return self.protocol in SNI_PROTOCOLS

    @property
    def key(self) -> HostnameKey:
        """Its hostname on its port."""
        return HostnameKey(self.gateway, self.port, wire_protocol(self.protocol), self.hostname)

    @property
    def table(self) -> RouteConfigKey:
        """The key of its routes."""
        hostname = self.hostname if self.by_sni else ""
        protocol = self.socket_port.protocol
        return _table(key_of(self.gateway), self.port, self.tls, hostname, self.passthrough, protocol)


_table: Final = lru_cache(maxsize=1024)(RouteConfigKey)  # one value for all routes of a table


class PortClaim(NamedTuple):
    """A claim of a Gateway to a port: standalone, the oldest Gateway has it, then the first by name."""

    creation_time: str
    gateway: Ref


def _ports(db: Db, owner: Ref) -> Iterator[SocketPort]:
    """Yield the ports on which an object has listeners that can be served, whether these are valid or not."""
    if db.settings.standalone:
        served = (each for each in listener_specs(db, owner) if each.protocol in db.registry.protocols)
        yield from (SocketPort.of(each.port, each.protocol) for each in served)


@index(ListenerOwner, partitions=_ports)
def port_claims(db: Db, owner: Ref) -> Iterator[tuple[SocketPort, PortClaim]]:
    """File each of our Gateways under every port that a valid listener wants; used where they share a machine."""
    gateway = serving_gateway(db, owner) if db.settings.standalone else None
    found = db.get(Gateway, gateway) if gateway is not None else None
    if gateway is not None and found is not None and unsupported_parameters(db, gateway) is None:
        try:
            ports = [each.socket_port for each in valid_listeners(db, owner) if each.accepted]
        except QueryError as bug:  # of one Gateway, which keeps what it may be serving, and nobody else's ports
            if bug.not_synced:
                raise
            ports = list(_ports(db, owner))
        for port in dict.fromkeys(ports):
            yield port, PortClaim(found.creation_time, gateway)


@query(firewall=True)
def port_conflicts(db: Db, port: SocketPort) -> Mapping[Ref, str]:
    """Return the Gateways that do not get a port, each with the older Gateway that has it, and its address.

    A Gateway binds a port on all of its addresses or on none: one that does not get it keeps it from no other.
    """
    holders: dict[str, Ref] = {}
    conflicts: dict[Ref, str] = {}
    for claim in db.select(port_claims, port):
        wanted = addresses(db, claim.gateway).value
        taken_by = next((known for each in wanted for known in _overlapping(each, holders)), None)
        if taken_by is not None:
            conflicts[claim.gateway] = f"{holders[taken_by]} already serves {taken_by}:{port.number}"
        else:
            holders |= dict.fromkeys(wanted, claim.gateway)
    return conflicts


def _overlapping(address: str, holders: Mapping[str, Ref]) -> Iterator[str]:
    if address in holders:
        yield address
    for known in holders if ip_address(address).is_unspecified else ("0.0.0.0", "::"):
        if known in holders and overlap(address, known):
            yield known


@query(firewall=True)
def valid_listeners(db: Db, owner: Ref) -> tuple[ListenerState, ...]:
    """Return the listeners of an object, whichever other Gateways want their ports; none if no Gateway serves them."""
    gateway = serving_gateway(db, owner)
    spec = gateway_spec(db, gateway) if gateway is not None else None
    if gateway is None or spec is None:
        return ()
    specs = listener_specs(db, owner)
    supported = [each for each in specs if each.protocol in db.registry.protocols]
    states = []
    for each in specs:
        kinds, invalid = _kinds(db, each)
        passthrough = each.tls is not None and each.tls.mode == "Passthrough"
        terminates = each.protocol in SNI_PROTOCOLS and not passthrough
        validates_clients = terminates and _validates_clients(spec, each.port)
        problems = (
            *_unsupported(db, each),
            *_unselectable(each),
            *_unfiltered(each, validates_clients),
            *_reserved(db, gateway, each),
            *conflict(db, gateway, owner, each),
            *invalid,
        )
        states.append(
            ListenerState(
                ref=ListenerRef(owner, each.name),
                gateway=gateway,
                port=each.port,
                protocol=each.protocol,
                hostname=each.hostname or "",
                kinds=kinds,
                allowed=each.allowed_routes,
                problems=problems,
                overlaps=_overlaps(each, supported),
                passthrough=passthrough,
                validates_clients=validates_clients,
                filters=each.filters.requests if each.filters is not None else (),
            )
        )
    return tuple(states)


@query(firewall=True)
def listeners(db: Db, owner: Ref) -> tuple[ListenerState, ...]:
    """Return the listeners of an object in the order of its spec; none if no Gateway of ours serves them."""
    states = valid_listeners(db, owner)
    if not db.settings.standalone:
        return states
    return tuple(_with_port(db, each) if each.accepted else each for each in states)


def _with_port(db: Db, state: ListenerState) -> ListenerState:
    """Return a listener, with the problem that another Gateway has its port, if one has."""
    conflict = port_conflicts(db, state.socket_port).get(state.gateway)
    if conflict is None:
        return state
    problem = Problem("Accepted", "PortUnavailable", f"{conflict}; choose another port or set spec.addresses.")
    return replace(state, problems=(*state.problems, problem))


def _kinds(db: Db, listener: Listener) -> tuple[tuple[str, ...], tuple[Problem, ...]]:
    """Return what may attach: of the kinds that the protocol serves those that the listener allows, by default all."""
    served = db.registry.routes_on(listener.protocol)
    asked = listener.allowed_routes.kinds or ()
    if not asked:
        return served, ()
    groups = {each: db.registry.route(each).model.group for each in served}
    names = [each.kind for each in asked if each.group == groups.get(each.kind)]
    wrong = [f"{each.kind}.{each.group}" for each in asked if each.group != groups.get(each.kind)]
    if not wrong:
        return tuple(dict.fromkeys(names)), ()
    text = (
        f"allowedRoutes.kinds: {', '.join(wrong)} cannot attach to protocol {listener.protocol}, "
        f"which serves {', '.join(served) or 'no kind of route here'}."
    )
    return tuple(dict.fromkeys(names)), (Problem("ResolvedRefs", "InvalidRouteKinds", text),)


def _unsupported(db: Db, listener: Listener) -> Iterator[Problem]:
    """Yield what cannot be had; where it would keep requests out, the listener is not served without it."""
    if listener.protocol not in db.registry.protocols:
        text = f"The protocol {listener.protocol} is not supported; use one of {', '.join(db.registry.protocols)}."
        yield Problem("Accepted", "UnsupportedProtocol", text)


def _unfiltered(listener: Listener, validates_clients: bool) -> Iterator[Problem]:
    """Yield why a listener cannot have its filters: its routes' policies would not see the certificates of clients."""
    if validates_clients and listener.filters is not None and listener.filters.requests:
        text = (
            "filters.requests: a listener that validates the certificates of clients (spec.tls.frontend of the "
            "Gateway) cannot have filters: policies of its routes would not see them; use another port, or remove "
            "the filters."
        )
        yield Problem("Accepted", "InvalidListenerFilter", text)


def _unselectable(listener: Listener) -> Iterator[Problem]:
    """Yield a selector that selects no namespace, whatever there is: no route could attach."""
    namespaces = listener.allowed_routes.namespaces
    if namespaces.from_ == "Selector":
        violation = (
            namespaces.selector.violation() if namespaces.selector is not None else "is required when from is Selector"
        )
        if violation:
            text = f"allowedRoutes.namespaces.selector: {violation}; until that is mended no route can attach."
            yield Problem("Accepted", "UnsupportedValue", text)


def _validates_clients(spec: GatewaySpec, port: int) -> bool:
    frontend = spec.tls.frontend if spec.tls is not None else None
    return frontend is not None and frontend.validation(port)[0] is not None


def _reserved(db: Db, gateway: Ref, listener: Listener) -> Iterator[Problem]:
    """Yield why a listener cannot have its port, whatever other Gateways there are; only ports of TCP are taken."""
    if SocketPort.of(listener.port, listener.protocol).protocol != "TCP":
        return
    use = OWN_PORTS.get(listener.port)
    if use is not None:
        text = f"Port {listener.port} is reserved for the proxy's own {use}; choose another port."
        yield Problem("Accepted", "PortUnavailable", text)
    elif db.settings.standalone and listener.protocol in db.registry.protocols:
        for address in addresses(db, gateway).value:
            own = taken(db.settings.own, address, listener.port)
            if own is not None:
                text = f"{own.use} is at {address}:{listener.port}; choose another port or set spec.addresses."
                yield Problem("Accepted", "PortUnavailable", text)
                return


def _overlaps(listener: Listener, others: Iterable[Listener]) -> tuple[str, ...]:
    if listener.protocol not in SNI_PROTOCOLS:
        return ()
    return tuple(
        each.name
        for each in others
        if each.name != listener.name
        and each.port == listener.port
        and each.protocol in SNI_PROTOCOLS
        and intersect(each.hostname or "", listener.hostname or "") is not None
    )


@index(ListenerOwner, partitions=possible_gateways, partition_of=attrgetter("gateway"))
def hostnames(db: Db, owner: Ref) -> Iterator[tuple[HostnameKey, str]]:
    """File the hostnames of accepted listeners under themselves, and under all that cover them."""
    for each in listeners(db, owner):
        if each.accepted:
            yield each.key, each.hostname
            for wide in wider(each.hostname):
                yield each.key._replace(hostname=wide, within=True), each.hostname


@index(ListenerOwner, partitions=possible_gateways, partition_of=lambda table: gateway_of(table.gateway))
def table_listeners(db: Db, owner: Ref) -> Iterator[tuple[RouteConfigKey, ListenerRef]]:
    """File accepted listeners under their route tables."""
    for each in listeners(db, owner):
        if each.accepted:
            yield each.table, each.ref


def most_specific(db: Db, key: HostnameKey) -> str | None:
    """Return the hostname of the most specific listener on a port that serves all of a hostname; None without one.

    Requests for that hostname are for the routes of that listener alone (Gateway API: listener isolation).
    """
    sole = _sole_hostname(db, key._replace(hostname="", within=True))
    return sole if sole is not None and covers(sole, key.hostname) else _most_specific(db, key)


@query(firewall=True)
def _sole_hostname(db: Db, key: HostnameKey) -> str | None:
    """Return the one hostname that the listeners of a port have; None if they have several, or there are none."""
    found = db.select(hostnames, key)
    return found[0] if len(found) == 1 else None


@query
def _most_specific(db: Db, key: HostnameKey) -> str | None:
    keys = (key._replace(hostname=each) for each in wider(key.hostname))
    return next((each.hostname for each in keys if db.count(hostnames, each)), None)


class Attachable(NamedTuple):
    """A listener as routes see it.

    Attributes:
        state: the listener.
        has_narrower: whether other listeners of its port have hostnames within its own.
    """

    state: ListenerState
    has_narrower: bool

    def serves(self, db: Db, hostname: str) -> bool:
        """Whether its routes serve `hostname`, which is within its own and may be that of a more specific listener."""
        if not self.state.accepted or not self.has_narrower:
            return self.state.accepted
        return most_specific(db, self.state.key._replace(hostname=hostname)) == self.state.hostname


@query(firewall=True)
def attachable_listeners(db: Db, owner: Ref) -> tuple[Attachable, ...]:
    """Return the listeners of an object as its routes see them: one read for each route."""
    return tuple(Attachable(each, _has_narrower(db, each)) for each in listeners(db, owner))


def _has_narrower(db: Db, state: ListenerState) -> bool:
    within = db.select(hostnames, state.key._replace(within=True))
    return any(each != state.hostname for each in within)
