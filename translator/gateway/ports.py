"""The ports of a Gateway: the listeners of all objects that it serves there."""

from __future__ import annotations

from collections.abc import Iterator

from translator.db import Db
from translator.engine.query import query
from translator.gateway.client_validation import validated
from translator.gateway.conflicts import claimed_ports, port_owners
from translator.gateway.listeners import ListenerState, listeners
from translator.ir.listener import SocketPort
from translator.refs import ListenerRef, Ref


def gateway_ports(db: Db, gateway: Ref) -> tuple[SocketPort, ...]:
    """Return the ports on which a Gateway and its ListenerSets have listeners, valid or not, in ascending order."""
    return db.select(claimed_ports, gateway)


@query(firewall=True)
def has_accepted_listener(db: Db, gateway: Ref) -> bool:
    """Whether a listener of the Gateway itself is accepted: else it is not, and its ListenerSets are not served."""
    return any(each.accepted for each in listeners(db, gateway))


def accepted_listeners(db: Db, gateway: Ref, port: SocketPort) -> Iterator[ListenerState]:
    """Yield the accepted listeners on a port of a Gateway, in the order of their precedence."""
    for owner in port_owners(db, gateway, port):
        if owner == gateway or has_accepted_listener(db, gateway):
            yield from (each for each in listeners(db, owner) if each.socket_port == port and each.accepted)


def port_listeners(db: Db, gateway: Ref, port: SocketPort) -> Iterator[ListenerState]:
    """Yield those of them that can validate the certificates of clients, if they have to."""
    found = (validated(db, each) for each in accepted_listeners(db, gateway, port))
    yield from (each for each in found if each.accepted)


@query(firewall=True)
def forwarding_listener(db: Db, gateway: Ref, port: SocketPort) -> ListenerRef | None:
    """Return the first listener on a port of a Gateway that forwards connections or datagrams; None without one."""
    forwarding = db.registry.l4_protocols
    return next((each.ref for each in accepted_listeners(db, gateway, port) if each.protocol in forwarding), None)


@query(firewall=True)
def has_listener(db: Db, gateway: Ref, port: SocketPort) -> bool:
    """Whether a port of a Gateway has such a listener."""
    return any(True for _ in port_listeners(db, gateway, port))
