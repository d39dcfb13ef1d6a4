"""Envoy's ``Secret``, made from the IR's certificates, trust bundles and secret texts."""

from __future__ import annotations

from typing import Final

from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from headgate_proto.envoy.extensions.transport_sockets.tls.v3 import secret_pb2
from translator.api_group import GROUP
from translator.envoy.names import generic_secret_name
from translator.ir.listener import Certificate, TrustBundle
from translator.ir.secret import Derivation, GenericSecret

KEY_BYTES: Final = 32
"""The length of a derived key."""


def secret(name: str, certificate: Certificate) -> secret_pb2.Secret:
    """Make the secret of that name."""
    made = secret_pb2.Secret(name=name)
    made.tls_certificate.certificate_chain.inline_bytes = certificate.chain
    made.tls_certificate.private_key.inline_bytes = certificate.key
    return made


def generic_secret(secret: GenericSecret, value: bytes) -> secret_pb2.Secret:
    """Make the ``GenericSecret`` of a secret text, from the value of its Secret's key."""
    made = secret_pb2.Secret(name=generic_secret_name(secret))
    made.generic_secret.secret.inline_bytes = _derived(secret, value)
    return made


def _derived(secret: GenericSecret, value: bytes) -> bytes:
    if secret.derivation is Derivation.NONE:
        return value
    info = f"{GROUP}/{secret.namespace}/{secret.name}/{secret.derivation.value}"
    info += f"/{secret.purpose}" if secret.purpose else ""
    return HKDF(SHA256(), KEY_BYTES, salt=None, info=info.encode()).derive(value)


def trust_bundle_secret(name: str, bundle: TrustBundle) -> secret_pb2.Secret:
    """Make the secret of that name, by which the certificates of peers are validated."""
    made = secret_pb2.Secret(name=name)
    made.validation_context.trusted_ca.inline_bytes = bundle.certificates
    if bundle.revocation_lists:
        made.validation_context.crl.inline_bytes = bundle.revocation_lists
    return made
