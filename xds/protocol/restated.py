"""Resources that Envoy stores before it validates them: an ACK of one that it rejected before proves nothing.

Observed with Envoy 1.40: SDS and ECDS store a hash of the received resource, then apply the resource, and reject it if
that fails. The same content, sent again with any version, is then accepted without validation. LDS, RDS, SRDS, VHDS,
CDS and EDS validate it again. tests/xds/envoy/test_acks.py tests both.

A resource that may have been rejected is sent in different bytes with the same meaning. If it has no such form, it is
sent alone, so that a NACK identifies it, and counts as rejected until it changes.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from google.protobuf.message import DecodeError

from headgate_proto.envoy.config.core.v3 import base_pb2
from headgate_proto.envoy.extensions.transport_sockets.tls.v3 import secret_pb2
from xds.resources.resource import Resource
from xds.resources.types import EXTENSION_CONFIG, SECRET

STORED_FIRST = frozenset({SECRET, EXTENSION_CONFIG})
"""Types whose resources Envoy stores before it validates them."""


def restated(resource: Resource, mark: str) -> Resource | None:
    """Return a resource in different bytes with the same meaning and version; None if no such form is known.

    Args:
        resource: The resource to send.
        mark: Letters and digits that were not used before, so that the bytes differ from all sent before.
    """
    if resource.type_url != SECRET:
        return None
    try:
        message = secret_pb2.Secret.FromString(resource.body)
    except DecodeError:
        return None
    for source in _pem(message):
        # RFC 7468: parsers ignore text outside of the encapsulation boundaries.
        if source.WhichOneof("specifier") == "inline_bytes":
            source.inline_bytes += f"\n{mark}\n".encode()
        else:
            source.inline_string += f"\n{mark}\n"
        return replace(resource, body=message.SerializeToString(deterministic=True))
    return None


def is_restatable(resource: Resource) -> bool:
    """Return whether a resource can be sent in different bytes with the same meaning."""
    return restated(resource, "") is not None


def together(upserts: dict[str, Resource]) -> dict[str, Resource]:
    """Return the resources that may be in one response: one that cannot be restated is sent alone."""
    found = {name: each for name, each in upserts.items() if is_restatable(each)}
    return found or dict(sorted(upserts.items())[:1])


def _pem(message: secret_pb2.Secret) -> Iterator[base_pb2.DataSource]:
    """Yield the inline PEM data of a secret."""
    match message.WhichOneof("type"):
        case "tls_certificate":
            found = message.tls_certificate.certificate_chain
        case "validation_context":
            found = message.validation_context.trusted_ca
        case _:
            return
    if found.inline_bytes or found.inline_string:
        yield found
