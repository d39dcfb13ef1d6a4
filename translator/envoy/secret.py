"""Envoy's ``Secret``, made from the IR's certificates and trust bundles."""

from __future__ import annotations

from headgate_proto.envoy.extensions.transport_sockets.tls.v3 import secret_pb2
from translator.ir.listener import Certificate, TrustBundle


def secret(name: str, certificate: Certificate) -> secret_pb2.Secret:
    """Make the secret of that name."""
    made = secret_pb2.Secret(name=name)
    made.tls_certificate.certificate_chain.inline_bytes = certificate.chain
    made.tls_certificate.private_key.inline_bytes = certificate.key
    return made


def trust_bundle_secret(name: str, bundle: TrustBundle) -> secret_pb2.Secret:
    """Make the secret of that name, by which the certificates of peers are validated."""
    made = secret_pb2.Secret(name=name)
    made.validation_context.trusted_ca.inline_bytes = bundle.certificates
    return made
