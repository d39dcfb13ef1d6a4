"""Limits by the file descriptors that an Envoy may have: it crashes when it needs one more for a session of UDP.

All but a reserve is divided into three equal shares: connections of clients, connections to the endpoints of a cluster,
and sessions of UDP, which the ports of a Gateway divide among them. Without a number, the limits are the defaults.
"""

from __future__ import annotations

from typing import Final

RESERVED: Final = 256
"""Descriptors for all else: sockets of listeners, threads, logs, the connection to Headgate, administration."""

SHARES: Final = 3
"""The equal parts of the others."""


def limited(limit: int, descriptors: int | None, users: int = 1) -> int:
    """Return a limit of connections or sessions, lowered to what the descriptors allow, and at least 1.

    Args:
        limit: the limit where there are enough descriptors.
        descriptors: how many file descriptors the Envoy may have; None if that need not be considered.
        users: how many such limits divide a share among them.
    """
    if descriptors is None:
        return limit
    return max(1, min(limit, (descriptors - RESERVED) // SHARES // users))


def sufficient(limit: int) -> int:
    """Return how many descriptors an Envoy needs so that a limit is not lowered."""
    return limit * SHARES + RESERVED
