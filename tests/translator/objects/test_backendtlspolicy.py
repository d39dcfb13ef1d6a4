"""BackendTLSPolicy: what the API server's validation refuses is refused here."""

from __future__ import annotations

from typing import Any

import pytest

from tests.translator.objects.written import errors, raw, valid
from translator.objects.gateway_api.backendtlspolicy import BackendTLSPolicy

TARGET = "{group: '', kind: Service, name: a}"
CA = "caCertificateRefs: [{group: '', kind: ConfigMap, name: ca}]"
BOTH = f"{CA}, wellKnownCACertificates: System, hostname: a.org"


def policy(validation: str, targets: str = TARGET, **spec: Any) -> dict[str, Any]:
    """Return a policy with a validation and targets."""
    return {
        "apiVersion": "gateway.networking.k8s.io/v1",
        "kind": "BackendTLSPolicy",
        "metadata": {"name": "a"},
        "spec": {**raw(f"{{targetRefs: [{targets}], validation: {{{validation}}}}}"), **spec},
    }


def test_a_policy() -> None:
    """A policy has targets, authorities, a hostname and other names of the certificate."""
    names = "subjectAltNames: [{type: Hostname, hostname: '*.a.org'}, {type: URI, uri: 'spiffe://a.org/b'}]"
    found = valid(BackendTLSPolicy, policy(f"{CA}, hostname: a.org, {names}", options={"a.org/b": "c"})).spec
    assert found.validation.hostname == "a.org"
    assert [each.type for each in found.validation.subject_alt_names] == ["Hostname", "URI"]
    own = valid(BackendTLSPolicy, policy("wellKnownCACertificates: example.com/ours, hostname: a.org")).spec
    assert own.validation.well_known_ca_certificates == "example.com/ours"


@pytest.mark.parametrize(
    ("validation", "error"),
    [
        (BOTH, "spec.validation.wellKnownCACertificates: must not be set where caCertificateRefs is"),
        ("hostname: a.org", "spec.validation.caCertificateRefs: is required unless wellKnownCACertificates is set"),
        (CA, "spec.validation.hostname: is required"),
        (f"{CA}, hostname: '*.a.org'", "spec.validation.hostname: may hold"),
        ("wellKnownCACertificates: Ours, hostname: a.org", "spec.validation.wellKnownCACertificates: must be System"),
        (
            f"{CA}, hostname: a.org, subjectAltNames: [{{type: URI}}]",
            "spec.validation.subjectAltNames[0].uri: is required where type is URI",
        ),
        (
            f"{CA}, hostname: a.org, subjectAltNames: [{{type: URI, uri: 'a://b', hostname: a.org}}]",
            "spec.validation.subjectAltNames[0].hostname: must not be set where type is URI",
        ),
        (
            f"{CA}, hostname: a.org, subjectAltNames: [{{type: URI, uri: nothing}}]",
            "spec.validation.subjectAltNames[0].uri: must be a whole URI",
        ),
    ],
)
def test_invalid_validations(validation: str, error: str) -> None:
    """There is one source of authorities, one hostname, and of each other name the member of its type."""
    assert any(each.startswith(error) for each in errors(policy(validation))), errors(policy(validation))


def test_targets_that_overlap() -> None:
    """An object is a target as a whole once, or by sections that differ."""
    section = "{group: '', kind: Service, name: a, sectionName: %s}"
    wanted = f"{CA}, hostname: a.org"
    assert errors(policy(wanted, f"{section % 'b'}, {section % 'c'}")) == []
    for targets in (f"{TARGET}, {TARGET}", f"{TARGET}, {section % 'b'}", f"{section % 'b'}, {section % 'b'}"):
        assert errors(policy(wanted, targets)) != []
