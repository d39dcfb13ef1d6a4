"""Headers of a connection, which no extension may change."""

from __future__ import annotations

from typing import Final

OF_THE_CONNECTION: Final = frozenset(
    {
        "connection",
        "content-length",
        "http2-settings",
        "keep-alive",
        "proxy-connection",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
    }
)
"""What frames a message, and what concerns one connection only (RFC 9110, 7.6.1; RFC 9112, 6): to change it is to have
one message read as two."""
