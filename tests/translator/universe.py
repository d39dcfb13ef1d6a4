"""A small universe of objects: few names, so that they meet, miss, forbid and contradict each other."""

from __future__ import annotations

import base64
from functools import cache
from operator import attrgetter, itemgetter
from typing import Any

from hypothesis import strategies as st

from tests.certificates import self_signed
from translator.objects.schema.base import KubernetesObject
from translator.registry import KINDS

Raw = dict[str, Any]
Objects = st.SearchStrategy[KubernetesObject]

GATEWAY_API = "gateway.networking.k8s.io"
NAMESPACES = ("a", "b")
CREATED = ("2026-01-01T00:00:00Z", "2026-01-02T00:00:00Z")
HOSTNAMES = ("x.test", "y.x.test", "*.x.test", "*.test")


@cache
def key_pair(name: str) -> tuple[str, str]:
    """Return a certificate of that name and its private key, PEM; the same each time."""
    return self_signed(name)


def parsed(raw: Raw) -> KubernetesObject:
    """Return the object of a manifest, in which nothing is wrong."""
    found = KINDS.parse(raw)
    assert found.object is not None, found.problems
    assert not found.problems, found.problems
    return found.object


def _maybe(strategy: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    """Half of the time nothing, which leaves the field out."""
    return st.none() | strategy


def _fields(**fields: st.SearchStrategy[Any] | Any) -> st.SearchStrategy[Raw]:
    """Return a map of fields, without those that came out as None."""
    each = {name: value if isinstance(value, st.SearchStrategy) else st.just(value) for name, value in fields.items()}
    return st.fixed_dictionaries(each).map(_present)


def _present(made: Raw) -> Raw:
    return {name: value for name, value in made.items() if value is not None}


def _one(*values: Any) -> st.SearchStrategy[Any]:
    return st.sampled_from(values)


def _some(strategy: st.SearchStrategy[Any], most: int, least: int = 0, by: Any = repr) -> st.SearchStrategy[list[Any]]:
    return st.lists(strategy, min_size=least, max_size=most, unique_by=by)


def _object(api_version: str, kind: str, names: tuple[str, ...], *, cluster: bool = False, **rest: Any) -> Objects:
    namespace = rest.pop("namespace", _one(*NAMESPACES))
    metadata = _fields(
        name=_one(*names),
        namespace=None if cluster else namespace,
        creationTimestamp=_maybe(_one(*CREATED)),
        labels=rest.pop("labels", None),
        annotations=rest.pop("annotations", None),
    )
    return _fields(apiVersion=api_version, kind=kind, metadata=metadata, **rest).map(parsed)


def gateway_classes() -> Objects:
    """Classes of ours and of others; the one called headgate need not be ours."""
    ours = "gateway.headgate.dev/controller"
    spec = _fields(controllerName=_one(*[ours] * 5, "example.com/other"))
    return _object(
        f"{GATEWAY_API}/v1", "GatewayClass", ("headgate", "headgate", "headgate", "other"), cluster=True, spec=spec
    )


def _listeners() -> st.SearchStrategy[Raw]:
    secret = _fields(name=_one("s1", "s2"), namespace=_maybe(_one(*NAMESPACES)))
    selector = {"matchLabels": {"team": "red"}}
    namespaces = _one(*[{"from": "All"}] * 6, {"from": "Same"}, {"from": "Selector", "selector": selector})
    kinds = _one(None, None, None, [{"kind": "HTTPRoute"}], [{"kind": "GRPCRoute"}], [{"kind": "TLSRoute"}])
    common = {
        "name": _one("l1", "l2", "l3"),
        "hostname": _maybe(_one(*HOSTNAMES)),
        "allowedRoutes": _fields(namespaces=namespaces, kinds=kinds),
    }
    plain = _fields(port=_one(80, 80, 80, 81, 9091), protocol=_one(*["HTTP"] * 5, "example.com/odd"), **common)
    tls = _fields(certificateRefs=_some(secret, 2, 1))
    https = _fields(port=_one(443, 443, 81), protocol="HTTPS", tls=tls, **common)
    l4 = _fields(
        port=_one(81, 82),
        protocol=_one("TCP", "UDP"),
        **{key: each for key, each in common.items() if key != "hostname"},
    )
    passthrough = st.just({"mode": "Passthrough"})
    sni = _fields(port=_one(443, 443, 81), protocol="TLS", tls=passthrough | passthrough | tls, **common)
    return plain | plain | https | sni | sni | l4


def _distinct(listeners: list[Raw]) -> bool:
    return len({(each["port"], each["protocol"], each.get("hostname")) for each in listeners}) == len(listeners)


def gateways() -> Objects:
    """Gateways that share ports and addresses, of classes that may not be ours."""
    certificate = _fields(name=_one("s1", "s2"), namespace=_maybe(_one(*NAMESPACES)))
    hostname = {"type": "Hostname", "value": "x.test"}
    addresses = _one(None, None, [{"value": "127.0.0.1"}], *[[{"value": "127.0.0.2"}]] * 3, [hostname])
    spec = _fields(
        gatewayClassName=_one(*["headgate"] * 5, "other"),
        listeners=_some(_listeners(), 3, 1, by=itemgetter("name")).filter(_distinct),
        addresses=addresses,
        tls=_maybe(_fields(backend=_fields(clientCertificateRef=certificate), frontend=_maybe(_frontends()))),
        allowedListeners=_one(None, *[{"namespaces": {"from": "All"}}] * 3, *_NAMESPACES_OF_SETS),
    )
    return _object(f"{GATEWAY_API}/v1", "Gateway", ("g1", "g2"), namespace="a", spec=spec)


def _frontends() -> st.SearchStrategy[Raw]:
    config_map = _fields(group="", kind="ConfigMap", name=_one("c1", "c2"), namespace=_maybe(_one(*NAMESPACES)))
    bundle = _fields(group="certificates.k8s.io", kind="ClusterTrustBundle", name=_one("b1", "b2"))
    validation = _fields(caCertificateRefs=_some(config_map | bundle, 2, 1))
    return _fields(default=_fields(validation=validation))


_NAMESPACES_OF_SETS = [
    {"namespaces": {"from": "Same"}},
    {"namespaces": {"from": "Selector", "selector": {"matchLabels": {"team": "red"}}}},
]


def listener_sets() -> Objects:
    """ListenerSets in the way of Gateways' and each other's, of Gateways that may not let them attach."""
    parent = _fields(name=_one("g1", "g1", "g2", "g3"), namespace="a")
    spec = _fields(parentRef=parent, listeners=_some(_listeners(), 3, 1, by=itemgetter("name")).filter(_distinct))
    return _object(f"{GATEWAY_API}/v1", "ListenerSet", ("x1", "x2"), spec=spec)


EXPERIMENTAL = "gateway.networking.x-k8s.io"


def _backends(**more: Any) -> st.SearchStrategy[Raw]:
    namespace = _maybe(_one(*NAMESPACES))
    service = _fields(name=_one("w1", "w2"), namespace=namespace, port=_one(80, 80, 80, 81), **more)
    external = _fields(group=EXPERIMENTAL, kind="XBackend", name=_one("w1", "w2"), namespace=namespace, **more)
    return service | service | service | external


def _filters() -> st.SearchStrategy[Raw]:
    extension = {"group": "gateway.headgate.dev", "kind": "DirectResponse"}
    headers = _one({"set": [{"name": "x-test", "value": "1"}]}, {"remove": ["x-test"]})
    return st.one_of(
        _fields(type="ExtensionRef", extensionRef=_fields(name=_one("d1", "d2"), **extension)),
        _fields(type="RequestHeaderModifier", requestHeaderModifier=headers),
        _fields(type="RequestMirror", requestMirror=_fields(backendRef=_backends())),
        _fields(type="URLRewrite", urlRewrite=_one({"hostname": "z.test"})),
    )


def _matches() -> st.SearchStrategy[Raw]:
    paths = [{"value": "/"}, {"value": "/p"}, {"type": "Exact", "value": "/p"}]
    regexes = [{"type": "RegularExpression", "value": value} for value in ("/p.*", "/(")]
    headers = [{"name": "x-test", "value": "1"}]
    return _fields(path=_maybe(_one(*paths, *regexes)), method=_maybe(_one("GET")), headers=_maybe(st.just(headers)))


def _parents() -> st.SearchStrategy[Raw]:
    sections = _one(None, None, None, None, "l1")
    of_gateway = _fields(name=_one("g1", "g2"), namespace="a", sectionName=sections)
    of_set = _fields(
        kind="ListenerSet", name=_one("x1", "x2"), namespace=_maybe(_one(*NAMESPACES)), sectionName=sections
    )
    more = {"namespace": _maybe(_one(*NAMESPACES)), "port": _one(None, None, 80)}
    of_service = _fields(group="", kind="Service", name=_one("w1", "w2"), **more)
    return of_gateway | of_gateway | of_set | of_service


def _with_a_name(rules: list[Raw]) -> list[Raw]:
    return [{**rules[0], "name": "one"}, *rules[1:]]


def http_routes() -> Objects:
    """Routes to Gateways, listeners, Services and extensions that may or may not be there, or let them."""
    rules = _fields(
        matches=_maybe(_some(_matches(), 2)),
        filters=_maybe(_some(_filters(), 2, by=itemgetter("type"))),
        backendRefs=_some(_backends(weight=_maybe(_one(0, 3)), filters=_maybe(_some(_filters(), 1))), 2, 1),
        timeouts=_maybe(_one({"request": "3s"})),
        sessionPersistence=_one(None, None, {"cookie": {"name": "s"}}, {"cookie": {}, "absoluteTimeout": "1h"}),
    )
    spec = _fields(
        parentRefs=_some(_parents(), 2, 1, by=itemgetter("name")),
        hostnames=_maybe(_some(_one(*HOSTNAMES), 2)),
        rules=st.lists(rules, min_size=1, max_size=2).map(_with_a_name),
    )
    return _object(f"{GATEWAY_API}/v1", "HTTPRoute", ("r1", "r2"), spec=spec)


def grpc_routes() -> Objects:
    """Routes of gRPC, in the way of the others."""
    names = [{"service": "x.Y"}, {"service": "x.Y", "method": "Z"}, {"method": "Z"}]
    expressions = [{"type": "RegularExpression", "service": value} for value in ("x.*", "(")]
    headers = [{"name": "x-test", "value": "1"}]
    matches = _fields(method=_maybe(_one(*names, *expressions)), headers=_maybe(st.just(headers)))
    filters = _filters().filter(lambda found: found["type"] != "URLRewrite")
    rules = _fields(
        matches=_maybe(_some(matches, 2)),
        filters=_maybe(_some(filters, 2, by=itemgetter("type"))),
        backendRefs=_some(_backends(weight=_maybe(_one(0, 3))), 2),
    )
    spec = _fields(
        parentRefs=_some(_parents(), 2, 1, by=itemgetter("name")),
        hostnames=_maybe(_some(_one(*HOSTNAMES), 2)),
        rules=st.lists(rules, max_size=2),
    )
    return _object(f"{GATEWAY_API}/v1", "GRPCRoute", ("r1", "r2"), spec=spec)


def l4_routes() -> Objects:
    """Routes of connections and of datagrams, of which several may want one listener."""
    rules = _fields(backendRefs=_some(_backends(weight=_maybe(_one(0, 3))), 2, 1))
    spec = _fields(
        parentRefs=_some(_parents(), 2, 1, by=itemgetter("name")), rules=st.lists(rules, min_size=1, max_size=1)
    )
    return st.one_of([_object(f"{GATEWAY_API}/v1", kind, ("r1", "r2"), spec=spec) for kind in ("TCPRoute", "UDPRoute")])


def tls_routes() -> Objects:
    """Routes of TLS, for listeners that pass it through or terminate it."""
    rules = _fields(backendRefs=_some(_backends(weight=_maybe(_one(0, 3))), 2, 1))
    spec = _fields(
        parentRefs=_some(_parents(), 2, 1, by=itemgetter("name")),
        hostnames=_some(_one(*HOSTNAMES), 2, 1),
        rules=st.lists(rules, min_size=1, max_size=1),
    )
    return _object(f"{GATEWAY_API}/v1", "TLSRoute", ("r1", "r2"), spec=spec)


def services() -> Objects:
    """Services with endpoints, with an address, without either, by name, and of protocols good and bad."""
    protocols = _one(None, None, None, "kubernetes.io/h2c", "http", "https")
    transports = _one(None, None, None, "UDP")
    port = _fields(name="http", port=_one(80, 80, 80, 81), appProtocol=protocols, protocol=transports)
    spec = st.one_of(
        _fields(ports=_some(port, 1, 1), clusterIP=_maybe(_one("10.0.0.1", "None"))),
        _fields(ports=_some(port, 1, 1)),
        _one({"type": "ExternalName", "externalName": "z.test"}),
    )
    return _object("v1", "Service", ("w1", "w2"), spec=spec)


def endpoint_slices() -> Objects:
    """Slices of some Service, whose endpoints are ready, or not, or about to go, or listeners of a Gateway."""
    conditions = _one({"ready": True}, {"ready": False}, {"ready": False, "serving": True, "terminating": True})
    endpoint = _fields(
        addresses=_one(["10.1.0.1"], ["10.1.0.2"], ["127.0.0.1"]),
        conditions=_maybe(conditions),
        zone=_maybe(_one("z1")),
    )
    return _object(
        "discovery.k8s.io/v1",
        "EndpointSlice",
        ("e1", "e2"),
        labels=_fields(**{"kubernetes.io/service-name": _one("w1", "w2")}),
        addressType="IPv4",
        endpoints=_some(endpoint, 2),
        ports=_one(
            [{"name": "http", "port": 8080}, {"name": "http", "port": 8080, "protocol": "UDP"}],
            [{"name": "http", "port": 8081}],
            [{"name": "http", "port": 81}, {"name": "http", "port": 82, "protocol": "UDP"}],
            [{"name": "no", "port": 1}],
        ),
    )


def secrets() -> Objects:
    """Certificates, also with the key of another, and Secrets that hold none."""

    def data(names: tuple[str, str] | None) -> Raw:
        if names is None:
            return {"password": "eA=="}
        parts = {"tls.crt": key_pair(names[0])[0], "tls.key": key_pair(names[1])[1]}
        return {key: base64.b64encode(value.encode()).decode() for key, value in parts.items()}

    pairs = _one(("one", "one"), ("one", "one"), ("two", "two"), ("one", "two"), None)
    return _object("v1", "Secret", ("s1", "s2"), data=pairs.map(data))


def reference_grants() -> Objects:
    """Grants of some target, or all of a kind, to one side or the other."""
    route = {"group": GATEWAY_API, "kind": _one("HTTPRoute", "HTTPRoute", "GRPCRoute")}
    gateway = {"group": GATEWAY_API, "kind": _one("Gateway", "ListenerSet")}
    backend = {"group": EXPERIMENTAL, "kind": "XBackend"}
    givers = st.one_of([_fields(namespace=_one(*NAMESPACES), **each) for each in (route, gateway, backend)])
    targets = _fields(group="", kind="Service", name=_maybe(_one("w1", "w2"))) | _fields(group="", kind="Secret")
    spec = _fields(**{"from": _some(givers, 2, 1), "to": _some(targets, 2, 1)})
    return _object(f"{GATEWAY_API}/v1beta1", "ReferenceGrant", ("t1", "t2"), spec=spec)


def namespaces() -> Objects:
    """Namespaces of one team or another."""
    return _object("v1", "Namespace", NAMESPACES, cluster=True, labels=_maybe(_fields(team=_one("red", "blue"))))


def direct_responses() -> Objects:
    """Answers without a backend."""
    return _object("gateway.headgate.dev/v1alpha1", "DirectResponse", ("d1", "d2"), spec=_fields(status=_one(200, 404)))


def _target(found: Raw) -> tuple[str | None, ...]:
    return tuple(found.get(each) for each in ("kind", "name", "sectionName"))


def traffic_policies() -> Objects:
    """Policies for Gateways, listeners, routes and rules that may or may not be there, and for what cannot have any."""
    gateway = _fields(
        group=GATEWAY_API, kind="Gateway", name=_one("g1", "g2"), sectionName=_one(None, None, "l1", "no")
    )
    route = _fields(
        group=GATEWAY_API, kind="HTTPRoute", name=_one("r1", "r2"), sectionName=_one(None, None, "one", "no")
    )
    service = _fields(group=_one(""), kind="Service", name="w1")
    listener_set = _fields(
        group=GATEWAY_API, kind="ListenerSet", name=_one("x1", "x2"), sectionName=_one(None, None, "l1", "no")
    )
    cors = _fields(
        allowOrigins=_maybe(_one(["https://a.test"], ["https://*.b.test"], ["*"])),
        allowMethods=_maybe(_one(["GET"])),
        maxAge=_maybe(_one(5, 7)),  # 5 is the default
    )
    spec = _fields(
        targetRefs=_some(gateway | gateway | listener_set | route | route | service, 2, 1, by=_target),
        cors=_maybe(cors),
    )
    return _object(
        "gateway.headgate.dev/v1alpha1", "TrafficPolicy", ("p1", "p2"), namespace=_one("a", "a", "b"), spec=spec
    )


def config_maps() -> Objects:
    """CA certificates, or something else."""
    return _object("v1", "ConfigMap", ("c1", "c2"), data=_one("one", "two", None).map(_authority))


def _authority(name: str | None) -> Raw:
    return {"color": "red"} if name is None else {"ca.crt": key_pair(name)[0]}


def backend_tls_policies() -> Objects:
    """Policies for Services and their ports, and for what cannot have any."""
    service = _fields(group=_one(""), kind="Service", name="w1")
    port = _fields(group=_one(""), kind="Service", name="w2", sectionName=_one("http", "http", "no"))
    gateway = _fields(group=GATEWAY_API, kind="Gateway", name=_one("g1"))
    config_map = _fields(group=_one(""), kind=_one("ConfigMap", "ConfigMap", "Secret"), name=_one("c1", "c2"))
    bundle = _fields(group="certificates.k8s.io", kind="ClusterTrustBundle", name=_one("b1", "b2"))
    external = _fields(group=EXPERIMENTAL, kind="XBackend", name=_one("w1", "w2"))
    system = _fields(wellKnownCACertificates=_one("System", "example.com/others"), hostname="x.test")
    validation = _fields(caCertificateRefs=_some(config_map | config_map | bundle, 2, 1), hostname="x.test") | system
    spec = _fields(
        targetRefs=_some(service | service | port | gateway | external, 2, 1, by=_target), validation=validation
    )
    return _object(f"{GATEWAY_API}/v1", "BackendTLSPolicy", ("e1", "e2"), spec=spec)


def cluster_trust_bundles() -> Objects:
    """CA certificates for the whole cluster, or what is none."""
    spec = _fields(trustBundle=_one(key_pair("one")[0], key_pair("two")[0], "none"))
    return _object("certificates.k8s.io/v1", "ClusterTrustBundle", ("b1", "b2"), cluster=True, spec=spec)


def xbackends() -> Objects:
    """Backends by name, with TLS and without, of protocols good and bad, and pods, which are not supported."""
    trusted = _fields(group="", kind="ConfigMap", name=_one("c1", "c2"))
    validation = _fields(caCertificateRefs=_some(trusted, 2, 1), hostname="x.test")
    certificate = _fields(name=_one("s1", "s2"), namespace=_maybe(_one(*NAMESPACES)))
    tls = _fields(mode="ServerOnly", validation=validation) | _fields(
        mode="ClientAndServer", validation=validation, clientCertificateRef=certificate
    )
    common = {"port": _fields(number=_one(80, 443, 19000))}
    host = {"type": "ExternalHostname", "externalHostname": _fields(hostname=_one("x.test", "y.test"))}
    spec = st.one_of(
        _fields(protocol=_one(None, None, "HTTP", "HTTP11", "H2C", "TCP", "MCP"), **host, **common),
        _fields(protocol=_one(None, "HTTP2", "WSS"), tls=tls, **host, **common),
        _fields(type="EndpointSelector", endpointSelector={"matchLabels": {"app": "x"}}, **common),
    )
    return _object(f"{EXPERIMENTAL}/v1alpha1", "XBackend", ("w1", "w2"), spec=spec)


def unsupported_policies() -> Objects:
    """Policies without an effect, for backends and Gateways that may or may not be there."""
    backend = _fields(group="", kind="Service", name=_one("w1", "w2"))
    gateway = _fields(group=GATEWAY_API, kind="Gateway", name=_one("g1", "g2"))
    kinds = {"XBackendTrafficPolicy": backend, "XTelemetryPolicy": gateway}
    version = f"{EXPERIMENTAL}/v1alpha1"
    return st.one_of(
        [
            _object(version, kind, ("u1",), spec=_fields(targetRefs=_some(target, 2, 1, by=_target)))
            for kind, target in kinds.items()
        ]
    )


def definitions() -> Objects:
    """Definitions of the Gateway API, of releases that are supported or not, and of others."""
    names = ("gateways.gateway.networking.k8s.io", "certificates.cert-manager.io")
    release = _maybe(_fields(**{"gateway.networking.k8s.io/bundle-version": _one("v1.7.0", "v1.8.0")}))
    return _object("apiextensions.k8s.io/v1", "CustomResourceDefinition", names, cluster=True, annotations=release)


MOST_OF_EACH = {
    http_routes: 3,
    grpc_routes: 2,
    l4_routes: 2,
    tls_routes: 2,
    gateways: 2,
    listener_sets: 2,
    services: 4,
    endpoint_slices: 3,
    secrets: 3,
    reference_grants: 2,
    namespaces: 1,
    direct_responses: 2,
    traffic_policies: 3,
    config_maps: 2,
    backend_tls_policies: 2,
    cluster_trust_bundles: 2,
    xbackends: 2,
    unsupported_policies: 1,
    gateway_classes: 2,
    definitions: 1,
}
"""All kinds, and how many objects of each there are at most to begin with."""


def objects() -> Objects:
    """Objects of every kind."""
    return st.one_of([kind() for kind in MOST_OF_EACH])


def populations() -> st.SearchStrategy[list[KubernetesObject]]:
    """Enough objects for requests to get somewhere."""
    some = [_some(kind(), most, most - 1, by=attrgetter("ref")) for kind, most in MOST_OF_EACH.items()]
    return st.tuples(*some).map(lambda kinds: [each for found in kinds for each in found])
