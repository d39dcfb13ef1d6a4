"""Where HTTP/3 can be spoken: it needs the UDP port of the same number, and what it has in common with TLS by TCP."""

from __future__ import annotations

from collections.abc import Iterable

from translator.db import Db
from translator.gateway.conflicts import Slot, listener_claims
from translator.gateway.listeners import port_claims
from translator.ir.listener import ListenerSetting, SocketPort
from translator.refs import Ref


def http3_obstacle(db: Db, gateway: Ref, port: int, settings: Iterable[ListenerSetting]) -> str:
    """Return why a listener that is asked to cannot speak HTTP/3, as a clause; "" if it can.

    Args:
        db: the database.
        gateway: the Gateway.
        port: the port of the listener.
        settings: those of the listener and of its socket.
    """
    reason = next(filter(None, (each.excludes_http3 for each in settings)), "")
    if reason:
        return reason
    udp = SocketPort(port, "UDP")
    if db.select(listener_claims, Slot(gateway, udp)):
        return f"a listener of the Gateway has the UDP port {port}"
    others = (each.gateway for each in db.select(port_claims, udp)) if db.settings.standalone else ()
    holder = next((each for each in others if each != gateway), None)
    return f"{holder} has the UDP port {port}" if holder is not None else ""


def without_http3_in_vain(
    db: Db, gateway: Ref, port: SocketPort, own: tuple[ListenerSetting, ...], of_socket: tuple[ListenerSetting, ...]
) -> tuple[ListenerSetting, ...]:
    """Return the settings of a listener, without HTTP/3 where it cannot be spoken: no client is told of it then."""
    if not any(each.speaks_http3 for each in own):
        return own
    if not http3_obstacle(db, gateway, port.number, (*own, *of_socket)):
        return own
    return tuple(each for each in own if not each.speaks_http3)
