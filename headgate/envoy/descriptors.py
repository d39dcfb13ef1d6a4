"""The file descriptors that an Envoy started by Headgate may have (RLIMIT_NOFILE)."""

from __future__ import annotations

import resource
import sys

import structlog

from translator.envoy.descriptors import limited, sufficient
from translator.envoy.overload import MAX_DOWNSTREAM_CONNECTIONS
from translator.envoy.udp_proxy import MAX_SESSIONS

#: The descriptors of a process on macOS, where a hard limit that is "unlimited" allows no more (`OPEN_MAX`).
MACOS_DESCRIPTORS = 10_240

log = structlog.stdlib.get_logger("headgate.envoy")


def available() -> int | None:
    """Return how many file descriptors an Envoy may have; None if that is not limited.

    An Envoy inherits both limits of Headgate, and raises the soft one to the hard one when it starts.
    """
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    found = None if hard == resource.RLIM_INFINITY else hard
    if sys.platform == "darwin":
        return min(MACOS_DESCRIPTORS, found or MACOS_DESCRIPTORS)
    return found


def warn_if_few(descriptors: int | None) -> None:
    """Log a warning if so few descriptors lower the limits of an Envoy that has one port of UDP."""
    needed = sufficient(max(MAX_DOWNSTREAM_CONNECTIONS, MAX_SESSIONS))
    if descriptors is None or descriptors >= needed:
        return
    log.warning(
        f"Each Envoy may have only {descriptors:,} file descriptors, and so takes at most "
        f"{limited(MAX_DOWNSTREAM_CONNECTIONS, descriptors):,} connections instead of {MAX_DOWNSTREAM_CONNECTIONS:,}, "
        f"and {limited(MAX_SESSIONS, descriptors):,} sessions of UDP on all ports together. For more, raise the hard "
        f"limit of Headgate to {needed:,} (`ulimit -Hn`; LimitNOFILE= in systemd; --ulimit nofile= in Docker)"
    )
