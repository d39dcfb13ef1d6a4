"""Rotation of the authority: no peer ever sees a certificate that it does not trust."""

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


def test_nothing_happens_before_it_is_due() -> None:
    """A young authority stays as it is."""
    authorities = Authorities.new(NOW)
    assert authorities.at(NOW + timedelta(days=365)) is authorities


def test_a_new_authority_is_trusted_before_it_signs() -> None:
    """When it is due the next one is handed out beside the current one, and signs only once everybody has it."""
    old = Authorities.new(NOW)
    both = old.at(DUE)
    assert both.current == old.current
    assert both.next is not None
    assert both.next.certificate.decode() in both.trusted
    assert both.at(DUE + HANDED_OUT / 2) is both
    promoted = both.at(DUE + HANDED_OUT)
    assert promoted.current == both.next
    assert promoted.next is None


def test_the_old_authority_is_trusted_until_it_ends() -> None:
    """What the previous authority signed stays good for as long as that lives, and no longer."""
    old = Authorities.new(NOW)
    promoted = old.at(DUE).at(DUE + HANDED_OUT)
    assert old.current.certificate.decode() in promoted.trusted
    after = promoted.at(NOW + AUTHORITY_LIFETIME)
    assert old.current.certificate.decode() not in after.trusted
    assert after.current == promoted.current


def test_an_authority_that_ended_meanwhile_is_replaced() -> None:
    """Where nobody ran for years a new one signs at once: what the old one signed is good no more anyway."""
    old = Authorities.new(NOW)
    later = NOW + AUTHORITY_LIFETIME
    after = old.at(later)
    assert old.current.certificate.decode() not in after.trusted
    assert not after.current.due(later)
    assert after.at(later) is after


def test_one_that_was_handed_out_takes_its_place() -> None:
    """If the next one had been made before, and lives, it signs."""
    both = Authorities.new(NOW).at(DUE)
    assert both.at(NOW + AUTHORITY_LIFETIME).current == both.next


def test_what_is_written_can_be_read() -> None:
    """A Secret's data give back the authorities, at every stage."""
    stages = [Authorities.new(NOW)]
    stages.append(stages[-1].at(DUE))
    stages.append(stages[-1].at(DUE + HANDED_OUT))
    for each in stages:
        assert Authorities.read(each.data()) == each


@pytest.mark.parametrize("missing", ["tls.crt", "tls.key"])
def test_a_secret_that_lacks_something_is_refused(missing: str) -> None:
    """An incomplete Secret is told by what it lacks."""
    data = Authorities.new(NOW).data()
    del data[missing]
    with pytest.raises(ValueError, match=missing):
        Authorities.read(data)


def test_a_key_of_another_certificate_is_refused() -> None:
    """A certificate and a key that do not belong together are no authority, and the key is not shown."""
    data = Authorities.new(NOW).data() | {"tls.key": make_authority(NOW).key}
    with pytest.raises(ValueError, match="does not belong") as caught:
        Authorities.read(data)
    assert "PRIVATE" not in str(caught.value)


def of_somebody(key: Any, *, ca: bool = True) -> KeyPair:
    """Return a key pair that Headgate has not made; its certificate does not end with a line break."""
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
    """An authority that somebody brought along, of whatever key, signs; and is renewed by one of ours."""
    pair = of_somebody(make())
    read = Authorities.read({"tls.crt": pair.certificate, "tls.key": pair.key})
    issued = x509.load_pem_x509_certificate(issue_server(read.current, ["headgate"], NOW).certificate)
    issued.verify_directly_issued_by(x509.load_pem_x509_certificate(pair.certificate))
    both = read.at(DUE)
    assert len(x509.load_pem_x509_certificates(both.trusted.encode())) == 2


def test_a_certificate_of_no_authority_is_refused() -> None:
    """What cannot sign anything that proxies trust is refused as a whole, in words."""
    pair = of_somebody(ed25519.Ed25519PrivateKey.generate(), ca=False)
    with pytest.raises(ValueError, match="not that of an authority"):
        Authorities.read({"tls.crt": pair.certificate, "tls.key": pair.key})


@pytest.mark.parametrize(
    "garbage", [b"garbage", b"", b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"]
)
def test_a_garbage_previous_certificate_is_passed_over(garbage: bytes) -> None:
    """The certificate of an authority that signs no more cannot keep the one that does from being used."""
    made = Authorities.new(NOW)
    read = Authorities.read({**made.data(), "previous.crt": garbage})
    assert read == made
    assert read.at(NOW) is read


def test_the_drain_key_never_changes() -> None:
    """It is part of the pods' template: renewals keep it, and a Secret from before there was one gets it at once."""
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
