"""Secret, ConfigMap, Service and EndpointSlice."""

from typing import Any

import pytest
from pydantic import ValidationError

from tests.translator.objects.written import errors, raw, valid
from translator.objects.kubernetes.core import ConfigMap, Secret
from translator.objects.kubernetes.endpointslice import EndpointSlice
from translator.objects.kubernetes.service import Service
from translator.registry import KINDS


def document(kind: str, fields: str) -> dict[str, Any]:
    """Return a document of a kind with more fields."""
    api_version = "discovery.k8s.io/v1" if kind == "EndpointSlice" else "v1"
    return {"apiVersion": api_version, "kind": kind, "metadata": {"name": "a"}} | raw(fields)


def test_secret_data() -> None:
    """A Secret's data is held decoded."""
    secret = valid(Secret, document("Secret", '{type: Opaque, immutable: true, data: {user: "cm9v\\ndA=="}}'))
    assert secret.data == {"user": b"root"}


def test_secret_text_wins() -> None:
    """A Secret's plain text takes the place of the data of the same key, and both forms are one value."""
    written = valid(Secret, document("Secret", "{data: {a: eA==, b: eA==}, stringData: {b: 'y', c: z}}"))
    assert written.data == {"a": b"x", "b": b"y", "c": b"z"}
    assert written == valid(Secret, document("Secret", "{data: {a: eA==, b: eQ==, c: eg==}}"))


def test_secrets_are_not_shown() -> None:
    """Neither the text form of a Secret nor a problem with one shows anything of its data."""
    secret = valid(Secret, document("Secret", "{data: {a: aHVudGVyMg==}, stringData: {b: hunter2}}"))
    assert "hunter2" not in f"{secret!r} {secret} {secret!s}"
    assert "aHVudGVyMg" not in repr(secret)
    for wrong in ("{data: {a: hunter2}}", "{stringData: {a: [hunter2]}}", "{type: kubernetes.io/tls, data: hunter2}"):
        assert "hunter2" not in str(KINDS.parse(document("Secret", wrong)).problems)
        with pytest.raises(ValidationError) as raised:
            Secret.model_validate(document("Secret", wrong))
        assert "hunter2" not in str(raised.value)


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ("{data: {a: '!'}}", "data.a: must be base64: encode it, or move it to the field for plain text"),
        ("{data: {a: eA=}}", "data.a: must be base64: encode it, or move it to the field for plain text"),
        ("{data: {a: 7}}", "data.a: must be base64: encode it, or move it to the field for plain text"),
        ("{data: {'a b': eA==}}", "data.a b: the name may hold letters, digits, '-', '_' and '.'"),
        ("{stringData: {a: 7}}", "stringData.a: must be a string, not a number: put it in quotes"),
        (
            "{type: kubernetes.io/tls, data: {tls.crt: eA==}}",
            "data: must hold tls.key, because the type is kubernetes.io/tls: add it",
        ),
    ],
)
def test_bad_secrets(fields: str, expected: str) -> None:
    """A Secret that the API server would refuse is refused, at the field and with what to do about it."""
    assert errors(document("Secret", fields)) == [expected]


def test_tls_secret_of_text() -> None:
    """The keys that a Secret's type asks for can be written as plain text."""
    assert errors(document("Secret", "{type: kubernetes.io/tls, stringData: {tls.crt: a, tls.key: b}}")) == []


def test_config_map() -> None:
    """A ConfigMap holds text and decoded binary data."""
    config_map = valid(ConfigMap, document("ConfigMap", "{data: {ca.crt: text}, binaryData: {ca.der: AAE=}}"))
    assert (config_map.data, config_map.binary_data) == ({"ca.crt": "text"}, {"ca.der": b"\x00\x01"})


def test_service() -> None:
    """A Service holds how it is reached; its selector and what else is not read raises no warning."""
    spec = valid(
        Service,
        document(
            "Service",
            "{spec: {selector: {app: a}, sessionAffinity: None, clusterIP: 10.0.0.1, clusterIPs: [10.0.0.1], ports: ["
            "{name: web, port: 80, targetPort: http, appProtocol: kubernetes.io/h2c, nodePort: 30000}, "
            "{name: dns, port: 53, protocol: UDP, targetPort: 5353}]}}",
        ),
    ).spec
    assert (spec.type, spec.cluster_ip, spec.cluster_ips, spec.headless) == (
        "ClusterIP",
        "10.0.0.1",
        ("10.0.0.1",),
        False,
    )
    assert [(port.name, port.port, port.protocol, port.target_port) for port in spec.ports] == [
        ("web", 80, "TCP", "http"),
        ("dns", 53, "UDP", 5353),
    ]
    assert spec.ports[0].app_protocol == "kubernetes.io/h2c"


def test_headless_service() -> None:
    """A Service whose cluster address is "None" is headless, and needs no ports."""
    assert valid(Service, document("Service", "{spec: {clusterIP: None}}")).spec.headless


def test_external_service() -> None:
    """A Service of type ExternalName has a DNS name, and needs no ports."""
    spec = valid(Service, document("Service", "{spec: {type: ExternalName, externalName: api.example.com}}")).spec
    assert (spec.external_name, spec.ports) == ("api.example.com", ())


@pytest.mark.parametrize(
    ("spec", "expected"),
    [
        ("{}", ["spec.ports: is required: add at least one port"]),
        (
            "{type: ExternalName}",
            ["spec.externalName: is required when type is ExternalName: add the DNS name to send to"],
        ),
        (
            "{type: ExternalName, externalName: 'http://a'}",
            ["spec.externalName: must be a lower-case DNS name, like api.example.com"],
        ),
        (
            "{clusterIP: nowhere, ports: [{port: 80}]}",
            ["spec.clusterIP: must be an IPv4 or IPv6 address, or None for a headless Service"],
        ),
        (
            "{ports: [{port: 80}, {name: a, port: 81}]}",
            ["spec.ports[0].name: is required when there are several ports: add one"],
        ),
        (
            "{ports: [{name: a, port: 80}, {name: a, port: 81}, {name: b, port: 81, protocol: UDP}]}",
            ["spec.ports[1].name: is the name of an earlier port: choose another"],
        ),
        (
            "{ports: [{name: a, port: 80}, {name: b, port: 80}]}",
            ["spec.ports[1]: has the port and protocol of an earlier one: change one of them"],
        ),
        (
            "{ports: [{port: 80, protocol: HTTP}]}",
            ["spec.ports[0].protocol: must be TCP, UDP or SCTP, not 'HTTP'"],
        ),
        ("{ports: [{port: 80, targetPort: 70000}]}", ["spec.ports[0].targetPort: must be between 1 and 65535"]),
        (
            "{ports: [{port: 80, targetPort: true}]}",
            ["spec.ports[0].targetPort: must be a port number, or the name of a port"],
        ),
        (
            "{ports: [{port: 80, targetPort: '8080'}]}",
            [
                "spec.ports[0].targetPort: must be a port number, or the name of a port: up to 15 lower-case letters, "
                "digits and '-'"
            ],
        ),
    ],
)
def test_bad_services(spec: str, expected: list[str]) -> None:
    """A Service that the API server would refuse is refused, at the field and with what to do about it."""
    assert errors(document("Service", f"{{spec: {spec}}}")) == expected


SLICE = """{metadata: {name: a-1, labels: {kubernetes.io/service-name: a}}, addressType: IPv4, endpoints: [
  {addresses: [10.0.0.1], conditions: {ready: true, serving: true, terminating: false}, zone: z, nodeName: n,
   targetRef: {kind: Pod, name: p}, hints: {forZones: [{name: z}]}},
  {addresses: [10.0.0.2], conditions: {ready: false, serving: true, terminating: true}},
  {addresses: [10.0.0.3]}], ports: [{name: '', port: 8080, appProtocol: http}]}"""


def test_endpoint_slice() -> None:
    """An EndpointSlice holds the endpoints of a Service; those of which nothing is known count as ready."""
    endpoints = valid(EndpointSlice, document("EndpointSlice", SLICE))
    assert endpoints.service_name == "a"
    assert [(endpoint.addresses, endpoint.ready) for endpoint in endpoints.endpoints] == [
        (("10.0.0.1",), True),
        (("10.0.0.2",), False),
        (("10.0.0.3",), True),
    ]
    hints = endpoints.endpoints[0].hints
    assert hints is not None
    assert hints.for_zones[0].name == "z"
    assert (endpoints.ports[0].port, endpoints.ports[0].protocol) == (8080, "TCP")


def test_empty_endpoint_slice() -> None:
    """An EndpointSlice without endpoints, as the API server writes it, with nulls, is an empty one."""
    endpoints = valid(EndpointSlice, document("EndpointSlice", "{addressType: IPv4, endpoints: null, ports: null}"))
    assert (endpoints.endpoints, endpoints.ports, endpoints.service_name) == ((), (), None)


@pytest.mark.parametrize(
    ("kind", "address"),
    [("IPv4", "::1"), ("IPv6", "10.0.0.1"), ("IPv6", "fe80::1%eth0"), ("IPv4", "010.0.0.1"), ("FQDN", "A.example")],
)
def test_addresses_of_another_type(kind: str, address: str) -> None:
    """The addresses of an EndpointSlice are all of the type that it says."""
    fields = f"{{addressType: {kind}, endpoints: [{{addresses: ['{address}']}}]}}"
    assert errors(document("EndpointSlice", fields)) == [
        f"endpoints[0].addresses[0]: must be of type {kind}, because addressType says so"
    ]
