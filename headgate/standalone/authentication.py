"""Authentication of Envoys by `headgate run`, and authorisation of each for the resources of one Gateway."""

from __future__ import annotations

import time

import grpc
import structlog

from headgate.controlplane.publisher import SnapshotKeys
from headgate.security.identity import certified
from headgate.security.proxy_tokens import ProxyTokens
from translator.objects.gateway_api.gateway import is_gateway_key, key_of
from translator.translator import Translator
from xds import Peer, StreamRejected

LOG_INTERVAL, MAX_LOGGED, MAX_LISTED = 300.0, 100, 10
"""Limits of warnings about Envoys of unknown Gateways: the seconds between two about the same Gateway, the Gateways
warned about in that time, and the known Gateways that a warning lists."""

log = structlog.stdlib.get_logger("headgate")


class EnvoyAuthentication:
    """Authenticates Envoys and authorises each for its own Gateway.

    Args:
        tokens: the tokens of the Gateways.
        keys: the keys of the snapshots.
        translator: has the names of the Gateways.
        tls: whether the xDS address uses mutual TLS; the Unix socket never does.
    """

    def __init__(self, tokens: ProxyTokens, keys: SnapshotKeys, translator: Translator, *, tls: bool) -> None:
        self._tokens = tokens
        self._keys = keys
        self._translator = translator
        self._tls = tls
        self._unknown: dict[str, float] = {}

    def authenticate(self, peer: Peer) -> None:
        """Authenticate a client by its token; over TLS, the handshake has verified its certificate.

        gRPC clients, which send tokens over TLS only, have none: what reaches the Unix socket is of the same user.

        Raises:
            StreamRejected: the client has no valid token.
        """
        if peer.local and "authorization" not in peer.metadata:
            return
        if peer.local or not self._tls:
            self._tokens.authenticate(peer)

    def authorise(self, gateway: str, peer: Peer) -> None:
        """Authorise an Envoy for a Gateway's resources, or a gRPC client for the Services that it asks for.

        Over TLS, the certificate names the Gateway; over plain text and the Unix socket, the Gateway's token does. A
        client that merely reaches the port, as by a tenant's route, is rejected.

        Raises:
            StreamRejected: the client is not an Envoy of the Gateway, or the Gateway does not exist; or it is a gRPC
                client at the port, which everybody can reach.
        """
        if gateway and not is_gateway_key(gateway):
            if not peer.local:
                text = "gRPC clients connect by the Unix socket: write server_uri unix:PATH into their bootstrap"
                raise StreamRejected(text, grpc.StatusCode.PERMISSION_DENIED)
            return
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
        """Log that an Envoy subscribes to a Gateway that does not exist, once per Gateway and interval."""
        now = time.monotonic()
        self._unknown = {name: logged for name, logged in self._unknown.items() if now - logged < LOG_INTERVAL}
        if gateway in self._unknown or len(self._unknown) >= MAX_LOGGED:
            return
        self._unknown[gateway] = now
        known = sorted(map(key_of, self._translator.snapshots))
        log.warning(
            "An Envoy of a Gateway that Headgate does not serve connects; use the bootstrap of a served Gateway",
            gateway=gateway,
            there=" ".join(known[:MAX_LISTED]) or "none",
        )
