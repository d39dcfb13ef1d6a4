"""Certificates for tests, made when they are needed."""

from __future__ import annotations

import ssl
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PrivateFormat
from cryptography.x509.oid import NameOID

from tests.certificates import DAY, encoded, self_signed
from tests.live.objects import Manifest


def tls_secret(name: str, *hostnames: str) -> Manifest:
    """Return a Secret with a new key and a self-signed certificate of these names."""
    return secret(name, *self_signed(name, *hostnames))


def secret(name: str, certificate: str, key: str) -> Manifest:
    """Return a Secret with a certificate."""
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "type": "kubernetes.io/tls",
        "metadata": {"name": name},
        "stringData": {"tls.crt": certificate, "tls.key": key},
    }


def serial(secret: Manifest) -> int:
    """Return the serial number of the certificate in a Secret."""
    return x509.load_pem_x509_certificate(secret["stringData"]["tls.crt"].encode()).serial_number


def shown(tls: ssl.SSLObject) -> int:
    """Return the serial number of the certificate that a connection was shown."""
    presented = tls.getpeercert(binary_form=True)
    assert presented is not None
    return x509.load_der_x509_certificate(presented).serial_number


def client(*protocols: str) -> ssl.SSLContext:
    """Return a client that takes any certificate: which one it was shown is for the test to look at."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    if protocols:
        context.set_alpn_protocols(protocols)
    return context


def presenting(certificate: Path, *protocols: str) -> ssl.SSLContext:
    """Return a client that presents the certificate of a file."""
    context = client(*protocols)
    context.load_cert_chain(certificate)
    return context


def tls_server(
    folder: Path, name: str, *hostnames: str, clients: Authority | None = None
) -> tuple[ssl.SSLContext, str]:
    """Return a server with a new key and a self-signed certificate of these names, and that certificate.

    Args:
        folder: for its files.
        name: the common name.
        hostnames: the DNS names.
        clients: the authority of which clients must have a certificate; by default none is asked for.
    """
    certificate, key = self_signed(name, *hostnames)
    file = folder / f"{name}.pem"
    file.write_text(certificate + key)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(file)
    if clients is not None:
        context.verify_mode = ssl.CERT_REQUIRED
        context.load_verify_locations(cadata=clients.certificate)
    return context, certificate


class Authority:
    """A certificate authority, of which clients can get certificates."""

    def __init__(self, name: str) -> None:
        self._name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        self._key = ec.generate_private_key(ec.SECP256R1())
        constraints = x509.BasicConstraints(ca=True, path_length=None)
        self.certificate = self._signed(self._name, self._key.public_key(), constraints)

    def config_map(self, name: str, *others: Authority) -> Manifest:
        """Return a ConfigMap with the certificate of this authority, and those of others."""
        text = "".join(each.certificate for each in (self, *others))
        return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}, "data": {"ca.crt": text}}

    def client(self, folder: Path, *protocols: str, names: Sequence[x509.GeneralName] = ()) -> ssl.SSLContext:
        """Return a client with a certificate of this authority for some names; `folder` is for its files."""
        return presenting(self.client_file(folder, names=names), *protocols)

    def client_file(self, folder: Path, *, names: Sequence[x509.GeneralName] = (), expired: bool = False) -> Path:
        """Return a file with a certificate of this authority for a client, and its key."""
        file = folder / f"{x509.random_serial_number():x}.pem"
        file.write_text("".join(self._of_client(names, expired=expired)))
        return file

    def revocation_list(self, *revoked: Path) -> str:
        """Return the list that revokes the certificates in files, as PEM."""
        now = datetime.now(UTC)
        builder = x509.CertificateRevocationListBuilder(self._name, now - DAY, now + DAY)
        for each in revoked:
            found = x509.load_pem_x509_certificate(each.read_bytes())
            entry = x509.RevokedCertificateBuilder(found.serial_number, now - DAY)
            builder = builder.add_revoked_certificate(entry.build())
        return builder.sign(self._key, hashes.SHA256()).public_bytes(Encoding.PEM).decode()

    def client_secret(self, name: str) -> Manifest:
        """Return a Secret with a certificate for a client, and its key."""
        certificate, key = self._of_client()
        return secret(name, certificate, key)

    def _of_client(self, names: Sequence[x509.GeneralName] = (), *, expired: bool = False) -> tuple[str, str]:
        key = ec.generate_private_key(ec.SECP256R1())
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "client")])
        constraints = x509.BasicConstraints(ca=False, path_length=None)
        certificate = self._signed(subject, key.public_key(), constraints, names, expired=expired)
        return certificate, encoded(key, PrivateFormat.PKCS8)

    def _signed(
        self,
        subject: x509.Name,
        key: ec.EllipticCurvePublicKey,
        constraints: x509.BasicConstraints,
        names: Sequence[x509.GeneralName] = (),
        *,
        expired: bool = False,
    ) -> str:
        now, serial_number = datetime.now(UTC) - 2 * DAY * expired, x509.random_serial_number()
        builder = x509.CertificateBuilder(self._name, subject, key, serial_number, now - DAY, now + DAY)
        if names:
            builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=False)
        signed = builder.add_extension(constraints, critical=True).sign(self._key, hashes.SHA256())
        return signed.public_bytes(Encoding.PEM).decode()
