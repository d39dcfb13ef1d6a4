"""CA certificates in ConfigMaps."""

from __future__ import annotations

from base64 import b64encode

import pytest

from bench.world import Raw, edit, manifest
from tests.certificates import self_signed
from translator.db import Db
from translator.gateway.ca_certificates import ca_certificates, trust_bundle
from translator.ir.listener import TrustBundle
from translator.objects.kubernetes.core import ConfigMap
from translator.refs import Ref
from translator.registry import REGISTRY

ONE, KEY = self_signed("one")
TWO, _ = self_signed("two")
BLOCK = "-----BEGIN CERTIFICATE-----\nTUlJQg==\n-----END CERTIFICATE-----\n"


def ref(name: str) -> Ref:
    """Return the reference to a ConfigMap of that name."""
    return Ref(ConfigMap.kind, "n", name)


def database(**config_maps: Raw) -> Db:
    """Return a database with ConfigMaps, by name."""
    db = Db(REGISTRY)
    for name, fields in config_maps.items():
        found = edit(manifest("v1", "ConfigMap", name, "n", **fields))
        db.database.set(ConfigMap.kind, ref(name), found.object)
    return db


def test_each_certificate_counts_once() -> None:
    """Text between the certificates, repetitions and private keys are left out, in data and in binaryData alike."""
    text = f"# the old one\n{ONE}\n{KEY}\n# the new one\n{TWO}{ONE}"
    encoded = b64encode(text.encode()).decode()
    db = database(plain={"data": {"ca.crt": text}}, binary={"binaryData": {"ca.crt": encoded}})
    expected = (ONE.encode(), TWO.encode())
    assert ca_certificates(db, ref("plain")) == ca_certificates(db, ref("binary")) == expected


@pytest.mark.parametrize(
    ("data", "said"),
    [
        ({}, "ConfigMap n/ca has no ca.crt in its data."),
        ({"other": ONE}, "ConfigMap n/ca has no ca.crt in its data."),
        ({"ca.crt": "not PEM"}, "ca.crt has no CERTIFICATE block"),
        ({"ca.crt": KEY}, "ca.crt has no CERTIFICATE block"),
        ({"ca.crt": ONE + BLOCK}, "ca.crt holds a certificate that cannot be read (number 2)."),
        ({"ca.crt": ONE.replace("END", "BEGIN")}, "ca.crt is not in PEM form: a block"),
    ],
)
def test_what_is_wrong_is_told(data: dict[str, str], said: str) -> None:
    """A ConfigMap of which Envoy would refuse a part counts for nothing, and is told why, without what is in it."""
    found = ca_certificates(database(ca={"data": data}), ref("ca"))
    assert isinstance(found, str)
    assert said in found


def test_a_missing_config_map_is_told() -> None:
    """A ConfigMap that does not exist is told."""
    assert "n/ca does not exist; create it" in str(ca_certificates(database(), ref("ca")))


def test_a_bundle_has_the_certificates_of_all_that_can_be_used() -> None:
    """Broken ConfigMaps take nothing from the others; without any that can be used there is no bundle."""
    db = database(a={"data": {"ca.crt": ONE}}, b={"data": {"ca.crt": "x"}}, c={"data": {"ca.crt": ONE + TWO}})
    assert trust_bundle(db, (ref("a"), ref("b"), ref("c"))) == TrustBundle((ONE + TWO).encode())
    assert trust_bundle(db, (ref("b"),)) is None
