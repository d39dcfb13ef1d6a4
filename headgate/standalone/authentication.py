"""Which Envoys may have the resources of which Gateway, on the xDS address and the socket of `headgate run`."""

from __future__ import annotations

import time

import structlog

from headgate.controlplane.publisher import SnapshotKeys
from headgate.security.identity import certified
from headgate.security.proxy_tokens import ProxyTokens
from translator.objects.gateway_api.gateway import key_of
from translator.translator import Translator
from xds import Peer, StreamRejected

TOLD_AGAIN, MOST_TOLD, MOST_NAMED = 300.0, 100, 10
"""An Envoy that asks for a Gateway that does not exist is told of again after so many seconds; of so many Gateways at a
time, with so many names of those that are there."""

log = structlog.stdlib.get_logger("headgate")


class EnvoyAuthentication:
    """Authenticates Envoys and authorises each for its own Gateway.

    Args:
        tokens: of the Gateways.
        keys: of the snapshots.
        translator: has the names of the Gateways that are there.
        tls: whether the address speaks TLS, which has clients show a certificate; the socket never does.
    """

    def __init__(self, tokens: ProxyTokens, keys: SnapshotKeys, translator: Translator, *, tls: bool) -> None:
        self._tokens = tokens
        self._keys = keys
        self._translator = translator
        self._tls = tls
        self._unknown: dict[str, float] = {}

    def authenticate(self, peer: Peer) -> None:
        """Authenticate a client by its token; over TLS, the handshake has checked its certificate.

        Raises:
            StreamRejected: the peer has none.
        """
        if peer.local or not self._tls:
            self._tokens.authenticate(peer)

    def authorise(self, gateway: str, peer: Peer) -> None:
        """Authorise an Envoy for a Gateway's resources.

        Over TLS its certificate says whose it is; over plain text, and by the Unix socket, the Gateway's token does:
        whoever merely reaches the port, as by a route of a tenant, gets nothing.

        Raises:
            StreamRejected: it may not have them, or there is no such Gateway.
        """
        if self._tls and not peer.local:
            certified(gateway, peer)
        else:
            self._tokens.check(gateway, peer)
        try:
            self._keys.check(gateway)
        except StreamRejected:
            self._log_unknown(gateway)
            raise

    def _log_unknown(self, gateway: str) -> None:
        """Log that an Envoy asks for a Gateway that does not exist, once per Gateway and period."""
        now = time.monotonic()
        self._unknown = {name: told for name, told in self._unknown.items() if now - told < TOLD_AGAIN}
        if gateway in self._unknown or len(self._unknown) >= MOST_TOLD:
            return
        self._unknown[gateway] = now
        there = sorted(map(key_of, self._translator.snapshots))
        log.warning(
            "An Envoy asks for a Gateway that Headgate does not serve; start it with a bootstrap of one that is there",
            gateway=gateway,
            there=" ".join(there[:MOST_NAMED]) or "none",
        )
