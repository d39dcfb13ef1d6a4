"""ListenerPolicies: what an edit of one costs, and what becomes of one that is not valid."""

from __future__ import annotations

from bench.world import GATEWAY, NAMESPACE, Raw, edit, manifest, world
from headgate_proto.envoy.config.listener.v3.listener_pb2 import Listener
from translator.inputs import Settings
from translator.objects.headgate.listenerpolicy import MAX_PORTS, ListenerPolicySpec
from translator.refs import Ref
from translator.registry import KINDS
from translator.translator import Translator
from xds import Reference, diff

WEB = Ref("Gateway", NAMESPACE, GATEWAY)
MOST_QUERIES = 60
"""Fewer than there are routes: the first policy of a Gateway has those be asked that may have some."""
TARGETS = [{"group": "gateway.networking.k8s.io", "kind": "Gateway", "name": GATEWAY}]


def policy(**spec: object) -> Raw:
    """Return the manifest of a policy for the Gateway."""
    spec = {"targetRefs": TARGETS, **spec}
    return manifest("gateway.headgate.dev/v1alpha1", "ListenerPolicy", "policy", spec=spec)


def test_a_policy_has_so_many_ports() -> None:
    """One with a port more is not valid, nor is one that has a port twice."""
    items = [{"port": 1000 + each, "listener": {}} for each in range(MAX_PORTS + 1)]
    assert KINDS.parse(policy(perPort=items[:-1])).object is not None
    assert KINDS.parse(policy(perPort=items)).object is None
    assert KINDS.parse(policy(perPort=[items[0], items[0]])).object is None


def test_an_edit_sends_the_listener_and_nothing_else() -> None:
    """Of 300 routes none is sent, nor computed, when a ListenerPolicy comes, changes or goes."""
    translator = Translator(Settings(offline=True))
    translator.edit(world(300, 30, 30))
    translator.evaluate()
    for limit in (1000, 2000):
        before, executed = translator.snapshots[WEB], sum(translator.executions.values())
        translator.edit([edit(policy(default={"perConnectionBufferLimitBytes": limit}))])
        assert translator.evaluate().failures == []
        ((type_url, names),) = diff(before, translator.snapshots[WEB]).items()
        (name,) = names
        found = translator.snapshots[WEB].get(Reference(type_url, name))
        assert found is not None
        assert Listener.FromString(found.body).per_connection_buffer_limit_bytes.value == limit
        assert sum(translator.executions.values()) - executed < MOST_QUERIES


def test_units_of_a_spec() -> None:
    """A spec knows the units that it sets, for all ports and for single ones."""
    spec = ListenerPolicySpec.model_validate(
        {
            "default": {"httpSettings": {"acceptHttp10": True}},
            "perPort": [{"port": 80, "listener": {"perConnectionBufferLimitBytes": 9}}],
        }
    )
    assert spec.set_units() == {"http_settings.accept_http10", "per_connection_buffer_limit_bytes"}
    assert spec.unit_value("http_settings.accept_http10") is True
    assert spec.unit_value("per_connection_buffer_limit_bytes", 80) == 9
    assert spec.unit_value("per_connection_buffer_limit_bytes") is None
