"""Protocols of listeners (Gateway API, `ProtocolType`): which of them share a port."""

from __future__ import annotations

from typing import Final

SNI_PROTOCOLS: Final = frozenset({"HTTPS", "TLS"})
"""The protocols of listeners that take connections by their server name (SNI), and so can share a port."""

OF_TLS: Final = SNI_PROTOCOLS
"""The protocols of listeners that terminate TLS."""

OF_HTTP: Final = frozenset({"HTTP", "HTTPS"})
"""The protocols of listeners that serve HTTP."""

OF_CONNECTIONS: Final = OF_HTTP | {"TLS", "TCP"}
"""The protocols of listeners that have connections."""


def wire_protocol(protocol: str) -> str:
    """Return what connections to listeners of a protocol begin with; those on one port have it in common."""
    return "TLS" if protocol in SNI_PROTOCOLS else protocol
