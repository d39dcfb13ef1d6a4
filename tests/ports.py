"""Ports for the servers of tests."""

from __future__ import annotations

import contextlib
import random
import socket

_given: set[int] = set()
_random = random.SystemRandom()  # of which no seed makes the same ports in two processes


def free_port() -> int:
    """A free port of loopback, none that this process was given before.

    It is outside of the range from which outgoing connections get theirs, so that none of those takes it meanwhile.
    """
    while True:
        port = _random.randrange(10_000, 32_000)
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.bind(("127.0.0.1", port))
            if port not in _given:
                _given.add(port)
                return port
