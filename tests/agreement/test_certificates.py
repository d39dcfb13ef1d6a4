"""Headgate takes a certificate and its key exactly where Envoy does, whatever the bytes."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import cache

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, ed448, ed25519, rsa
from cryptography.hazmat.primitives.serialization import BestAvailableEncryption, Encoding, PrivateFormat
from hypothesis import example, given
from hypothesis import strategies as st

from tests.agreement.oracle import NAME, Oracle
from tests.certificates import certified, encoded, self_signed
from translator.envoy.secret import secret
from translator.gateway.key_pairs import key_pair
from translator.gateway.pem import LONGEST_LINE, blocks, write
from translator.ir.listener import Certificate

Pair = tuple[bytes, bytes]
Change = Callable[[bytes], bytes]


@cache
def pairs() -> tuple[Pair, ...]:
    """Certificates and keys that are right: P-256, and RSA with its key in both forms."""
    key = rsa.generate_private_key(65537, 2048)
    elliptic = self_signed("a.org", "a.org", "b.org")
    chain, pkcs8 = self_signed("b.org", key=key)
    return tuple(
        (certificate.encode(), private.encode())
        for certificate, private in (elliptic, (chain, pkcs8), (chain, encoded(key, PrivateFormat.TraditionalOpenSSL)))
    )


def agree(oracle: Oracle, chain: bytes, key: bytes) -> bool:
    """Whether Envoy takes a pair; fails unless the check says the same, and Envoy takes what the check makes of it."""
    refusal = oracle.refusal(secret(NAME, Certificate(chain, key)))
    if refusal:
        oracle.settle(secret(NAME, Certificate(*pairs()[0])))
    found = key_pair(chain, key)
    assert isinstance(found, Certificate) == (not refusal), (found, refusal)
    if isinstance(found, Certificate):
        assert not oracle.refusal(secret(NAME, found))
    return not refusal


LABELS = [b"CERTIFICATE", b"X509 CERTIFICATE", b"TRUSTED CERTIFICATE", b"PRIVATE KEY", b"RSA PRIVATE KEY"]
LABELS += [b"EC PRIVATE KEY", b"DSA PRIVATE KEY", b"ENCRYPTED PRIVATE KEY", b"ANY PRIVATE KEY"]
PIECES = [b"\n", b"\r\n", b"\n\n", b" ", b"\t", b"\0", b"\xef\xbb\xbf", b"\x80", b"=", b"A", b"-", b"-----", b"A" * 260]
PIECES += [b"-----BEGIN CERTIFICATE-----\n", b"-----END CERTIFICATE-----\n", b"Proc-Type: 4,ENCRYPTED\n", b"#"]
PIECES += [b"-----BEGIN EC PARAMETERS-----\nBggqhkjOPQMBBw==\n-----END EC PARAMETERS-----\n"]


@st.composite
def changed_texts(draw: st.DrawFn, text: bytes) -> bytes:
    """Return a PEM file with something put in, cut out, repeated or named otherwise, at times where a line ends."""
    for _ in range(draw(st.integers(1, 3))):
        ends = [at for at, each in enumerate(text) if each == 0x0A]
        at = draw(st.integers(0, len(text)) | (st.sampled_from(ends) if ends else st.just(0)))
        changes: list[Change] = [
            lambda old, at=at: old[:at] + draw(st.sampled_from(PIECES)) + old[at:],  # type: ignore[misc]
            lambda old, at=at: old[:at] + old[at + draw(st.integers(1, 30)) :],  # type: ignore[misc]
            lambda old, at=at: old[:at] + bytes([draw(st.integers(0, 255))]) + old[at + 1 :],  # type: ignore[misc]
            lambda old: old.replace(b"\n", draw(st.sampled_from([b"\r\n", b"\n\n", b"", b"\r", b" \n"]))),
            lambda old, at=at: old + old[at:],  # type: ignore[misc]
            lambda old: old.replace(draw(st.sampled_from(LABELS)), draw(st.sampled_from(LABELS))),
        ]
        text = draw(st.sampled_from(changes))(text)
    return text or b"-"


@st.composite
def changed_data(draw: st.DrawFn, text: bytes) -> bytes:
    """Return a PEM file whose first block holds other bytes."""
    block = next(blocks(text))
    data = bytearray(block.data)
    for _ in range(draw(st.integers(1, 2))):
        data[draw(st.integers(0, len(data) - 1))] ^= draw(
            st.sampled_from([1, 2, 4, 8, 16, 32, 64, 128]) | st.integers(1, 255)
        )
    data += draw(st.sampled_from([b"", b"", b"\0", b"\x30\0"]))
    return write(block.label, bytes(data[: len(data) - draw(st.sampled_from([0, 0, 0, 1]))]))


@given(data=st.data())
def test_envoy_agrees_on_changed_files(data: st.DataObject, oracle: Oracle) -> None:
    """Line breaks, blank lines, marks, labels, text in between: what is read of a file is what Envoy reads."""
    chain, key = data.draw(st.sampled_from(pairs()))
    if data.draw(st.booleans()):
        chain = data.draw(changed_texts(chain))
    else:
        key = data.draw(changed_texts(key))
    agree(oracle, chain, key)


def tlv(tag: int, *content: bytes) -> bytes:
    """Return an element of DER, of less than 128 bytes."""
    inner = b"".join(content)
    return bytes([tag, len(inner)]) + inner


SERVER_AUTH = tlv(0x06, bytes.fromhex("2b06010505070301"))
TRUST = {
    "nothing trusted": tlv(0x30),
    "trusted": tlv(0x30, tlv(0x30, SERVER_AUTH)),
    "trusted for nothing": tlv(0x30, tlv(0x30)),
    "rejected": tlv(0x30, tlv(0xA0, SERVER_AUTH)),
    "all": tlv(0x30, tlv(0x30, SERVER_AUTH), tlv(0xA0, SERVER_AUTH), tlv(0x0C, b"a"), tlv(0x04, b"b")),
    "in another order": tlv(0x30, tlv(0xA0, SERVER_AUTH), tlv(0x30, SERVER_AUTH)),
    "twice": tlv(0x30, tlv(0x04, b"a"), tlv(0x04, b"b")),
    "more": tlv(0x30, tlv(0x0C, b"a"), tlv(0x05)),
    "a name without a character": tlv(0x30, tlv(0x0C)),
    "a name of no text": tlv(0x30, tlv(0x0C, b"\xff\xfe")),
    "a malformed identifier": tlv(0x30, tlv(0x30, tlv(0x06, b"\x80\x01"))),
    "a number for an identifier": tlv(0x30, tlv(0x30, tlv(0x02, b"\0"))),
    "a number": tlv(0x30, tlv(0x02, b"\0")),
    "a set": tlv(0x31),
    "zeros": bytes(195),
    "text": b"text",
    "and something behind it": tlv(0x30) + b"text",
}
"""What may follow the first certificate in its block: what it is trusted for (``X509_CERT_AUX``)."""


@pytest.mark.parametrize("following", TRUST.values(), ids=TRUST)
def test_what_follows_a_certificate(oracle: Oracle, following: bytes) -> None:
    """OpenSSL's tools put behind a certificate what it is trusted for; Envoy reads that, and refuses anything else."""
    chain, key = pairs()[0]
    block = next(blocks(chain))
    agree(oracle, write(block.label, block.data + following), key)


@given(data=st.data())
def test_envoy_agrees_on_changed_certificates(data: st.DataObject, oracle: Oracle) -> None:
    """Whatever bytes a certificate or key consists of, it is refused where Envoy refuses it, and taken elsewhere."""
    chain, key = data.draw(st.sampled_from(pairs()))
    if data.draw(st.booleans()):
        chain = data.draw(changed_data(chain)) + data.draw(st.sampled_from([b"", chain]))
    else:
        key = data.draw(changed_data(key))
    agree(oracle, chain, key)


def one_line(chain: bytes) -> bytes:
    """Write a certificate's data into one line."""
    begin, *data, end = chain.splitlines()
    assert sum(map(len, data)) > LONGEST_LINE
    return b"\n".join([begin, b"".join(data), end, b""])


FORMS: list[tuple[str, bool, Change, Change]] = [
    ("as it is", True, bytes, bytes),
    ("a chain", True, lambda chain: chain * 3, bytes),
    ("a chain without a line break in between", False, lambda chain: chain.rstrip() * 2, bytes),
    ("a byte order mark", False, lambda chain: b"\xef\xbb\xbf" + chain, bytes),
    ("a byte order mark before the key", False, bytes, lambda key: b"\xef\xbb\xbf" + key),
    ("a byte order mark and a line before", True, lambda chain: b"\xef\xbb\xbf\n" + chain, bytes),
    ("line breaks of Windows", True, lambda chain: chain.replace(b"\n", b"\r\n"), bytes),
    ("no line breaks at all", False, lambda chain: chain.replace(b"\n", b""), bytes),
    ("a blank line after the label", True, lambda chain: chain.replace(b"E-----\n", b"E-----\n\n", 1), bytes),
    ("a blank line before the end", False, lambda chain: chain.replace(b"-----END", b"\n-----END"), bytes),
    ("the label of a trusted one", True, lambda chain: chain.replace(b"CERT", b"TRUSTED CERT"), bytes),
    ("PKCS#8 under the label of another form", True, bytes, lambda key: key.replace(b"PRIV", b"EC PRIV")),
    ("PKCS#8 under the label of another kind", False, bytes, lambda key: key.replace(b"PRIV", b"RSA PRIV")),
    ("text in between", True, lambda chain: b"subject=a.org\n" + chain + b"issuer=b\n" + chain, bytes),
    ("the key beside the certificate", True, lambda chain: pairs()[0][1] + chain, bytes),
    ("an empty block", False, lambda chain: chain + b"-----BEGIN X-----\n-----END X-----\n", bytes),
    ("lines longer than are read at once", True, one_line, bytes),
    ("no end", False, lambda chain: chain.partition(b"-----END")[0], bytes),
]


@pytest.mark.parametrize(("takes", "chain", "key"), [each[1:] for each in FORMS], ids=[each[0] for each in FORMS])
def test_forms_that_files_have(oracle: Oracle, takes: bool, chain: Change, key: Change) -> None:
    """The forms in which certificates are met in practice, and what Envoy says to each."""
    certificate, private = pairs()[0]
    assert agree(oracle, chain(certificate), key(private)) is takes


USAGE = ["digital_signature", "content_commitment", "key_encipherment", "data_encipherment", "key_agreement"]
USAGE += ["key_cert_sign", "crl_sign", "encipher_only", "decipher_only"]


def usage(*names: str) -> x509.KeyUsage:
    """Return what a key may be used for."""
    return x509.KeyUsage(**{each: each in names for each in USAGE})


def raw(identifier: str, value: bytes) -> x509.ExtensionType:
    """Return an extension of any content."""
    return x509.UnrecognizedExtension(x509.ObjectIdentifier(identifier), value)


def kinds() -> Iterator[tuple[str, bool, Pair]]:
    """Certificates of all kinds, and whether Envoy takes them."""
    curve = ec.generate_private_key(ec.SECP256R1())
    plain = rsa.generate_private_key(65537, 2048)
    for name, takes, key in (
        ("P-384", True, ec.generate_private_key(ec.SECP384R1())),
        ("P-521", True, ec.generate_private_key(ec.SECP521R1())),
        ("P-224", False, ec.generate_private_key(ec.SECP224R1())),
        ("secp256k1", False, ec.generate_private_key(ec.SECP256K1())),
        ("Ed25519", True, ed25519.Ed25519PrivateKey.generate()),
        ("Ed448", False, ed448.Ed448PrivateKey.generate()),
        ("RSA of 1024 bits", False, rsa.generate_private_key(65537, 1024)),
        ("RSA of 2048 bits", True, plain),
    ):
        yield name, takes, certified(key, "a.org", "a.org")
    yield "no common name", True, certified(curve, None, "a.org")
    yield "no name at all", False, certified(curve, None)
    yield "an empty common name", False, certified(curve, "")
    yield "a star in a PrintableString", True, _printable(curve)
    must, may = x509.TLSFeatureType.status_request, x509.TLSFeatureType.status_request_v2
    for name, takes, extension in (
        ("to be stapled", False, x509.TLSFeature([must])),
        ("to be stapled in another way", True, x509.TLSFeature([may])),
        ("for key agreement only", False, usage("key_agreement")),
        ("for signatures", True, usage("digital_signature", "key_agreement")),
        ("a broken key usage", False, raw("2.5.29.15", b"\x04\x01a")),
        ("broken alternative names", True, raw("2.5.29.17", b"\x04\x01a")),
        ("broken constraints", True, raw("2.5.29.19", b"\x04\x01a")),
        ("an unknown extension", True, raw("1.2.3.4", b"\x02")),
    ):
        yield name, takes, certified(curve, "a.org", extension=extension)
    yield "RSA for key encipherment only", True, certified(plain, "a.org", extension=usage("key_encipherment"))
    secret = BestAvailableEncryption(b"secret")
    for form in (PrivateFormat.PKCS8, PrivateFormat.TraditionalOpenSSL):
        hidden = plain.private_bytes(Encoding.PEM, form, secret)
        yield f"encrypted, {form}", False, (certified(plain, "a.org")[0], hidden)
    yield "the key of another", False, (certified(plain, "a.org")[0], certified(curve, "a.org")[1])


def _printable(key: ec.EllipticCurvePrivateKey) -> Pair:
    chain, private = certified(key, "*.org")
    data = next(blocks(chain)).data
    return write(b"CERTIFICATE", data.replace(b"\x0c\x05*.org", b"\x13\x05*.org")), private


@pytest.mark.filterwarnings("ignore:Attribute's length")
def test_kinds_of_certificates(oracle: Oracle) -> None:
    """Keys of all kinds, names and extensions: what Envoy says to each, and the check with it."""
    found = {name: agree(oracle, *pair) for name, _, pair in kinds()}
    assert found == {name: takes for name, takes, _ in kinds()}


# RSA-PSS is no kind that the library makes certificates of; its identifier is RSA's with another last byte.
@example(algorithm=b"\x2a\x86\x48\x86\xf7\x0d\x01\x01\x0a")
@given(algorithm=st.binary(min_size=9, max_size=9))
def test_other_algorithms_of_keys(oracle: Oracle, algorithm: bytes) -> None:
    """A key that says it is of another algorithm than RSA's own, such as RSA-PSS, is refused as Envoy refuses it."""
    chain, key = pairs()[1]
    data = next(blocks(chain)).data.replace(b"\x2a\x86\x48\x86\xf7\x0d\x01\x01\x01", algorithm)
    agree(oracle, write(b"CERTIFICATE", data), key)
