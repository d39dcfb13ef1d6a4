"""`headgate` that sends Envoy another key than that of the certificate, where the certificate is for `refused`.

Headgate checks certificates as Envoy does: of what passes its check none is known that Envoy refuses.
"""

from __future__ import annotations

from unittest.mock import patch

from cryptography import x509

from headgate.cli import main
from headgate_proto.envoy.extensions.transport_sockets.tls.v3 import secret_pb2
from tests.certificates import self_signed
from translator.envoy.secret import secret
from translator.ir.listener import Certificate
from translator.resources import listeners as resources


def miswritten(name: str, certificate: Certificate) -> secret_pb2.Secret:
    """Return the secret, of which Envoy refuses those for `refused`."""
    made = secret(name, certificate)
    subject = x509.load_pem_x509_certificate(certificate.chain).subject.rfc4514_string()
    if "refused" in subject:
        made.tls_certificate.private_key.inline_bytes = self_signed("another")[1].encode()
    return made


if __name__ == "__main__":
    with patch.object(resources, "secret", miswritten):
        main()
