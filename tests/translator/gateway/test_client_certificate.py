"""The client certificate of a Gateway while its Secret is not read: only that Gateway waits."""

from __future__ import annotations

from base64 import b64encode

from bench.world import NAMESPACE, Raw, edit, gateway, manifest, route, world
from headgate_proto.envoy.config.cluster.v3.cluster_pb2 import Cluster
from headgate_proto.envoy.extensions.transport_sockets.tls.v3.tls_pb2 import UpstreamTlsContext
from tests.certificates import self_signed
from translator.inputs import Settings
from translator.refs import Ref
from translator.translator import Translator
from xds import CLUSTER

API = "gateway.networking.k8s.io/v1"
SECRET = Ref("Secret", NAMESPACE, "client")
PRESENTING, OTHER = Ref("Gateway", NAMESPACE, "web"), Ref("Gateway", NAMESPACE, "other")


def objects() -> list[Raw]:
    """Return two Gateways, of which one has a client certificate, and a route of both to a Service with a policy."""
    web, other = gateway(), gateway(port=10081)
    web["spec"]["tls"] = {"backend": {"clientCertificateRef": {"name": SECRET.name}}}
    other["metadata"]["name"] = OTHER.name
    both = route(0, 1, 1)
    both["spec"]["parentRefs"] = [{"name": each.name} for each in (PRESENTING, OTHER)]
    target = {"group": "", "kind": "Service", "name": "service-0"}
    spec = {"targetRefs": [target], "validation": {"wellKnownCACertificates": "System", "hostname": "a.test"}}
    return [web, other, both, manifest(API, "BackendTLSPolicy", "tls", spec=spec)]


def presented(translator: Translator, gateway: Ref) -> list[str]:
    """Return the names of the certificates in the clusters of a Gateway."""
    found = []
    for resource in translator.snapshots[gateway].resources(CLUSTER).values():
        context = UpstreamTlsContext()
        Cluster.FromString(resource.body).transport_socket.typed_config.Unpack(context)
        found += [each.name for each in context.common_tls_context.tls_certificate_sds_secret_configs]
    return found


def test_only_its_gateway_waits_for_a_secret() -> None:
    """The other Gateway of its routes is served at once; the Secret is asked for, and then all is served."""
    translator = Translator(Settings(offline=True), on_demand=["Secret"])
    translator.edit([*world(1, 1, 1), *map(edit, objects())])
    assert translator.evaluate().failures == []
    assert translator.snapshots.keys() == {OTHER}
    assert presented(translator, OTHER) == []
    assert translator.referenced("Secret") == {SECRET}
    pair = zip(("tls.crt", "tls.key"), self_signed("client"), strict=True)
    data = {name: b64encode(text.encode()).decode() for name, text in pair}
    translator.edit([edit(manifest("v1", "Secret", SECRET.name, type="kubernetes.io/tls", data=data))])
    assert translator.evaluate().failures == []
    assert (presented(translator, PRESENTING), presented(translator, OTHER)) == ([f"{NAMESPACE}/client"], [])


def test_a_secret_that_is_not_there_holds_nothing_up() -> None:
    """Once it is known that there is none, the Gateway is served without a certificate, and says why."""
    translator = Translator(Settings(offline=True), on_demand=["Secret"])
    translator.edit([*world(1, 1, 1), *map(edit, objects())])
    translator.evaluate()
    translator.set_absent("Secret", frozenset({SECRET}))
    assert translator.evaluate().failures == []
    assert (presented(translator, PRESENTING), presented(translator, OTHER)) == ([], [])
    found = {each["type"]: each["reason"] for each in translator.statuses[PRESENTING]["conditions"]}
    assert found["ResolvedRefs"] == "InvalidClientCertificateRef"
