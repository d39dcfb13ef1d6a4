"""Public keys as the proxy gets them: what is taken, what is left out, and what is refused, with the reason."""

from __future__ import annotations

import base64
import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import dsa, ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat
from joserfc.jwk import ECKey, OKPKey, RSAKey

from translator.languages.jwks import MAX_JWKS_BYTES, MAX_RSA_BITS, MIN_RSA_BITS, MOST_KEYS, JwksError, public_keys

RSA = RSAKey.generate_key(2048, {"kid": "r", "use": "sig"})
EC = ECKey.generate_key("P-256", {"kid": "e", "alg": "ES256"})
LONG = ECKey.generate_key("P-521")
OKP = OKPKey.generate_key("Ed25519")
KEYS = (RSA, EC, LONG, OKP)


def public(found: Any) -> dict[str, Any]:
    """Return the public members of a key."""
    return dict(found.as_dict(private=False))


def written(*keys: object) -> bytes:
    """Return a set of keys as JSON."""
    return json.dumps({"keys": keys}).encode()


def read(text: bytes) -> list[dict[str, str]]:
    """Return the keys that are taken of a text."""
    found: list[dict[str, str]] = json.loads(public_keys(text))["keys"]
    return found


@pytest.mark.parametrize("found", KEYS)
def test_forms_of_a_key(found: Any) -> None:
    """A key is the same in a set, alone and as PEM, which has no names; members that say no more are left out."""
    expected = {name: value for name, value in public(found).items() if name not in ("use", "key_ops")}
    assert read(written({**public(found), "x5t": "x"})) == [expected]
    assert read(json.dumps(public(found)).encode()) == [expected]
    unnamed = {name: value for name, value in expected.items() if name not in ("kid", "alg")}
    assert read(b"\n" + found.as_pem(private=False)) == [unnamed]


def test_a_certificate() -> None:
    """The key of a certificate is taken, whoever has signed it."""
    key, now = ec.generate_private_key(ec.SECP384R1()), datetime.now(UTC)
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "issuer")])
    made = x509.CertificateBuilder(name, name, key.public_key(), 1, now, now + timedelta(1)).sign(key, hashes.SHA256())
    assert [each["crv"] for each in read(made.public_bytes(Encoding.PEM))] == ["P-384"]


def test_several_keys() -> None:
    """Keys stand in the order in which they are written."""
    assert [each["kty"] for each in read(written(*map(public, KEYS)))] == ["RSA", "EC", "EC", "OKP"]
    assert len(read(b"".join(each.as_pem(private=False) for each in KEYS))) == 4


LEFT_OUT = [
    {**public(RSA), "use": "enc"},
    {**public(RSA), "alg": "RSA-OAEP"},
    {**public(EC), "alg": "ES384"},
    {**public(OKP), "crv": "X25519"},
    {**public(EC), "crv": "secp256k1"},
    {"kty": "AKP", "alg": "ML-DSA-44", "pub": "AA"},
]


@pytest.mark.parametrize("other", LEFT_OUT)
def test_what_is_left_out(other: dict[str, Any]) -> None:
    """Keys for something else, or of a type that Envoy does not know, are left out; alone they are none."""
    assert len(read(written(other, public(EC)))) == 1
    with pytest.raises(JwksError, match="no key that can verify tokens"):
        read(written(other))


def test_other_kinds_in_pem() -> None:
    """A key in PEM that cannot verify tokens is left out too."""
    other = dsa.generate_private_key(2048).public_key()
    pem = other.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    assert read(pem + EC.as_pem(private=False))[0]["kty"] == "EC"
    with pytest.raises(JwksError, match="no key that can verify tokens"):
        read(pem)


SECRET = base64.urlsafe_b64encode(b"a very secret text").decode()


@pytest.mark.parametrize("found", KEYS)
def test_private_keys(found: Any) -> None:
    """A private key is refused, in every form, and nothing of it is in the message."""
    private = found.as_dict(private=True)
    for text in (written(private), json.dumps(private).encode(), found.as_pem(private=True)):
        with pytest.raises(JwksError, match="private key, which everybody could read") as error:
            read(text)
        assert private["d"] not in str(error.value)
    with pytest.raises(JwksError, match=r"keys\[1\] is a symmetric key") as error:
        read(written(public(found), {"kty": "oct", "k": SECRET}))
    assert SECRET not in str(error.value)


def test_an_encrypted_private_key() -> None:
    """A private key of another form is refused as well."""
    key = ed25519.Ed25519PrivateKey.generate()
    pem = key.private_bytes(Encoding.PEM, PrivateFormat.OpenSSH, NoEncryption())
    with pytest.raises(JwksError, match="private key"):
        read(pem)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (b"", "is neither JSON nor PEM"),
        (b"\xff", "is neither JSON nor PEM"),
        (b"[" * 5_000, "is neither JSON nor PEM"),
        (b"[]", "is no JSON Web Key Set"),
        (b"{}", "is no JSON Web Key Set"),
        (b'{"keys": {}}', "is no JSON Web Key Set"),
        (b'{"keys": []}', "has no key that can verify tokens"),
        (b'{"keys": [1]}', r"keys\[0\] is no key"),
        (b'{"keys": [{"kty": 1}]}', r"keys\[0\] is no key"),
        (written({"kty": "RSA", "e": "AQAB"}), r"keys\[0\].n must be a number in base64url"),
        (written({**public(RSA), "n": "?"}), r"keys\[0\].n must be a number in base64url"),
        (written({**public(RSA), "e": "AA"}), r"keys\[0\] is no RSA key"),
        (written({**public(EC), "x": "AAAA"}), r"keys\[0\].x must have 32 bytes"),
        (written({**public(EC), "x": public(EC)["y"]}), r"keys\[0\] is no point of P-256"),
        (written({**public(OKP), "x": "AAAA"}), r"keys\[0\].x must have 32 bytes"),
        (written({**public(EC), "kid": 1}), r"keys\[0\].kid must be a text"),
        (b"-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----", "block 1 is no public key or certificate"),
        (b"-----BEGIN PUBLIC KEY-----", "has no key that can verify tokens"),
    ],
)
def test_what_is_no_set_of_keys(text: bytes, message: str) -> None:
    """What is no set of keys is refused, with its place."""
    with pytest.raises(JwksError, match=message):
        read(text)


@pytest.mark.parametrize("bits", [1024, MAX_RSA_BITS * 2])
def test_weak_and_huge_keys_of_rsa(bits: int) -> None:
    """Keys of RSA that are too short, or longer than Envoy takes them, are refused."""
    made = rsa.RSAPublicNumbers(65537, 2**bits - 1).public_key() if bits > MAX_RSA_BITS else None
    key = made or rsa.generate_private_key(65537, bits).public_key()
    pem = key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    with pytest.raises(JwksError, match=f"of {bits} bits; it must have {MIN_RSA_BITS} to {MAX_RSA_BITS}"):
        read(pem)


def test_the_most_keys() -> None:
    """A set has so many keys and bytes at most."""
    one = public(EC)
    assert len(read(written(*[one] * MOST_KEYS))) == MOST_KEYS
    with pytest.raises(JwksError, match=f"has {MOST_KEYS + 1} keys"):
        read(written(*[one] * (MOST_KEYS + 1)))
    text = written(one)
    read(text.ljust(MAX_JWKS_BYTES))
    with pytest.raises(JwksError, match=f"is {MAX_JWKS_BYTES + 1} bytes long"):
        read(text.ljust(MAX_JWKS_BYTES + 1))
