"""The authority's certificates, checked by OpenSSL and X.509 libraries."""

from __future__ import annotations

import ssl
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID
from cryptography.x509.verification import PolicyBuilder, Store, VerificationError

from headgate.security.authority import (
    AUTHORITY_LIFETIME,
    CERTIFICATE_LIFETIME,
    KeyPair,
    gateway_uri,
    issue_proxy,
    issue_server,
    make_authority,
    reissue,
)

NOW = datetime(2026, 1, 1, tzinfo=UTC)


@pytest.fixture(scope="module")
def authority() -> KeyPair:
    """Return one authority for all tests."""
    return make_authority(NOW)


def parsed(pair: KeyPair) -> x509.Certificate:
    """Return the certificate of a pair."""
    return x509.load_pem_x509_certificate(pair.certificate)


def test_a_server_certificate_is_valid_for_its_names_only(authority: KeyPair) -> None:
    """Clients that trust the authority accept the server under each of its names, and under no other."""
    server = parsed(issue_server(authority, ["headgate.example.com", "127.0.0.1"], NOW))
    policy = PolicyBuilder().store(Store([parsed(authority)])).time(NOW)
    policy.build_server_verifier(x509.DNSName("headgate.example.com")).verify(server, [])
    policy.build_server_verifier(x509.IPAddress(ip_address("127.0.0.1"))).verify(server, [])
    with pytest.raises(VerificationError):
        policy.build_server_verifier(x509.DNSName("other.example.com")).verify(server, [])


def test_a_proxy_certificate_names_its_gateway(authority: KeyPair) -> None:
    """A proxy's certificate is one for clients, and its only name is the URI of its Gateway."""
    proxy = parsed(issue_proxy(authority, "default/web", NOW))
    verified = PolicyBuilder().store(Store([parsed(authority)])).time(NOW).build_client_verifier().verify(proxy, [])
    assert verified.subjects is not None
    assert [each.value for each in verified.subjects] == [gateway_uri("default/web")]


def test_another_authority_is_not_trusted(authority: KeyPair) -> None:
    """A certificate of an authority of the same name but another key is rejected."""
    forged = parsed(issue_server(make_authority(NOW), ["headgate"], NOW))
    verifier = PolicyBuilder().store(Store([parsed(authority)])).time(NOW)
    with pytest.raises(VerificationError):
        verifier.build_server_verifier(x509.DNSName("headgate")).verify(forged, [])


def test_renewal_is_due_in_the_last_third(authority: KeyPair) -> None:
    """A certificate is due in the last third of its validity."""
    pair = issue_server(authority, ["headgate"], NOW)
    assert not pair.due(NOW)
    assert not pair.due(NOW + CERTIFICATE_LIFETIME * 0.6)
    assert pair.due(NOW + CERTIFICATE_LIFETIME * 0.7)
    assert pair.expires - NOW == CERTIFICATE_LIFETIME


def test_no_certificate_outlives_its_authority(authority: KeyPair) -> None:
    """A certificate issued late in the authority's validity ends with it."""
    late = NOW + AUTHORITY_LIFETIME - timedelta(days=1)
    assert issue_server(authority, ["headgate"], late).expires == authority.expires


def test_the_repr_has_no_key(authority: KeyPair) -> None:
    """The repr of a pair has no private key."""
    assert "PRIVATE" not in repr(authority)
    assert b"PRIVATE" in authority.key


def test_a_server_without_names_is_rejected(authority: KeyPair) -> None:
    """A certificate without names is not issued."""
    with pytest.raises(ValueError, match="at least one"):
        issue_server(authority, [], NOW)


def test_a_serial_number_of_0_is_no_warning() -> None:
    """A user's authority with the serial number 0, as some tools create them, signs without a Python warning."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "own")])
    builder = x509.CertificateBuilder(name, name, key.public_key(), 0x7F, NOW, NOW + AUTHORITY_LIFETIME)
    found = builder.add_extension(x509.BasicConstraints(True, None), True).sign(key, hashes.SHA256())
    data = found.public_bytes(Encoding.DER).replace(b"\x02\x01\x7f", b"\x02\x01\x00", 1)
    own = KeyPair(
        ssl.DER_cert_to_PEM_cert(data).encode(),
        key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()),
    )
    own.check_authority()
    server = issue_server(own, ["headgate.example.com"], NOW)
    assert reissue(own, server, NOW) is not None
    assert not own.due(NOW)
