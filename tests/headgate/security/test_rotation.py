"""Rotation of the authority: no peer gets a certificate that it does not trust."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

from headgate.security.authority import AUTHORITY_LIFETIME, KeyPair, issue_server, make_authority
from headgate.security.rotation import HANDED_OUT, Authorities

NOW = datetime(2026, 1, 1, tzinfo=UTC)
DUE = NOW + AUTHORITY_LIFETIME * 0.7


def test_an_authority_is_not_rotated_before_it_is_due() -> None:
    """A new authority stays as it is."""
    authorities = Authorities.new(NOW)
    assert authorities.at(NOW + timedelta(days=365)) is authorities


def test_a_new_authority_is_trusted_before_it_signs() -> None:
    """When it is due, the next one is distributed in addition to the current one, and signs only later."""
    old = Authorities.new(NOW)
    both = old.at(DUE)
    assert both.current == old.current
    assert both.next is not None
    assert both.next.certificate.decode() in both.trusted
    assert both.at(DUE + HANDED_OUT / 2) is both
    promoted = both.at(DUE + HANDED_OUT)
    assert promoted.current == both.next
    assert promoted.next is None


def test_the_previous_authority_is_trusted_until_it_expires() -> None:
    """Certificates of the previous authority are valid until it expires, and no longer."""
    old = Authorities.new(NOW)
    promoted = old.at(DUE).at(DUE + HANDED_OUT)
    assert old.current.certificate.decode() in promoted.trusted
    after = promoted.at(NOW + AUTHORITY_LIFETIME)
    assert old.current.certificate.decode() not in after.trusted
    assert after.current == promoted.current


def test_an_expired_authority_is_replaced_at_once() -> None:
    """If no replica ran for years, a new authority signs at once: certificates of the old one are invalid anyway."""
    old = Authorities.new(NOW)
    later = NOW + AUTHORITY_LIFETIME
    after = old.at(later)
    assert old.current.certificate.decode() not in after.trusted
    assert not after.current.due(later)
    assert after.at(later) is after


def test_a_distributed_authority_replaces_an_expired_one() -> None:
    """If the next one exists and is valid, it signs."""
    both = Authorities.new(NOW).at(DUE)
    assert both.at(NOW + AUTHORITY_LIFETIME).current == both.next


def test_data_of_a_secret_can_be_read() -> None:
    """The data of a Secret contains the authorities, at every stage."""
    stages = [Authorities.new(NOW)]
    stages.append(stages[-1].at(DUE))
    stages.append(stages[-1].at(DUE + HANDED_OUT))
    for each in stages:
        assert Authorities.read(each.data()) == each


@pytest.mark.parametrize("missing", ["tls.crt", "tls.key"])
def test_an_incomplete_secret_is_rejected(missing: str) -> None:
    """The error of an incomplete Secret names the missing field."""
    data = Authorities.new(NOW).data()
    del data[missing]
    with pytest.raises(ValueError, match=missing):
        Authorities.read(data)


def test_a_key_of_another_certificate_is_rejected() -> None:
    """A certificate and a key that do not match are no authority, and the key is not in the message."""
    data = Authorities.new(NOW).data() | {"tls.key": make_authority(NOW).key}
    with pytest.raises(ValueError, match="does not belong") as caught:
        Authorities.read(data)
    assert "PRIVATE" not in str(caught.value)


def of_a_user(key: Any, *, ca: bool = True) -> KeyPair:
    """Return a user's key pair, whose certificate does not end with a line break."""
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Somebody")])
    builder = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(NOW)
        .not_valid_after(NOW + AUTHORITY_LIFETIME)
        .add_extension(x509.BasicConstraints(ca=ca, path_length=None), critical=True)
    )
    digest = None if isinstance(key, ed25519.Ed25519PrivateKey) else hashes.SHA256()
    pem = builder.sign(key, digest).public_bytes(Encoding.PEM).rstrip()
    return KeyPair(pem, key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))


@pytest.mark.parametrize(
    "make",
    [lambda: rsa.generate_private_key(65537, 2048), ed25519.Ed25519PrivateKey.generate],
    ids=["RSA", "Ed25519"],
)
def test_an_authority_of_another_key_signs(make: Callable[[], Any]) -> None:
    """A user's authority signs with any type of key, and is renewed by one of Headgate."""
    pair = of_a_user(make())
    read = Authorities.read({"tls.crt": pair.certificate, "tls.key": pair.key})
    issued = x509.load_pem_x509_certificate(issue_server(read.current, ["headgate"], NOW).certificate)
    issued.verify_directly_issued_by(x509.load_pem_x509_certificate(pair.certificate))
    both = read.at(DUE)
    assert len(x509.load_pem_x509_certificates(both.trusted.encode())) == 2


def test_a_certificate_that_is_no_authority_is_rejected() -> None:
    """A certificate that cannot sign is rejected, with a message."""
    pair = of_a_user(ed25519.Ed25519PrivateKey.generate(), ca=False)
    with pytest.raises(ValueError, match="not that of an authority"):
        Authorities.read({"tls.crt": pair.certificate, "tls.key": pair.key})


@pytest.mark.parametrize(
    "garbage", [b"garbage", b"", b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"]
)
def test_an_invalid_previous_certificate_is_ignored(garbage: bytes) -> None:
    """The certificate of an authority that no longer signs cannot prevent the use of the current one."""
    made = Authorities.new(NOW)
    read = Authorities.read({**made.data(), "previous.crt": garbage})
    assert read == made
    assert read.at(NOW) is read


def test_the_drain_key_never_changes() -> None:
    """It is part of the pod template: renewals keep it, and an older Secret gets it at once."""
    authorities = first = Authorities.new(NOW)
    assert len(first.drain_key) == 32
    for day in range(0, 3650, 20):
        authorities = authorities.at(NOW + timedelta(days=day))
    assert authorities.current != first.current
    assert authorities.drain_key == first.drain_key
    data = first.data()
    del data["drain.key"]
    older = Authorities.read(data).at(NOW)
    assert older.drain_key not in (b"", first.drain_key)
    assert older.current == first.current
    assert older.drain_key.hex() not in repr(older)
