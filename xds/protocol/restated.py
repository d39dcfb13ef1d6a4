"""Resources that Envoy stores before it validates them: its ACK of one that it rejected before proves nothing.

Seen of Envoy 1.40: SDS and ECDS keep a hash of the resource that they were sent, then begin to use the resource, and
reject it if that fails. The same content, sent again under whatever version, is then accepted without validation.
LDS, RDS, SRDS, VHDS, CDS and EDS validate it again. tests/xds/envoy/test_acks.py holds both.

A resource that may have been rejected is sent in other bytes that mean the same. If there are none, it is sent alone,
so that a NACK is about it; and it counts as rejected until it changes.
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
"""Types of which Envoy stores a resource before it checks it."""


def restated(resource: Resource, mark: str) -> Resource | None:
    """Return a resource in other bytes that mean the same, None if none are known; its version stays.

    Args:
        resource: What is to be sent.
        mark: Makes the bytes others than all that were sent before: some letters and digits.
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
    """Tell whether there are other bytes that mean the same."""
    return restated(resource, "") is not None


def together(upserts: dict[str, Resource]) -> dict[str, Resource]:
    """Return those of some resources that may be in one response: one that cannot be restated is in its own."""
    found = {name: each for name, each in upserts.items() if is_restatable(each)}
    return found or dict(sorted(upserts.items())[:1])


def _pem(message: secret_pb2.Secret) -> Iterator[base_pb2.DataSource]:
    """Yield what a secret holds in PEM itself, not in a file."""
    match message.WhichOneof("type"):
        case "tls_certificate":
            found = message.tls_certificate.certificate_chain
        case "validation_context":
            found = message.validation_context.trusted_ca
        case _:
            return
    if found.inline_bytes or found.inline_string:
        yield found
