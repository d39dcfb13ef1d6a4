"""The sockets of another process: what it has asked the kernel for."""

from __future__ import annotations

import ctypes
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Final

import psutil

_PIDFD_GETFD: Final = 438


@contextmanager
def socket_to(process: int, port: int) -> Iterator[socket.socket]:
    """Give the socket of a process that is connected to a port of loopback.

    Raises:
        LookupError: it has none.
    """
    numbers = [
        each.fd
        for each in psutil.Process(process).net_connections("tcp")
        if each.raddr[1:] == (port,) and each.status == psutil.CONN_ESTABLISHED
    ]
    if not numbers:
        raise LookupError(f"process {process} has no connection to port {port}")
    handle = os.pidfd_open(process)
    try:
        libc = ctypes.CDLL(None, use_errno=True)
        copy = libc.syscall(_PIDFD_GETFD, handle, numbers[-1], 0)
        if copy < 0:
            raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
    finally:
        with suppress(OSError):
            os.close(handle)
    with socket.socket(fileno=copy) as found:
        yield found
