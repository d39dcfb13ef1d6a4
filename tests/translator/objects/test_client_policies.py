"""Fields of ListenerPolicies for clients: what is refused, with the field and the way out."""

from __future__ import annotations

from typing import Any

import pytest

from translator.objects.headgate.clientcertificates import MAX_HASHES, MAX_NAMES, MAX_REFERENCES
from translator.objects.headgate.clientconnections import MAX_SOCKET_BUFFER, MIN_SOCKET_BUFFER
from translator.registry import KINDS

CA: dict[str, Any] = {"caCertificateRefs": [{"name": "ca"}]}
KEY = f"{'A' * 43}="


def problems(**default: Any) -> list[str]:
    """Return what is wrong with a policy that says this for all ports."""
    found = KINDS.parse(
        {
            "apiVersion": "gateway.headgate.dev/v1alpha1",
            "kind": "ListenerPolicy",
            "metadata": {"name": "policy"},
            "spec": {"targetRefs": [{"group": "", "kind": "Gateway", "name": "web"}], "default": default},
        }
    )
    assert (found.object is None) == bool(found.problems)
    return [str(each).removeprefix("spec.default.") for each in found.problems]


@pytest.mark.parametrize(
    ("default", "message"),
    [
        ({"tls": {"minVersion": 1.3}}, "tls.minVersion: must be 1.0, 1.1, 1.2 or 1.3: put it in quotes"),
        ({"tls": {"minVersion": "1.3", "maxVersion": "1.2"}}, "tls.maxVersion: must not be lower than minVersion"),
        ({"tls": {"minVersion": "1.3", "cipherSuites": ["AES128-SHA"]}}, "tls.cipherSuites: has no effect where"),
        ({"tls": {"cipherSuites": ["TLS_AES_128_GCM_SHA256"]}}, "tls.cipherSuites[0]: must be"),
        ({"tls": {"ecdhCurves": ["X25519", "X25519"]}}, "tls.ecdhCurves[1]: is in the list already"),
        ({"connectionLimit": {"closeDelay": "1s"}}, "connectionLimit: must have value"),
        ({"connectionLimit": {"value": 0}}, "connectionLimit.value: must be at least 1"),
        ({"proxyProtocol": {"versions": ["V3"]}}, "proxyProtocol.versions[0]: must be V1 or V2"),
        ({"proxyProtocol": {"versions": []}}, "proxyProtocol.versions: must have at least 1 item"),
        ({"http3": {"disable": {}, "maxAge": "1h"}}, "http3.disable: must not be set together with maxAge"),
        ({"clientCertificateValidation": {}}, "clientCertificateValidation: must have caCertificateRefs, spkiHashes"),
        (
            {"clientCertificateValidation": {"spkiHashes": [KEY], "crlRefs": [{"name": "crl"}]}},
            "clientCertificateValidation.crlRefs: needs caCertificateRefs",
        ),
        (
            {"clientCertificateValidation": {"spkiHashes": [KEY], "subjectAltNames": [{"type": "DNS", "exact": "a"}]}},
            "clientCertificateValidation.subjectAltNames: needs caCertificateRefs",
        ),
        (
            {"clientCertificateValidation": {**CA, "onlyVerifyLeafCertificateCrl": True}},
            "clientCertificateValidation.onlyVerifyLeafCertificateCrl: needs crlRefs",
        ),
        (
            {"clientCertificateValidation": {**CA, "mode": "AllowInsecureFallback", "spkiHashes": [KEY]}},
            "clientCertificateValidation.spkiHashes: must not be set where mode is AllowInsecureFallback",
        ),
        (
            {"clientCertificateValidation": {"certificateHashes": ["00:11"]}},
            "clientCertificateValidation.certificateHashes[0]: must be a SHA-256 in 64 hexadecimal digits",
        ),
    ],
)
def test_wrong_values(default: dict[str, Any], message: str) -> None:
    """Each wrong value, and each that needs another one, is told at its field."""
    assert any(each.startswith(message) for each in problems(**default)), problems(**default)


@pytest.mark.parametrize(
    ("field", "item", "most"),
    [
        ("caCertificateRefs", lambda number: {"name": f"ca-{number}"}, MAX_REFERENCES),
        ("crlRefs", lambda number: {"name": f"crl-{number}"}, MAX_REFERENCES),
        ("spkiHashes", lambda number: f"{number:043d}=", MAX_HASHES),
        ("certificateHashes", lambda number: f"{number:064d}", MAX_HASHES),
        ("subjectAltNames", lambda number: {"type": "DNS", "exact": f"name-{number}"}, MAX_NAMES),
    ],
)
def test_the_most_items(field: str, item: Any, most: int) -> None:
    """Lists of a validation have so many items, and no more."""
    for number in (most, most + 1):
        value = {**CA, field: [item(each) for each in range(number)]}
        assert bool(problems(clientCertificateValidation=value)) == (number > most)


def test_buffers_of_sockets() -> None:
    """What the kernel holds is neither so little that nothing moves nor more than a socket's option can say."""
    for size, right in (
        (MIN_SOCKET_BUFFER - 1, False),
        (MIN_SOCKET_BUFFER, True),
        (MAX_SOCKET_BUFFER, True),
        ("2Gi", False),
    ):
        assert bool(problems(socketBufferLimit=size)) != right


@pytest.mark.parametrize(
    ("keepalive", "right"),
    [
        ({"keepAliveProbes": 127}, True),
        ({"keepAliveProbes": 128}, False),
        ({"keepAliveTime": "32767s"}, True),
        ({"keepAliveTime": "32768s"}, False),
        ({"keepAliveInterval": "32767s"}, True),
        ({"keepAliveInterval": "10h"}, False),
    ],
)
def test_probes_are_as_linux_has_them(keepalive: dict[str, object], right: bool) -> None:
    """More probes, or longer times, than Linux takes are wrong: Envoy would refuse the listener."""
    assert bool(problems(tcpKeepalive=keepalive)) != right
