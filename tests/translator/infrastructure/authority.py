"""A certificate authority for tests, and files in a pod as the kubelet writes them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import grpc
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID


class Authority:
    """Signs certificates for servers."""

    def __init__(self, name: str) -> None:
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        constraints = x509.BasicConstraints(ca=True, path_length=None)
        self._certificate = self._built(self._name, self._key).add_extension(constraints, True)

    @property
    def pem(self) -> str:
        """The authority's certificate."""
        return _pem(self._certificate.sign(self._key, hashes.SHA256()))

    def credentials(self, host: str) -> grpc.ServerCredentials:
        """Return the TLS credentials of a server with this name."""
        key = ec.generate_private_key(ec.SECP256R1())
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "server")])
        names = x509.SubjectAlternativeName([x509.DNSName(host)])
        certificate = self._built(subject, key).add_extension(names, False).sign(self._key, hashes.SHA256())
        private = key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        return grpc.ssl_server_credentials([(private, _pem(certificate).encode())])

    def _built(self, subject: x509.Name, key: ec.EllipticCurvePrivateKey) -> x509.CertificateBuilder:
        now = datetime.now(UTC)
        return (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(self._name)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - timedelta(minutes=1))
            .not_valid_after(now + timedelta(hours=1))
        )


def _pem(certificate: x509.Certificate) -> str:
    return certificate.public_bytes(serialization.Encoding.PEM).decode()


class Volume:
    """A folder whose files are replaced atomically, by links through `..data`."""

    def __init__(self, folder: Path, files: dict[str, str]) -> None:
        self._folder = folder
        self._times = 0
        folder.mkdir()
        self.replace(files)
        for name in files:
            (folder / name).symlink_to(Path("..data") / name)

    def replace(self, files: dict[str, str]) -> None:
        """Replace all files by these."""
        self._times += 1
        into = self._folder / f"..{self._times}"
        into.mkdir()
        for name, text in files.items():
            (into / name).write_text(text)
        link = self._folder / "..data_tmp"
        link.symlink_to(into.name)
        link.rename(self._folder / "..data")
