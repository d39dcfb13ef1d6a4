"""Public keys that verify tokens: JSON Web Key Sets (RFC 7517), single keys, and PEM, made what Envoy takes.

Envoy leaves out each key that it cannot read, without a word. What comes from here has public members only, so that
nothing secret gets into the configuration of a proxy.
"""

from __future__ import annotations

import base64
import binascii
import json
import re
from collections.abc import Iterator, Mapping
from typing import Any, Final

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import load_pem_public_key
from cryptography.x509 import load_pem_x509_certificate

MAX_JWKS_BYTES: Final = 65_536
"""Most bytes of a set of keys: it is part of the configuration of each proxy."""
MOST_KEYS: Final = 64
"""Most keys of a set: a token without a `kid` is tried with each."""
MIN_RSA_BITS: Final = 2048
"""The shortest RSA keys (RFC 7518, 3.3)."""
MAX_RSA_BITS: Final = 16_384
"""The longest RSA keys that the library of Envoy takes."""

Key = dict[str, str]

_CURVES: Final[Mapping[str, ec.EllipticCurve]] = {
    "P-256": ec.SECP256R1(),
    "P-384": ec.SECP384R1(),
    "P-521": ec.SECP521R1(),
}
_ALGORITHMS: Final[Mapping[str, frozenset[str]]] = {
    "RSA": frozenset({"RS256", "RS384", "RS512", "PS256", "PS384", "PS512"}),
    "P-256": frozenset({"ES256"}),
    "P-384": frozenset({"ES384"}),
    "P-521": frozenset({"ES512"}),
    "Ed25519": frozenset({"EdDSA"}),
}
_PRIVATE: Final = ("d", "p", "q", "dp", "dq", "qi", "oth")
_BASE64URL: Final = re.compile(r"[A-Za-z0-9_-]+")
_PEM: Final = re.compile(r"-----BEGIN ([A-Z0-9 ]+)-----.*?-----END \1-----", re.DOTALL)


class JwksError(ValueError):
    """A text holds no set of public keys; the message says what is wrong and the way out, and nothing of the keys."""


def public_keys(text: bytes) -> str:
    """Return a JSON Web Key Set with the public keys in a text: a set, a key, or PEM.

    Keys for encryption are left out; and those of other types and algorithms, if there is one that can verify tokens.

    Raises:
        JwksError: There is none, or one that must not be there.
    """
    if len(text) > MAX_JWKS_BYTES:
        raise JwksError(f"is {len(text)} bytes long, and {MAX_JWKS_BYTES} are the most; leave out what is not needed")
    keys = [*(_of_pem(text) if text.lstrip().startswith(b"-----BEGIN") else _of_json(text))]
    if not keys:
        raise JwksError("has no key that can verify tokens: one of RSA, EC (P-256, P-384, P-521) or Ed25519; add one")
    return json.dumps({"keys": keys}, separators=(",", ":"), sort_keys=True)


def _of_json(text: bytes) -> Iterator[Key]:
    try:
        found = json.loads(text.decode())
    except (ValueError, RecursionError):
        raise JwksError('is neither JSON nor PEM; write a JSON Web Key Set, as in {"keys": [...]}') from None
    keys = (
        [found] if isinstance(found, dict) and "kty" in found else found.get("keys") if isinstance(found, dict) else 0
    )
    if not isinstance(keys, list):
        raise JwksError('is no JSON Web Key Set; it must be an object with a list of keys, as in {"keys": [...]}')
    if len(keys) > MOST_KEYS:
        raise JwksError(f"has {len(keys)} keys, and {MOST_KEYS} are the most; leave out what is not needed")
    for place, each in enumerate(keys):
        where = f"keys[{place}]"
        if not isinstance(each, dict) or not isinstance(each.get("kty"), str):
            raise JwksError(f"{where} is no key; it must be an object with the member kty")
        if each["kty"] == "oct" or any(name in each for name in _PRIVATE):
            raise JwksError(
                f"{where} is a {'symmetric' if each['kty'] == 'oct' else 'private'} key, which everybody could read in "
                "the configuration of the proxy; take it out, and replace it at the issuer"
            )
        made = _key(each, where) if each.get("use", "sig") == "sig" else None
        if made is not None:
            yield made


def _key(found: Mapping[str, Any], where: str) -> Key | None:
    """Return the public members of a key; None if it is of a type or for an algorithm that Envoy does not know."""
    kind = found["kty"]
    if kind == "RSA":
        made, name = _rsa(found, where), "RSA"
    elif kind == "EC" and found.get("crv") in _CURVES:
        made, name = _elliptic(found, where), found["crv"]
    elif kind == "OKP" and found.get("crv") == "Ed25519":
        made, name = {"kty": "OKP", "crv": "Ed25519", "x": _member(found, "x", where, 32)}, "Ed25519"
    else:
        return None
    algorithm = found.get("alg")
    if algorithm is not None:
        if algorithm not in _ALGORITHMS[name]:
            return None
        made["alg"] = algorithm
    if found.get("kid") is not None:
        if not isinstance(found["kid"], str):
            raise JwksError(f"{where}.kid must be a text; put it in quotes")
        made["kid"] = found["kid"]
    return made


def _rsa(found: Mapping[str, Any], where: str) -> Key:
    made = {"kty": "RSA", **{each: _member(found, each, where) for each in ("n", "e")}}
    numbers = rsa.RSAPublicNumbers(_number(made["e"]), _number(made["n"]))
    try:
        _check_rsa(numbers.public_key(), where)
    except (ValueError, UnsupportedAlgorithm):
        raise JwksError(f"{where} is no RSA key; export it again") from None
    return made


def _elliptic(found: Mapping[str, Any], where: str) -> Key:
    curve = _CURVES[found["crv"]]
    size = (curve.key_size + 7) // 8
    made = {"kty": "EC", "crv": str(found["crv"]), **{each: _member(found, each, where, size) for each in ("x", "y")}}
    try:
        ec.EllipticCurvePublicNumbers(_number(made["x"]), _number(made["y"]), curve).public_key()
    except (ValueError, UnsupportedAlgorithm):
        raise JwksError(f"{where} is no point of {made['crv']}; export it again") from None
    return made


def _member(found: Mapping[str, Any], name: str, where: str, size: int = 0) -> str:
    value = found.get(name)
    if not isinstance(value, str) or not _BASE64URL.fullmatch(value.rstrip("=")):
        raise JwksError(f"{where}.{name} must be a number in base64url; export the key again")
    if size and len(_decoded(value)) != size:
        raise JwksError(f"{where}.{name} must have {size} bytes; export the key again")
    return value.rstrip("=")


def _decoded(text: str) -> bytes:
    try:
        return base64.urlsafe_b64decode(text.rstrip("=") + "=" * (-len(text.rstrip("=")) % 4))
    except (binascii.Error, ValueError):
        return b""


def _number(text: str) -> int:
    return int.from_bytes(_decoded(text))


def _check_rsa(key: rsa.RSAPublicKey, where: str) -> None:
    if not MIN_RSA_BITS <= key.key_size <= MAX_RSA_BITS:
        raise JwksError(
            f"{where} is an RSA key of {key.key_size} bits; it must have {MIN_RSA_BITS} to {MAX_RSA_BITS}: make another"
        )


def _of_pem(text: bytes) -> Iterator[Key]:
    blocks = [*_PEM.finditer(text.decode("latin-1"))]
    for place, block in enumerate(blocks[:MOST_KEYS]):
        where = f"block {place + 1}"
        label, pem = block[1], block[0].encode("latin-1")
        if "PRIVATE" in label:
            raise JwksError(
                f"{where} is a private key, which everybody could read in the configuration of the proxy; take it out, "
                "and replace it at the issuer"
            )
        try:
            key = load_pem_x509_certificate(pem).public_key() if label == "CERTIFICATE" else load_pem_public_key(pem)
        except (ValueError, UnsupportedAlgorithm):
            raise JwksError(f"{where} is no public key or certificate; export it again") from None
        if (made := _written(key, where)) is not None:
            yield made


def _written(key: object, where: str) -> Key | None:
    """Return a public key as members of JSON; None if it is of a type that Envoy does not know."""
    if isinstance(key, rsa.RSAPublicKey):
        _check_rsa(key, where)
        numbers = key.public_numbers()
        return {"kty": "RSA", "n": _text(numbers.n, key.key_size), "e": _text(numbers.e, numbers.e.bit_length())}
    if isinstance(key, ec.EllipticCurvePublicKey):
        for name, curve in _CURVES.items():
            if isinstance(key.curve, type(curve)):
                point = key.public_numbers()
                return {
                    "kty": "EC",
                    "crv": name,
                    "x": _text(point.x, key.curve.key_size),
                    "y": _text(point.y, key.curve.key_size),
                }
    if isinstance(key, ed25519.Ed25519PublicKey):
        return {"kty": "OKP", "crv": "Ed25519", "x": _encoded(key.public_bytes_raw())}
    return None


def _text(number: int, bits: int) -> str:
    return _encoded(number.to_bytes((bits + 7) // 8))


def _encoded(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()
