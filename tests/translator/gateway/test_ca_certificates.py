"""CA certificates in ConfigMaps and ClusterTrustBundles."""

from __future__ import annotations

from base64 import b64encode

import pytest

from bench.world import Raw, edit, endpoint_slice, gateway, manifest, route, service
from tests.certificates import self_signed
from translator.conditions import Status
from translator.db import Db
from translator.envoy.names import trust_bundle_name
from translator.gateway.ca_certificates import ca_certificates, trust_bundle
from translator.inputs import Settings, in_cluster
from translator.ir.listener import TrustBundle
from translator.objects.kubernetes.core import ConfigMap
from translator.refs import Ref
from translator.registry import REGISTRY
from translator.translator import Translator

ONE, KEY = self_signed("one")
TWO, _ = self_signed("two")
BLOCK = "-----BEGIN CERTIFICATE-----\nTUlJQg==\n-----END CERTIFICATE-----\n"


def ref(name: str) -> Ref:
    """Return the reference to a ConfigMap of that name."""
    return Ref(ConfigMap.kind, "n", name)


def database(**config_maps: Raw) -> Db:
    """Return a database with ConfigMaps, by name."""
    db = Db(REGISTRY, Settings())
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


CLASS: Raw = {
    "apiVersion": "gateway.networking.k8s.io/v1",
    "kind": "GatewayClass",
    "metadata": {"name": "headgate"},
    "spec": {"controllerName": in_cluster().controller_name},
}


def conditions(status: Status | None) -> dict[str, tuple[str, str]]:
    """Return the status and reason of each condition of a policy."""
    assert status is not None
    (ancestor,) = status["ancestors"]
    return {each["type"]: (each["status"], each["reason"]) for each in ancestor["conditions"]}


def test_a_cluster_may_not_serve_the_kind() -> None:
    """Without ClusterTrustBundles in the cluster a reference is of an invalid kind, and the class lacks the feature."""
    references = [{"group": "certificates.k8s.io", "kind": "ClusterTrustBundle", "name": "ca"}]
    spec = {
        "targetRefs": [{"group": "", "kind": "Service", "name": "service-0"}],
        "validation": {"caCertificateRefs": references, "hostname": "a.example.com"},
    }
    policy = manifest("gateway.networking.k8s.io/v1", "BackendTLSPolicy", "p", spec=spec)
    bundle = manifest("certificates.k8s.io/v1", "ClusterTrustBundle", "ca", "", spec={"trustBundle": ONE})
    del bundle["metadata"]["namespace"]
    translator = Translator(in_cluster(offline=True), on_demand=["ClusterTrustBundle"])
    translator.edit(map(edit, (CLASS, gateway(), route(0, 1, 1), service(0), endpoint_slice(0), policy)))
    assert translator.set_unserved(["ClusterTrustBundle"])
    assert not translator.set_unserved(["ClusterTrustBundle"])
    statuses = translator.evaluate().statuses
    refused = {"Accepted": ("False", "NoValidCACertificate"), "ResolvedRefs": ("False", "InvalidKind")}
    assert conditions(statuses[edit(policy).ref]) == refused
    features = {"name": "ClusterTrustBundle"}
    assert features not in translator.statuses[edit(CLASS).ref]["supportedFeatures"]
    assert translator.set_unserved([])
    translator.edit([edit(bundle)])
    statuses = translator.evaluate().statuses
    accepted = {"Accepted": ("True", "Accepted"), "ResolvedRefs": ("True", "ResolvedRefs")}
    assert conditions(statuses[edit(policy).ref]) == accepted
    assert features in translator.statuses[edit(CLASS).ref]["supportedFeatures"]


@pytest.mark.parametrize("name", ["example.com:signer:v1", "ca"])
def test_names_of_bundles(name: str) -> None:
    """The name of a ClusterTrustBundle may begin with that of its signer, with colons."""
    raw = {
        "apiVersion": "certificates.k8s.io/v1beta1",
        "kind": "ClusterTrustBundle",
        "metadata": {"name": name},
        "spec": {"trustBundle": ONE},
    }
    assert edit(raw).ref == Ref("ClusterTrustBundle", "", name)
    assert trust_bundle_name([edit(raw).ref, ref("ca")]) == f"ClusterTrustBundle/{name},n/ca"
    assert trust_bundle_name([ref("ca"), edit(raw).ref]) == f"ConfigMap/n/ca,ClusterTrustBundle/{name}"
