"""Listeners of a Gateway: validity, conflicts and allowed routes."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from ipaddress import ip_address
from typing import NamedTuple

from translator.db import Db
from translator.engine.query import QueryError, index, query
from translator.gateway.gateways import addresses, gateway_spec, is_managed, unsupported_parameters
from translator.gateway.hostnames import intersect
from translator.ir.listener import RouteConfigKey
from translator.objects.gateway_api.gateway import Gateway, GatewaySpec, key_of
from translator.objects.gateway_api.listener import AllowedRoutes, Listener
from translator.objects.gateway_api.references import GATEWAY_GROUP
from translator.outcome import Problem
from translator.own_addresses import overlap, taken
from translator.proxy import OWN_PORTS
from translator.refs import Ref


@dataclass(frozen=True, slots=True)
class ListenerState:
    """A listener as it can be served, and its problems.

    Attributes:
        name: its name, which a parentRef's sectionName may give.
        hostname: its hostname, "" for any.
        kinds: the kinds of route that may attach.
        allowed: which routes may attach, as the Gateway says.
        problems: why it is not accepted, conflicts, or lists kinds that it cannot serve.
        overlaps: the names of other HTTPS listeners on the port that share hostnames with it.
        validates_clients: whether the Gateway has it validate the certificates of clients (`spec.tls.frontend`).
    """

    name: str
    port: int
    protocol: str
    hostname: str
    kinds: tuple[str, ...]
    allowed: AllowedRoutes
    problems: tuple[Problem, ...] = ()
    overlaps: tuple[str, ...] = ()
    validates_clients: bool = False

    @property
    def accepted(self) -> bool:
        """Whether it is served, as far as its certificates allow."""
        return not any(each.condition in ("Accepted", "Conflicted") for each in self.problems)

    @property
    def tls(self) -> bool:
        """Whether it terminates TLS."""
        return self.protocol == "HTTPS"

    def table(self, gateway: Ref) -> RouteConfigKey:
        """Return the RouteConfiguration that this listener of `gateway` uses."""
        name = key_of(gateway)
        return (
            RouteConfigKey(name, self.port, tls=True, hostname=self.hostname)
            if self.tls
            else RouteConfigKey(name, self.port)
        )


class PortClaim(NamedTuple):
    """A claim of a Gateway to a port: standalone, the oldest Gateway has it, then the first by name."""

    creation_time: str
    gateway: Ref


def _ports(db: Db, gateway: Ref) -> Iterator[int]:
    """Yield the ports that a Gateway may serve, whether its listeners are valid or not."""
    found = db.get(Gateway, gateway)
    if found is not None and db.settings.standalone:
        yield from (each.port for each in found.spec.listeners if each.protocol in db.registry.protocols)


@index(Gateway.kind, partitions=_ports)
def claims(db: Db, gateway: Ref) -> Iterator[tuple[int, PortClaim]]:
    """File each of our Gateways under every port that a valid listener of it wants; used where they share a machine."""
    found = db.get(Gateway, gateway)
    if found is not None and db.settings.standalone and unsupported_parameters(db, gateway) is None:
        try:
            ports = [each.port for each in valid_listeners(db, gateway) if each.accepted]
        except QueryError as bug:  # of one Gateway, which keeps what it may be serving, and nobody else's ports
            if bug.not_synced:
                raise
            ports = list(_ports(db, gateway))
        for port in dict.fromkeys(ports):
            yield port, PortClaim(found.creation_time, gateway)


@query(firewall=True)
def port_conflicts(db: Db, port: int) -> Mapping[Ref, str]:
    """Return the Gateways that do not get a port, each with the older Gateway that has it, and its address.

    A Gateway binds a port on all of its addresses or on none: one that does not get it keeps it from no other.
    """
    holders: dict[str, Ref] = {}
    conflicts: dict[Ref, str] = {}
    for claim in db.select(claims, port):
        wanted = addresses(db, claim.gateway).value
        taken_by = next((known for each in wanted for known in _overlapping(each, holders)), None)
        if taken_by is not None:
            conflicts[claim.gateway] = f"{holders[taken_by]} already serves {taken_by}:{port}"
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
def valid_listeners(db: Db, gateway: Ref) -> tuple[ListenerState, ...]:
    """Return the listeners of `gateway` by themselves, whoever else wants their ports; none if it is not ours."""
    spec = gateway_spec(db, gateway)
    if spec is None or not is_managed(db, gateway):
        return ()
    supported = [each for each in spec.listeners if each.protocol in db.registry.protocols]
    states = []
    for each in spec.listeners:
        kinds, invalid = _kinds(db, each)
        problems = (
            *_unsupported(db, each),
            *_unselectable(each),
            *_reserved(db, gateway, each),
            *_conflict(each, supported),
            *invalid,
        )
        states.append(
            ListenerState(
                name=each.name,
                port=each.port,
                protocol=each.protocol,
                hostname=each.hostname or "",
                kinds=kinds,
                allowed=each.allowed_routes,
                problems=problems,
                overlaps=_overlaps(each, supported),
                validates_clients=each.protocol == "HTTPS" and _validates_clients(spec, each.port),
            )
        )
    return tuple(states)


@query(firewall=True)
def listeners(db: Db, gateway: Ref) -> tuple[ListenerState, ...]:
    """Return the listeners of `gateway` in the order of its spec; none if it is not there or not ours."""
    states = valid_listeners(db, gateway)
    if not db.settings.standalone:
        return states
    return tuple(_with_port(db, gateway, each) if each.accepted else each for each in states)


def _with_port(db: Db, gateway: Ref, state: ListenerState) -> ListenerState:
    """Return a listener, with the problem that another Gateway has its port, if one has."""
    conflict = port_conflicts(db, state.port).get(gateway)
    if conflict is None:
        return state
    problem = Problem("Accepted", "PortUnavailable", f"{conflict}; choose another port or set spec.addresses.")
    return replace(state, problems=(*state.problems, problem))


def _kinds(db: Db, listener: Listener) -> tuple[tuple[str, ...], tuple[Problem, ...]]:
    """Return what may attach: of the kinds that the protocol serves those that the Gateway allows, by default all."""
    served = db.registry.routes_on(listener.protocol)
    asked = listener.allowed_routes.kinds or ()
    if not asked:
        return served, ()
    names = [each.kind for each in asked if each.group == GATEWAY_GROUP and each.kind in served]
    wrong = [f"{each.kind}.{each.group}" for each in asked if each.group != GATEWAY_GROUP or each.kind not in served]
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
    elif listener.filters is not None and listener.filters.requests:
        text = "filters: filters of listeners are not supported yet; remove them."
        yield Problem("Accepted", "UnsupportedValue", text)


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
    if frontend is None:
        return False
    tls = next((each.tls for each in frontend.per_port if each.port == port), frontend.default)
    return tls.validation is not None


def _reserved(db: Db, gateway: Ref, listener: Listener) -> Iterator[Problem]:
    """Return why a listener cannot have its port, whatever other Gateways there are."""
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


def _conflict(listener: Listener, others: Sequence[Listener]) -> Iterator[Problem]:
    if all(each.protocol != listener.protocol for each in others):
        return  # its protocol is not supported
    rivals = [each for each in others if each.port == listener.port and each.name != listener.name]
    protocols = [each.name for each in rivals if each.protocol != listener.protocol]
    if protocols:
        rival = f"Listener {', '.join(protocols)}"
        text = f"{rival} uses port {listener.port} with another protocol; give each protocol a port."
        yield Problem("Conflicted", "ProtocolConflict", text)
        return
    hostnames = [each.name for each in rivals if (each.hostname or "") == (listener.hostname or "")]
    if hostnames:
        text = f"Listener {', '.join(hostnames)} has the same port and hostname; change one of them."
        yield Problem("Conflicted", "HostnameConflict", text)


def _overlaps(listener: Listener, others: Iterable[Listener]) -> tuple[str, ...]:
    if listener.protocol != "HTTPS":
        return ()
    return tuple(
        each.name
        for each in others
        if each.name != listener.name
        and (each.protocol, each.port) == (listener.protocol, listener.port)
        and intersect(each.hostname or "", listener.hostname or "") is not None
    )
