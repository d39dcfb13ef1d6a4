"""Gateway: its defaults, and the rules that the custom resource definition has for it."""

from typing import Any

import pytest

from tests.translator.objects.written import errors, raw, valid
from translator.objects.gateway_api.gateway import Gateway

HTTP = "{name: http, port: 80, protocol: HTTP}"


def gateway(listeners: str, more: str = "{}") -> dict[str, Any]:
    """Return a Gateway with listeners and more in its spec."""
    return {
        "apiVersion": "gateway.networking.k8s.io/v1",
        "kind": "Gateway",
        "metadata": {"name": "edge"},
        "spec": raw(f"{{gatewayClassName: headgate, listeners: {listeners}}}") | raw(more),
    }


def test_defaults() -> None:
    """A listener lets in the routes of its Gateway's own namespace, of the kinds that its protocol implies."""
    (listener,) = valid(Gateway, gateway(f"[{HTTP}]")).spec.listeners
    assert listener.allowed_routes.namespaces.from_ == "Same"
    assert listener.allowed_routes.kinds == ()
    assert (listener.hostname, listener.tls) == (None, None)


def test_allowed_routes_without_namespaces() -> None:
    """A listener that names kinds only lets them in from its Gateway's own namespace."""
    document = gateway("[{name: a, port: 80, protocol: HTTP, allowedRoutes: {kinds: [{kind: HTTPRoute}]}}]")
    allowed = valid(Gateway, document).spec.listeners[0].allowed_routes
    assert allowed.namespaces.from_ == "Same"
    assert allowed.kinds[0].group == "gateway.networking.k8s.io"


def test_defaults_of_tls() -> None:
    """TLS is ended unless it says otherwise, with a certificate from a Secret of the Gateway's own namespace."""
    document = gateway("[{name: a, port: 443, protocol: HTTPS, tls: {certificateRefs: [{name: cert}]}}]")
    tls = valid(Gateway, document).spec.listeners[0].tls
    assert tls is not None
    assert tls.mode == "Terminate"
    (ref,) = tls.certificate_refs
    assert (ref.group, ref.kind, ref.name, ref.namespace) == ("", "Secret", "cert", None)


def test_address_defaults() -> None:
    """An address is an IP address unless it says otherwise, and may leave its value open."""
    first, second = valid(Gateway, gateway(f"[{HTTP}]", "{addresses: [{value: '::1'}, {}]}")).spec.addresses
    assert (first.type, first.value) == ("IPAddress", "::1")
    assert (second.type, second.value) == ("IPAddress", None)


def test_no_listeners_of_others() -> None:
    """No ListenerSet may attach to a Gateway that does not say which may."""
    allowed = valid(Gateway, gateway(f"[{HTTP}]", "{allowedListeners: {}}")).spec.allowed_listeners
    assert allowed is not None
    assert allowed.namespaces.from_ == "None"


LISTENERS = {
    "none": ("[]", "spec.listeners: must have at least 1 item: add one"),
    "TLS for HTTP": (
        "[{name: a, port: 80, protocol: HTTP, tls: {certificateRefs: [{name: b}]}}]",
        "spec.listeners[0].tls: must not be set for protocol HTTP: remove it, or change the protocol",
    ),
    "TLS for UDP": (
        "[{name: a, port: 80, protocol: UDP, tls: {mode: Passthrough}}]",
        "spec.listeners[0].tls: must not be set for protocol UDP: remove it, or change the protocol",
    ),
    "HTTPS passed through": (
        "[{name: a, port: 443, protocol: HTTPS, tls: {mode: Passthrough}}]",
        "spec.listeners[0].tls.mode: must be Terminate for protocol HTTPS; to pass TLS through, use protocol TLS",
    ),
    "HTTPS of the implementation's own": ("[{name: a, port: 443, protocol: HTTPS}]",),
    "TLS without a mode": (
        "[{name: a, port: 443, protocol: TLS}]",
        "spec.listeners[0].tls: is required for protocol TLS: add it, with the mode",
    ),
    "no certificate": (
        "[{name: a, port: 443, protocol: HTTPS, tls: {}}]",
        "spec.listeners[0].tls.certificateRefs: is required when mode is Terminate: name the Secret of a certificate",
    ),
    "options in place of a certificate": (
        "[{name: a, port: 443, protocol: HTTPS, tls: {options: {example.com/certificate: a}}}]",
    ),
    "hostname for TCP": (
        "[{name: a, port: 80, protocol: TCP, hostname: a.example}]",
        "spec.listeners[0].hostname: must not be set for protocol TCP: remove it",
    ),
    "filters for TCP": (
        "[{name: a, port: 80, protocol: TCP, filters: {}}]",
        "spec.listeners[0].filters: must not be set unless protocol is HTTP or HTTPS: remove it",
    ),
    "same name": (
        f"[{HTTP}, {{name: http, port: 81, protocol: HTTP}}]",
        "spec.listeners[1].name: is the name of an earlier listener: choose another",
    ),
    "same port": (
        f"[{HTTP}, {{name: other, port: 80, protocol: HTTP}}]",
        "spec.listeners[1]: has the port, protocol and hostname of an earlier listener: change one of them",
    ),
    "same port, other hostnames": (f"[{HTTP}, {{name: other, port: 80, protocol: HTTP, hostname: '*.example'}}]",),
    "same port, other protocol": (f"[{HTTP}, {{name: other, port: 80, protocol: TCP}}]",),
    "protocol of another": ("[{name: a, port: 80, protocol: example.com/fast}]",),
    "protocol": (
        "[{name: a, port: 80, protocol: ''}]",
        "spec.listeners[0].protocol: must not be empty",
    ),
    "port": ("[{name: a, port: 0, protocol: HTTP}]", "spec.listeners[0].port: must be at least 1"),
    "filter's member": (
        "[{name: a, port: 80, protocol: HTTP, filters: {requests: [{type: ExternalAuth}]}}]",
        "spec.listeners[0].filters.requests[0].externalAuth: is required when type is ExternalAuth: add it, or change "
        "the type",
    ),
}


@pytest.mark.parametrize("case", LISTENERS.values(), ids=LISTENERS.keys())
def test_listeners(case: tuple[str, ...]) -> None:
    """Listeners that the API server would refuse are refused, at the field and with what to do about it."""
    text, *expected = case
    assert errors(gateway(text)) == expected


OTHERS = {
    "address": (
        "{addresses: [{value: 1.2.3}]}",
        "spec.addresses[0].value: must be an IPv4 or IPv6 address, because type is IPAddress",
    ),
    "address with a zone": (
        "{addresses: [{value: 'fe80::1%eth0'}]}",
        "spec.addresses[0].value: must be an IPv4 or IPv6 address, because type is IPAddress",
    ),
    "hostname": (
        "{addresses: [{type: Hostname, value: A.example}]}",
        "spec.addresses[0].value: must be a lower-case DNS name, because type is Hostname",
    ),
    "address of another type": ("{addresses: [{type: example.com/pool, value: A B}]}",),
    "repeated address": (
        "{addresses: [{value: '::1'}, {}, {}, {type: Hostname, value: a.example}, {value: '::1'}]}",
        "spec.addresses[4].value: is in the list already: remove it",
    ),
    "routability": (
        "{addresses: [{routability: gateway.k8s.io/public}]}",
        "spec.addresses[0].routability: must be Cluster, or a domain of your own and a path, like example.com/public",
    ),
    "routability of one's own": ("{addresses: [{routability: Cluster}, {routability: example.com/public}]}",),
    "label of the infrastructure": (
        "{infrastructure: {labels: {'a b': c}}}",
        "spec.infrastructure.labels.a b: the name must be a name of up to 63 letters, digits, '-', '_' and '.', or a "
        "domain, '/' and such a name",
    ),
    "labels of the infrastructure": (
        "{infrastructure: {labels: {a: '', b: '', c: '', d: '', e: '', f: '', g: '', h: '', i: ''}}}",
        "spec.infrastructure.labels: must have at most 8 items: remove some",
    ),
    "frontend without a default": (
        "{tls: {frontend: {}}}",
        "spec.tls.frontend.default: is required: add it",
    ),
    "repeated port": (
        "{tls: {frontend: {default: {}, perPort: [{port: 443, tls: {}}, {port: 443, tls: {}}]}}}",
        "spec.tls.frontend.perPort[1]: has the port of an earlier entry: remove one of them",
    ),
    "namespace of a trust bundle": (
        "{tls: {frontend: {default: {validation: {caCertificateRefs: "
        "[{group: certificates.k8s.io, kind: ClusterTrustBundle, name: a, namespace: b}]}}}}}",
        "spec.tls.frontend.default.validation.caCertificateRefs[0].namespace: must not be set for a "
        "ClusterTrustBundle, which is in no namespace: remove it",
    ),
    "from": (
        "{allowedListeners: {namespaces: {from: all}}}",
        "spec.allowedListeners.namespaces.from: must be All, Selector, Same or None, not 'all'; did you mean All?",
    ),
}


@pytest.mark.parametrize("case", OTHERS.values(), ids=OTHERS.keys())
def test_spec(case: tuple[str, ...]) -> None:
    """What the API server would refuse beside the listeners is refused, at the field and with what to do about it."""
    text, *expected = case
    assert errors(gateway(f"[{HTTP}]", text)) == expected
