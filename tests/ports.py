"""Ports for the servers of tests."""

from __future__ import annotations

import contextlib
import random
import socket
from collections.abc import Iterator

_given: set[int] = set()
_random = random.SystemRandom()  # of which no seed makes the same ports in two processes


def free_port() -> int:
    """Return a free port of loopback, none that this process was given before.

    It is outside of the range from which outgoing connections get theirs, so that none of those takes it meanwhile.
    """
    while True:
        port = _random.randrange(10_000, 32_000)
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.bind(("127.0.0.1", port))
            if port not in _given:
                _given.add(port)
                return port


@contextlib.contextmanager
def unaccepting() -> Iterator[int]:
    """Give a port of loopback at which something listens and accepts no connection: who connects waits."""
    with contextlib.ExitStack() as stack:
        server = stack.enter_context(socket.create_server(("127.0.0.1", 0), backlog=0))
        for _ in range(4):  # the kernel keeps one or two until they are accepted, and drops what comes after them
            waiting = stack.enter_context(socket.socket())
            waiting.setblocking(False)
            waiting.connect_ex(server.getsockname())
        yield server.getsockname()[1]
