"""Generators of objects, by kind: they meet, miss, forbid and contradict each other."""

from __future__ import annotations

from operator import itemgetter
from typing import Any

from hypothesis import strategies as st

from tests.certificates import key_pair
from tests.translator.extensions_by_kind import HEADGATE, authorizers, external_auth
from tests.translator.secrets_by_kind import credentials
from tests.translator.strategies import (
    EXPERIMENTAL,
    GATEWAY_API,
    HOSTNAMES,
    NAMESPACES,
    Objects,
    Raw,
    fields,
    maybe,
    object_of,
    one,
    some,
)


def gateway_classes() -> Objects:
    """Classes of ours and of others; the one called headgate need not be ours."""
    ours = "gateway.headgate.dev/controller"
    spec = fields(controllerName=one(*[ours] * 5, "example.com/other"))
    return object_of(
        f"{GATEWAY_API}/v1", "GatewayClass", ("headgate", "headgate", "headgate", "other"), cluster=True, spec=spec
    )


def _listeners() -> st.SearchStrategy[Raw]:
    secret = fields(name=one("s1", "s2"), namespace=maybe(one(*NAMESPACES)))
    selector = {"matchLabels": {"team": "red"}}
    namespaces = one(*[{"from": "All"}] * 6, {"from": "Same"}, {"from": "Selector", "selector": selector})
    kinds = one(None, None, None, [{"kind": "HTTPRoute"}], [{"kind": "GRPCRoute"}], [{"kind": "TLSRoute"}])
    common = {
        "name": one("l1", "l2", "l3"),
        "hostname": maybe(one(*HOSTNAMES)),
        "allowedRoutes": fields(namespaces=namespaces, kinds=kinds),
    }
    plain = fields(port=one(80, 80, 80, 81, 9091), protocol=one(*["HTTP"] * 5, "example.com/odd"), **common)
    tls = fields(certificateRefs=some(secret, 2, 1))
    https = fields(port=one(443, 443, 81), protocol="HTTPS", tls=tls, **common)
    l4 = fields(
        port=one(81, 82),
        protocol=one("TCP", "UDP"),
        **{key: each for key, each in common.items() if key != "hostname"},
    )
    passthrough = st.just({"mode": "Passthrough"})
    sni = fields(port=one(443, 443, 81), protocol="TLS", tls=passthrough | passthrough | tls, **common)
    return plain | plain | https | sni | sni | l4


def _distinct(listeners: list[Raw]) -> bool:
    return len({(each["port"], each["protocol"], each.get("hostname")) for each in listeners}) == len(listeners)


def gateways() -> Objects:
    """Gateways that share ports and addresses, of classes that may not be ours."""
    certificate = fields(name=one("s1", "s2"), namespace=maybe(one(*NAMESPACES)))
    hostname = {"type": "Hostname", "value": "x.test"}
    addresses = one(None, None, [{"value": "127.0.0.1"}], *[[{"value": "127.0.0.2"}]] * 3, [hostname])
    spec = fields(
        gatewayClassName=one(*["headgate"] * 5, "other"),
        listeners=some(_listeners(), 3, 1, by=itemgetter("name")).filter(_distinct),
        addresses=addresses,
        tls=maybe(fields(backend=fields(clientCertificateRef=certificate), frontend=maybe(_frontends()))),
        allowedListeners=one(None, *[{"namespaces": {"from": "All"}}] * 3, *_NAMESPACES_OF_SETS),
    )
    return object_of(f"{GATEWAY_API}/v1", "Gateway", ("g1", "g2"), namespace="a", labels=_labels(), spec=spec)


def _frontends() -> st.SearchStrategy[Raw]:
    config_map = fields(group="", kind="ConfigMap", name=one("c1", "c2"), namespace=maybe(one(*NAMESPACES)))
    bundle = fields(group="certificates.k8s.io", kind="ClusterTrustBundle", name=one("b1", "b2"))
    validation = fields(caCertificateRefs=some(config_map | bundle, 2, 1))
    return fields(default=fields(validation=validation))


_NAMESPACES_OF_SETS = [
    {"namespaces": {"from": "Same"}},
    {"namespaces": {"from": "Selector", "selector": {"matchLabels": {"team": "red"}}}},
]


def listener_sets() -> Objects:
    """ListenerSets in the way of Gateways' and each other's, of Gateways that may not let them attach."""
    parent = fields(name=one("g1", "g1", "g2", "g3"), namespace="a")
    spec = fields(parentRef=parent, listeners=some(_listeners(), 3, 1, by=itemgetter("name")).filter(_distinct))
    return object_of(f"{GATEWAY_API}/v1", "ListenerSet", ("x1", "x2"), labels=_labels(), spec=spec)


def _backends(**more: Any) -> st.SearchStrategy[Raw]:
    namespace = maybe(one(*NAMESPACES))
    service = fields(name=one("w1", "w2"), namespace=namespace, port=one(80, 80, 80, 81), **more)
    external = fields(group=EXPERIMENTAL, kind="XBackend", name=one("w1", "w2"), namespace=namespace, **more)
    inference = {"group": "inference.networking.k8s.io", "kind": "InferencePool", "namespace": namespace}
    pool = fields(name=one("w1", "w2"), **inference, **more)
    return service | service | service | external | pool


def _filters() -> st.SearchStrategy[Raw]:
    extension = {"group": "gateway.headgate.dev", "kind": "DirectResponse"}
    policy = {"group": "gateway.headgate.dev", "kind": "TrafficPolicy"}
    headers = one({"set": [{"name": "x-test", "value": "1"}]}, {"remove": ["x-test"]})
    return st.one_of(
        fields(type="ExtensionRef", extensionRef=fields(name=one("d1", "d2"), **extension)),
        fields(type="ExtensionRef", extensionRef=fields(name=one("p1", "p2"), **policy)),
        fields(type="RequestHeaderModifier", requestHeaderModifier=headers),
        fields(type="RequestMirror", requestMirror=fields(backendRef=_backends())),
        fields(type="URLRewrite", urlRewrite=one({"hostname": "z.test"})),
    )


def _matches() -> st.SearchStrategy[Raw]:
    paths = [{"value": "/"}, {"value": "/p"}, {"type": "Exact", "value": "/p"}]
    regexes = [{"type": "RegularExpression", "value": value} for value in ("/p.*", "/(")]
    headers = [{"name": "x-test", "value": "1"}]
    return fields(path=maybe(one(*paths, *regexes)), method=maybe(one("GET")), headers=maybe(st.just(headers)))


def _parents() -> st.SearchStrategy[Raw]:
    sections = one(None, None, None, None, "l1")
    of_gateway = fields(name=one("g1", "g2"), namespace="a", sectionName=sections)
    of_set = fields(kind="ListenerSet", name=one("x1", "x2"), namespace=maybe(one(*NAMESPACES)), sectionName=sections)
    more = {"namespace": maybe(one(*NAMESPACES)), "port": one(None, None, 80)}
    of_service = fields(group="", kind="Service", name=one("w1", "w2"), **more)
    return of_gateway | of_gateway | of_set | of_service


def _with_a_name(rules: list[Raw]) -> list[Raw]:
    return [{**rules[0], "name": "one"}, *rules[1:]]


def http_routes() -> Objects:
    """Routes to Gateways, listeners, Services and extensions that may or may not be there, or let them."""
    rules = fields(
        matches=maybe(some(_matches(), 2)),
        filters=maybe(some(_filters() | external_auth(), 2, by=itemgetter("type"))),
        backendRefs=some(_backends(weight=maybe(one(0, 3)), filters=maybe(some(_filters(), 1))), 2, 1),
        timeouts=maybe(one({"request": "3s"})),
        sessionPersistence=one(None, None, {"cookie": {"name": "s"}}, {"cookie": {}, "absoluteTimeout": "1h"}),
    )
    spec = fields(
        parentRefs=some(_parents(), 2, 1, by=itemgetter("name")),
        hostnames=maybe(some(one(*HOSTNAMES), 2)),
        rules=st.lists(rules, min_size=1, max_size=2).map(_with_a_name),
    )
    return object_of(f"{GATEWAY_API}/v1", "HTTPRoute", ("r1", "r2"), labels=_labels(), spec=spec)


def grpc_routes() -> Objects:
    """Routes of gRPC, in the way of the others."""
    names = [{"service": "x.Y"}, {"service": "x.Y", "method": "Z"}, {"method": "Z"}]
    expressions = [{"type": "RegularExpression", "service": value} for value in ("x.*", "(")]
    headers = [{"name": "x-test", "value": "1"}]
    matches = fields(method=maybe(one(*names, *expressions)), headers=maybe(st.just(headers)))
    filters = _filters().filter(lambda found: found["type"] != "URLRewrite")
    rules = fields(
        matches=maybe(some(matches, 2)),
        filters=maybe(some(filters, 2, by=itemgetter("type"))),
        backendRefs=some(_backends(weight=maybe(one(0, 3))), 2),
    )
    spec = fields(
        parentRefs=some(_parents(), 2, 1, by=itemgetter("name")),
        hostnames=maybe(some(one(*HOSTNAMES), 2)),
        rules=st.lists(rules, max_size=2),
    )
    return object_of(f"{GATEWAY_API}/v1", "GRPCRoute", ("r1", "r2"), labels=_labels(), spec=spec)


def l4_routes() -> Objects:
    """Routes of connections and of datagrams, of which several may want one listener."""
    rules = fields(backendRefs=some(_backends(weight=maybe(one(0, 3))), 2, 1))
    spec = fields(
        parentRefs=some(_parents(), 2, 1, by=itemgetter("name")), rules=st.lists(rules, min_size=1, max_size=1)
    )
    return st.one_of(
        [
            object_of(f"{GATEWAY_API}/v1", kind, ("r1", "r2"), labels=_labels(), spec=spec)
            for kind in ("TCPRoute", "UDPRoute")
        ]
    )


def tls_routes() -> Objects:
    """Routes of TLS, for listeners that pass it through or terminate it."""
    rules = fields(backendRefs=some(_backends(weight=maybe(one(0, 3))), 2, 1))
    spec = fields(
        parentRefs=some(_parents(), 2, 1, by=itemgetter("name")),
        hostnames=some(one(*HOSTNAMES), 2, 1),
        rules=st.lists(rules, min_size=1, max_size=1),
    )
    return object_of(f"{GATEWAY_API}/v1", "TLSRoute", ("r1", "r2"), labels=_labels(), spec=spec)


def services() -> Objects:
    """Services with endpoints, with an address, without either, by name, and of protocols good and bad."""
    protocols = one(None, None, None, "kubernetes.io/h2c", "http", "https")
    transports = one(None, None, None, "UDP")
    port = fields(name="http", port=one(80, 80, 80, 81), appProtocol=protocols, protocol=transports)
    spec = st.one_of(
        fields(ports=some(port, 1, 1), clusterIP=maybe(one("10.0.0.1", "None"))),
        fields(ports=some(port, 1, 1)),
        one({"type": "ExternalName", "externalName": "z.test"}),
    )
    return object_of("v1", "Service", ("w1", "w2"), labels=_labels(), spec=spec)


def endpoint_slices() -> Objects:
    """Slices of some Service, whose endpoints are ready, or not, or about to go, or listeners of a Gateway."""
    conditions = one({"ready": True}, {"ready": False}, {"ready": False, "serving": True, "terminating": True})
    endpoint = fields(
        addresses=one(["10.1.0.1"], ["10.1.0.2"], ["127.0.0.1"]),
        conditions=maybe(conditions),
        zone=maybe(one("z1")),
    )
    return object_of(
        "discovery.k8s.io/v1",
        "EndpointSlice",
        ("e1", "e2"),
        labels=fields(**{"kubernetes.io/service-name": one("w1", "w2")}),
        addressType="IPv4",
        endpoints=some(endpoint, 2),
        ports=one(
            [{"name": "http", "port": 8080}, {"name": "http", "port": 8080, "protocol": "UDP"}],
            [{"name": "http", "port": 8081}],
            [{"name": "http", "port": 81}, {"name": "http", "port": 82, "protocol": "UDP"}],
            [{"name": "no", "port": 1}],
        ),
    )


def reference_grants() -> Objects:
    """Grants of some target, or all of a kind, to one side or the other."""
    route = {"group": GATEWAY_API, "kind": one("HTTPRoute", "HTTPRoute", "GRPCRoute")}
    gateway = {"group": GATEWAY_API, "kind": one("Gateway", "ListenerSet")}
    backend = {"group": EXPERIMENTAL, "kind": "XBackend"}
    policy = {"group": "gateway.headgate.dev", "kind": "TrafficPolicy"}
    kinds_of_givers = (route, gateway, backend, policy, policy | {"kind": "GatewayExtension"})
    givers = st.one_of([fields(namespace=one(*NAMESPACES), **each) for each in kinds_of_givers])
    targets = fields(group="", kind="Service", name=maybe(one("w1", "w2"))) | fields(group="", kind="Secret")
    targets |= fields(group=HEADGATE, kind="GatewayExtension")
    targets |= fields(group="inference.networking.k8s.io", kind="InferencePool")
    spec = fields(**{"from": some(givers, 2, 1), "to": some(targets, 2, 1)})
    policies = fields(group="gateway.headgate.dev", kind="TrafficPolicy", namespace=one(*NAMESPACES))
    kinds = one("HTTPRoute", "HTTPRoute", "Gateway", "ListenerSet")
    attachable = fields(group=GATEWAY_API, kind=kinds, name=maybe(one("r1", "g1", "x1")))
    of_policies = fields(**{"from": some(policies, 2, 1), "to": some(attachable, 2, 1)})
    return object_of(f"{GATEWAY_API}/v1beta1", "ReferenceGrant", ("t1", "t2"), spec=spec | of_policies)


def namespaces() -> Objects:
    """Namespaces of one team or another."""
    return object_of("v1", "Namespace", NAMESPACES, cluster=True, labels=maybe(fields(team=one("red", "blue"))))


def direct_responses() -> Objects:
    """Answers without a backend."""
    return object_of("gateway.headgate.dev/v1alpha1", "DirectResponse", ("d1", "d2"), spec=fields(status=one(200, 404)))


def _target(found: Raw) -> tuple[str | None, ...]:
    return tuple(found.get(each) for each in ("kind", "namespace", "name", "sectionName"))


def _labels() -> st.SearchStrategy[Raw]:
    return fields(team=maybe(one("red", "blue")), tier=maybe(one("1")))


def _selectors() -> st.SearchStrategy[Raw]:
    labels = one({"matchLabels": {"team": "red"}}, {"matchLabels": {"team": "red", "tier": "1"}})
    expressions = [{"key": "team", "operator": "In", "values": ["blue"]}, {"key": "tier", "operator": "DoesNotExist"}]
    red = {"from": "Selector", "selector": {"matchLabels": {"team": "red"}}}
    more = fields(
        group=GATEWAY_API,
        kind=one("HTTPRoute", "HTTPRoute", "Gateway", "ListenerSet", "GRPCRoute", "TCPRoute", "TLSRoute", "UDPRoute"),
        namespaces=one(None, {"from": "Same"}, {"from": "All"}, {"from": "All"}, red),
        sectionName=one(None, None, "one", "l1"),
    )
    chosen = labels | one(*({"matchExpressions": [each]} for each in expressions))
    return st.tuples(more, chosen).map(lambda both: {**both[0], **both[1]})


def _forwarding() -> dict[str, st.SearchStrategy[Any]]:
    """Return fields of policies that routes write, some of them wrong or about what may not be there."""
    header = one({"name": "x-a", "value": "p"}, {"name": "x-b", "value": "%NO%", "format": True})
    mirrored = fields(name=one("w1", "w2"), namespace=one(None, None, *NAMESPACES), port=80)
    return {
        "headerModifiers": maybe(fields(request=fields(set=some(header, 1)), response=one(None, {"remove": ["x-a"]}))),
        "hostRewrite": one(None, {"auto": {}}, {"literal": "p.test"}, {"disable": {}}),
        "requestMirror": maybe(fields(backendRef=maybe(mirrored), share=one(None, 50))),
        "extAuth": authorizers(),
        "timeouts": one(None, None, {"idle": "30s"}, {"idle": "1h", "request": "3s"}),
    }


def traffic_policies() -> Objects:
    """Policies for Gateways, listeners, routes and rules that may or may not be there, and for what cannot have any."""
    anywhere = {"group": GATEWAY_API, "namespace": one(None, None, None, "a", "b")}
    gateway = fields(kind="Gateway", name=one("g1", "g2"), sectionName=one(None, None, "l1", "no"), **anywhere)
    route = fields(kind="HTTPRoute", name=one("r1", "r2"), sectionName=one(None, None, "one", "no"), **anywhere)
    service = fields(group=one(""), kind="Service", name="w1")
    l4_route = fields(kind=one("TCPRoute", "TLSRoute", "UDPRoute"), name=one("r1", "r2"), **anywhere)
    listener_set = fields(kind="ListenerSet", name=one("x1", "x2"), sectionName=one(None, None, "l1", "no"), **anywhere)
    cors = fields(
        allowOrigins=maybe(one(["https://a.test"], ["https://*.b.test"], ["*"])),
        allowMethods=maybe(one(["GET"])),
        maxAge=maybe(one(5, 7)),  # 5 is the default
    )
    spec = fields(
        targetRefs=some(gateway | gateway | listener_set | route | route | l4_route | service, 2, 0, by=_target),
        targetSelectors=maybe(some(_selectors(), 2, 1)),
        inheritance=one(None, None, "Merge", "Replace"),
        enforced=one(None, None, True, False),
        cors=maybe(cors),
        **_forwarding(),
        **credentials(),
    )
    return object_of(
        "gateway.headgate.dev/v1alpha1", "TrafficPolicy", ("p1", "p2"), namespace=one("a", "a", "b"), spec=spec
    )


def config_maps() -> Objects:
    """CA certificates, or something else."""
    return object_of("v1", "ConfigMap", ("c1", "c2"), data=one("one", "two", None).map(_authority))


def _authority(name: str | None) -> Raw:
    return {"color": "red"} if name is None else {"ca.crt": key_pair(name)[0]}


def backend_tls_policies() -> Objects:
    """Policies for Services and their ports, and for what cannot have any."""
    service = fields(group=one(""), kind="Service", name="w1")
    port = fields(group=one(""), kind="Service", name="w2", sectionName=one("http", "http", "no"))
    gateway = fields(group=GATEWAY_API, kind="Gateway", name=one("g1"))
    config_map = fields(group=one(""), kind=one("ConfigMap", "ConfigMap", "Secret"), name=one("c1", "c2"))
    bundle = fields(group="certificates.k8s.io", kind="ClusterTrustBundle", name=one("b1", "b2"))
    external = fields(group=EXPERIMENTAL, kind="XBackend", name=one("w1", "w2"))
    system = fields(wellKnownCACertificates=one("System", "example.com/others"), hostname="x.test")
    validation = fields(caCertificateRefs=some(config_map | config_map | bundle, 2, 1), hostname="x.test") | system
    spec = fields(
        targetRefs=some(service | service | port | gateway | external, 2, 1, by=_target), validation=validation
    )
    return object_of(f"{GATEWAY_API}/v1", "BackendTLSPolicy", ("e1", "e2"), spec=spec)


def cluster_trust_bundles() -> Objects:
    """CA certificates for the whole cluster, or what is none."""
    spec = fields(trustBundle=one(key_pair("one")[0], key_pair("two")[0], "none"))
    return object_of("certificates.k8s.io/v1", "ClusterTrustBundle", ("b1", "b2"), cluster=True, spec=spec)


def xbackends() -> Objects:
    """Backends by name, with TLS and without, of protocols good and bad, and pods, which are not supported."""
    trusted = fields(group="", kind="ConfigMap", name=one("c1", "c2"))
    validation = fields(caCertificateRefs=some(trusted, 2, 1), hostname="x.test")
    certificate = fields(name=one("s1", "s2"), namespace=maybe(one(*NAMESPACES)))
    tls = fields(mode="ServerOnly", validation=validation) | fields(
        mode="ClientAndServer", validation=validation, clientCertificateRef=certificate
    )
    common = {"port": fields(number=one(80, 443, 19000))}
    host = {"type": "ExternalHostname", "externalHostname": fields(hostname=one("x.test", "y.test"))}
    spec = st.one_of(
        fields(protocol=one(None, None, "HTTP", "HTTP11", "H2C", "TCP", "MCP"), **host, **common),
        fields(protocol=one(None, "HTTP2", "WSS"), tls=tls, **host, **common),
        fields(type="EndpointSelector", endpointSelector={"matchLabels": {"app": "x"}}, **common),
    )
    return object_of(f"{EXPERIMENTAL}/v1alpha1", "XBackend", ("w1", "w2"), spec=spec)


def unsupported_policies() -> Objects:
    """Policies without an effect, for backends and Gateways that may or may not be there."""
    backend = fields(group="", kind="Service", name=one("w1", "w2"))
    gateway = fields(group=GATEWAY_API, kind="Gateway", name=one("g1", "g2"))
    kinds = {"XBackendTrafficPolicy": backend, "XTelemetryPolicy": gateway}
    version = f"{EXPERIMENTAL}/v1alpha1"
    return st.one_of(
        [
            object_of(version, kind, ("u1",), spec=fields(targetRefs=some(target, 2, 1, by=_target)))
            for kind, target in kinds.items()
        ]
    )


def definitions() -> Objects:
    """Definitions of the Gateway API, of releases that are supported or not, and of others."""
    names = ("gateways.gateway.networking.k8s.io", "certificates.cert-manager.io")
    release = maybe(fields(**{"gateway.networking.k8s.io/bundle-version": one("v1.7.0", "v1.8.0")}))
    return object_of("apiextensions.k8s.io/v1", "CustomResourceDefinition", names, cluster=True, annotations=release)
