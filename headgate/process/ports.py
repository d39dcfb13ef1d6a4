"""A check for ports in use, before anything is started; its message names the program that uses the port."""

from __future__ import annotations

import errno
import socket

from headgate.process.address import Address
from headgate.process.errors import UserError


def check_free(address: Address, option: str) -> None:
    """Check that an address can be bound.

    Args:
        address: the address; a host name is resolved.
        option: the option that changes it, for the message.

    Raises:
        UserError: it cannot; the message names the cause, the program that uses the port if known, and the fix.
    """
    try:
        found = socket.getaddrinfo(address.host, address.port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
        family, kind, protocol, _, target = found[0]
        with socket.socket(family, kind, protocol) as probe:
            # Like servers, ignore connections of an earlier process that are still closing.
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(target)
            probe.listen(1)
    except OSError as error:
        raise UserError(
            f"cannot listen on {address}: {_reason(error, address.port)}; choose another {option}"
        ) from error


def _reason(error: OSError, port: int) -> str:
    if error.errno == errno.EADDRINUSE:
        return f"the port is taken by {holder(port) or 'another program'}"
    if error.errno == errno.EADDRNOTAVAIL:
        return "the address is not one of this machine's"
    return error.strerror or str(error)


def holder(port: int) -> str | None:
    """Return the program that listens on a TCP port, as "python3 (process 4711)"; None if it is unknown."""
    import psutil  # half a megabyte that only this message needs

    try:
        for connection in psutil.net_connections(kind="tcp"):
            listens = connection.status == psutil.CONN_LISTEN and connection.laddr and connection.laddr.port == port
            if listens and connection.pid:
                return f"{psutil.Process(connection.pid).name()} (process {connection.pid})"
    except (psutil.Error, OSError):
        pass
    return None
