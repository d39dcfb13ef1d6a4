"""Conflicts of listeners, by port and by hostname, among all that one Gateway serves."""

from __future__ import annotations

from collections.abc import Iterator
from operator import attrgetter
from typing import NamedTuple

from translator.db import Db
from translator.engine.query import index, query
from translator.gateway.gateways import listener_specs
from translator.gateway.listener_sets import gateway_partition, possible_gateways, serving_gateway
from translator.gateway.protocols import wire_protocol
from translator.ir.listener import SocketPort
from translator.objects.gateway_api.gateway import Gateway, key_of
from translator.objects.gateway_api.listener import Listener, ListenerOwner
from translator.outcome import Problem
from translator.refs import Ref


class Slot(NamedTuple):
    """A port of a Gateway, or a hostname on it, which one listener can have.

    Attributes:
        wire_protocol: that of the listeners that a hostname tells apart; "" for the port.
        hostname: the hostname, "" for any.
    """

    gateway: Ref
    port: SocketPort
    wire_protocol: str = ""
    hostname: str = ""


class ListenerClaim(NamedTuple):
    """A listener's claim to a slot, by object; of several the first in order has it (`ListenerSetSpec.listeners`).

    That is the one of the Gateway, then of the oldest ListenerSet, then of the first by "namespace/name".
    """

    of_set: bool
    creation_time: str
    key: str
    owner: Ref
    wire_protocol: str


@index(ListenerOwner, partitions=possible_gateways, partition_of=attrgetter("gateway"))
def listener_claims(db: Db, owner: Ref) -> Iterator[tuple[Slot, ListenerClaim]]:
    """File the claims of listeners under their ports, and under their hostnames there."""
    gateway = serving_gateway(db, owner)
    found = db.get(ListenerOwner, owner)
    if gateway is None or found is None:
        return
    of_set = owner != gateway
    creation_time = found.creation_time if of_set else ""
    for each in listener_specs(db, owner):
        if each.protocol in db.registry.protocols:
            protocol = wire_protocol(each.protocol)
            claim = ListenerClaim(of_set, creation_time, key_of(owner), owner, protocol)
            port = SocketPort.of(each.port, each.protocol)
            yield Slot(gateway, port), claim
            yield Slot(gateway, port, protocol, each.hostname or ""), claim


@index(ListenerOwner, partitions=possible_gateways, partition_of=gateway_partition)
def claimed_ports(db: Db, owner: Ref) -> Iterator[tuple[Ref, SocketPort]]:
    """File the ports of listeners, whatever their protocol, under the Gateway."""
    gateway = serving_gateway(db, owner)
    if gateway is not None:
        for port in dict.fromkeys(SocketPort.of(each.port, each.protocol) for each in listener_specs(db, owner)):
            yield gateway, port


def port_owners(db: Db, gateway: Ref, port: SocketPort) -> Iterator[Ref]:
    """Yield the objects with listeners on a port of a Gateway, in the order of their precedence."""
    yield from dict.fromkeys(each.owner for each in db.select(listener_claims, Slot(gateway, port)))


class PortHolder(NamedTuple):
    """The object whose listeners have a port, and what these speak there: if that differs, none can be served."""

    owner: Ref
    wire_protocols: tuple[str, ...]


@query(firewall=True)
def port_holder(db: Db, gateway: Ref, port: SocketPort) -> PortHolder | None:
    """Return the object that decides on the protocol of a port; None if no listener is there."""
    found = db.select(listener_claims, Slot(gateway, port))
    if not found:
        return None
    owner = found[0].owner
    return PortHolder(owner, tuple(dict.fromkeys(each.wire_protocol for each in found if each.owner == owner)))


def conflict(db: Db, gateway: Ref, owner: Ref, listener: Listener) -> Iterator[Problem]:
    """Yield the problem of a listener that another one conflicts with.

    Of listeners of one object none has precedence (`GatewaySpec.listeners`): all that conflict are left out.
    """
    port = SocketPort.of(listener.port, listener.protocol)
    holder = port_holder(db, gateway, port)
    if holder is None or listener.protocol not in db.registry.protocols:
        return
    siblings = [
        each
        for each in listener_specs(db, owner)
        if SocketPort.of(each.port, each.protocol) == port
        and each.name != listener.name
        and each.protocol in db.registry.protocols
    ]
    protocol = wire_protocol(listener.protocol)
    if holder.wire_protocols != (protocol,):
        others = ", ".join(each.name for each in siblings if wire_protocol(each.protocol) != protocol)
        rival = f"Listener {others}" if holder.owner == owner else _name(owner, holder.owner)
        text = f"{rival} uses port {listener.port} with another protocol; give each protocol a port."
        yield Problem("Conflicted", "ProtocolConflict", text)
        return
    slot = Slot(gateway, port, protocol, listener.hostname or "")
    first = db.select(listener_claims, slot)[0]
    equal = ", ".join(each.name for each in siblings if (each.hostname or "") == slot.hostname)
    if first.owner != owner:
        text = f"{_name(owner, first.owner)} has a listener with the same port and hostname; change one of them."
        yield Problem("Conflicted", "HostnameConflict", text)
    elif equal:
        text = f"Listener {equal} has the same port and hostname; change one of them."
        yield Problem("Conflicted", "HostnameConflict", text)


def _name(owner: Ref, other: Ref) -> str:
    """Name the object that has precedence; what is in other namespaces is not for all to know."""
    return str(other) if other.kind == Gateway.kind or other.namespace == owner.namespace else "An earlier ListenerSet"
