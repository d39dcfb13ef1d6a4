"""The identity of a proxy, which is authorised for the resources of its own Gateway only."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import grpc

from headgate.security.authority import gateway_uri
from xds import Peer, StreamRejected


def certified(key: str, peer: Peer) -> None:
    """Authorise a peer for a Gateway's resources if its certificate contains the Gateway's `gateway_uri`.

    Raises:
        StreamRejected: it does not.
    """
    if gateway_uri(key) not in _names(peer.auth):
        text = f"the client's certificate is not for Gateway {key}: it must have the URI {gateway_uri(key)}"
        raise StreamRejected(text, grpc.StatusCode.PERMISSION_DENIED)


def _names(auth: Mapping[str, Iterable[Any]]) -> set[str]:
    names = auth.get("x509_subject_alternative_name", ())
    return {each.decode(errors="replace") if isinstance(each, bytes) else str(each) for each in names}


def bearer(peer: Peer) -> str:
    """Return the token that a peer sent in its ``authorization`` header.

    Raises:
        StreamRejected: it sent none.
    """
    value = peer.metadata.get("authorization", "")
    text = value.decode(errors="replace") if isinstance(value, bytes) else value
    scheme, _, token = text.partition(" ")
    if scheme.lower() != "bearer" or not token.strip():
        raise StreamRejected("send a token: authorization: Bearer TOKEN", grpc.StatusCode.UNAUTHENTICATED)
    return token.strip()
