"""The certificates of HTTPS listeners: references, permission, and whether chain and key belong together."""

from __future__ import annotations

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePublicKey
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_private_key
from cryptography.x509 import Certificate as X509
from cryptography.x509 import TLSFeature, load_pem_x509_certificates

from translator.db import Db
from translator.gateway.grants import Grantee, Target, granted, not_permitted
from translator.ir import Certificate
from translator.objects.core import Secret
from translator.objects.gateway import Gateway
from translator.objects.listener import Listener
from translator.outcome import Outcome, Problem, gather
from translator.query import query
from translator.refs import Ref

CURVES = ("secp256r1", "secp384r1", "secp521r1")
RSA_BITS = 2048


@query
def certificate(db: Db, secret: Ref) -> Certificate | str:
    """The certificate in a Secret of type ``kubernetes.io/tls``, or what is wrong with it in one sentence."""
    found = db.get(Secret, secret)
    if found is None:
        return f"{secret} does not exist; create it, for example with kubectl create secret tls."
    chain, key = found.data.get("tls.crt"), found.data.get("tls.key")
    if not chain or not key:
        missing = " and ".join(name for name, value in (("tls.crt", chain), ("tls.key", key)) if not value)
        return f"{secret} has no {missing} in its data."
    wrong = _mismatch(chain, key)
    return f"{secret}: {wrong}" if wrong else Certificate(chain, key)


def _mismatch(chain: bytes, key: bytes) -> str:
    try:
        leaf = load_pem_x509_certificates(chain)[0]
        certified = leaf.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
        wrong = _unusable(leaf)
    except (ValueError, UnsupportedAlgorithm):
        return "tls.crt is not a certificate in PEM form."
    if wrong:
        return wrong
    try:
        # Nothing that the library says about a key is repeated: it is a secret.
        public = (
            load_pem_private_key(key, None).public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
        )
    except (ValueError, TypeError, UnsupportedAlgorithm):
        return "tls.key is not an unencrypted private key in PEM form."
    return "" if certified == public else "the private key in tls.key does not belong to the certificate in tls.crt."


def _unusable(leaf: X509) -> str:
    """What Envoy would refuse of a certificate, "" if nothing."""
    key = leaf.public_key()
    if isinstance(key, RSAPublicKey):
        usable = key.key_size >= RSA_BITS
    else:
        usable = isinstance(key, Ed25519PublicKey) or (
            isinstance(key, EllipticCurvePublicKey) and key.curve.name in CURVES
        )
    if not usable:
        return f"Envoy takes no key of this kind; use RSA of {RSA_BITS} bits or more, P-256, P-384, P-521 or Ed25519."
    if any(isinstance(each.value, TLSFeature) for each in leaf.extensions):
        return "the certificate must be stapled (OCSP), which is not supported; use one without."
    return ""


@query
def listener_certificates(db: Db, gateway: Ref, listener: str) -> Outcome[tuple[Ref, ...]]:
    """The Secrets with usable certificates of the HTTPS listener of that name; problems for the others."""
    found = db.get(Gateway, gateway)
    spec = next((each for each in found.spec.listeners if each.name == listener), None) if found else None
    if spec is None or spec.tls is None:
        return Outcome((), (_invalid("tls: a listener of protocol HTTPS needs tls.certificateRefs."),) if spec else ())
    if not spec.tls.certificate_refs:
        return Outcome((), (_invalid("tls.certificateRefs is empty; name a Secret of type kubernetes.io/tls."),))
    outcomes = gather(_resolve(db, gateway, spec, place) for place in range(len(spec.tls.certificate_refs)))
    return Outcome(tuple(each for each in outcomes.value if each is not None), outcomes.problems)


def _resolve(db: Db, gateway: Ref, listener: Listener, place: int) -> Outcome[Ref | None]:
    assert listener.tls is not None
    ref = listener.tls.certificate_refs[place]
    field = f"tls.certificateRefs[{place}]"
    secret = Ref(Secret.kind, ref.namespace or gateway.namespace, ref.name)
    grantee = Grantee(Gateway.group, Gateway.kind, gateway.namespace, secret.namespace)
    target = Target(ref.group, ref.kind, ref.name)
    # What is not permitted is not looked at any further, not even at its kind (`ListenerReasonInvalidCertificateRef`).
    if not granted(db, grantee, target):
        return Outcome(None, (not_permitted(grantee, target, field),))
    if (ref.group, ref.kind) != ("", Secret.kind):
        kind = f"{ref.kind}.{ref.group}" if ref.group else ref.kind
        return Outcome(None, (_invalid(f"{field}: {kind} is not supported; refer to a Secret."),))
    found = certificate(db, secret)
    return Outcome(None, (_invalid(f"{field}: {found}"),)) if isinstance(found, str) else Outcome(secret)


def _invalid(message: str) -> Problem:
    return Problem("ResolvedRefs", "InvalidCertificateRef", message)
