"""What the statuses of policies for listeners and backends say: what proxies refuse, and what has no effect."""

from __future__ import annotations

from typing import Any

import pytest

from bench.world import Raw, edit, manifest
from translator.inputs import AttributedNack, GatewaySyncStatus, Settings
from translator.refs import Ref
from translator.translator import Translator
from xds import CLUSTER, LISTENER, Nack

API, OURS = "gateway.networking.k8s.io", "gateway.headgate.dev"
WEB = Ref("Gateway", "shop", "web")
TO_BACKENDS = [{"group": OURS, "kind": "Backend", "name": name} for name in ("named", "addresses", "proxy")]


def listener_policy(name: str, default: Raw, **target: str) -> Raw:
    """Return a ListenerPolicy for the Gateway, or for one of its listeners."""
    spec = {"targetRefs": [{"group": API, "kind": "Gateway", "name": "web", **target}], "default": default}
    return manifest(f"{OURS}/v1alpha1", "ListenerPolicy", name, "shop", spec=spec)


def backend(name: str, **spec: Any) -> Raw:
    """Return a Backend."""
    return manifest(f"{OURS}/v1alpha1", "Backend", name, "shop", spec=spec)


def backend_policy(name: str, *targets: str, **spec: Any) -> Raw:
    """Return a BackendConfigPolicy for Backends."""
    refs = [{"group": OURS, "kind": "Backend", "name": each} for each in targets]
    return manifest(f"{OURS}/v1alpha1", "BackendConfigPolicy", name, "shop", spec={"targetRefs": refs, **spec})


def serving(*policies: Raw, settings: Settings | None = None) -> Translator:
    """Return a translator with a Gateway of three ports, three Backends behind it, and policies."""
    listeners: list[Raw] = [
        {"name": "one", "port": 8080, "protocol": "HTTP"},
        {"name": "two", "port": 9090, "protocol": "HTTP"},
        {"name": "tls", "port": 8443, "protocol": "HTTPS", "tls": {"certificateRefs": [{"name": "missing"}]}},
    ]
    rules = [{"backendRefs": TO_BACKENDS}]
    translator = Translator(settings or Settings())
    objects = (
        manifest(f"{API}/v1", "Gateway", "web", "shop", spec={"gatewayClassName": "headgate", "listeners": listeners}),
        manifest(f"{API}/v1", "HTTPRoute", "route", "shop", spec={"parentRefs": [{"name": "web"}], "rules": rules}),
        backend("named", static={"hosts": [{"host": "a.example.com", "port": 80}]}),
        backend("addresses", static={"hosts": [{"host": "192.0.2.1", "port": 80}]}),
        backend("proxy", dynamicForwardProxy={}),
    )
    translator.edit(edit(each) for each in (*objects, *policies))
    assert translator.evaluate().failures == []
    return translator


def conditions(translator: Translator, kind: str, name: str) -> dict[str, tuple[str, str, str]]:
    """Return the conditions of a policy at the Gateway."""
    (ancestor,) = translator.statuses[Ref(kind, "shop", name)]["ancestors"]
    return {each["type"]: (each["status"], each["reason"], each["message"]) for each in ancestor["conditions"]}


def refuse(translator: Translator, *nacks: Nack) -> None:
    """Have the proxies of the Gateway refuse resources."""
    found = tuple(AttributedNack(each) for each in nacks)
    translator.set_sync_status(WEB, GatewaySyncStatus(clients=1, all_acked=True, nacks=found))
    assert translator.evaluate().failures == []


def test_policies_of_a_port_that_proxies_refuse() -> None:
    """What sets something at a listener that a proxy refuses says so in Envoy's words; what is for others does not."""
    default: Raw = {"maxAcceptPerSocketEvent": 3}
    both, second = listener_policy("both", default), listener_policy("second", default, sectionName="two")
    translator = serving(both, second)
    refuse(translator, Nack(LISTENER, "port-8080", "no such thing"))
    text = "A proxy of Gateway shop/web refuses port-8080: no such thing"
    assert conditions(translator, "ListenerPolicy", "both")["Programmed"] == ("False", "Refused", text)
    assert conditions(translator, "ListenerPolicy", "second")["Programmed"][:2] == ("True", "Programmed")


def test_a_file_that_proxies_lack() -> None:
    """A database of addresses that is not there for the proxies is named, at the Gateway too, and the way out."""
    geo = {"httpSettings": {"geoIP": {"maxMind": {"cityDb": "/geo/city.mmdb"}, "headers": {"country": "x-country"}}}}
    translator = serving(listener_policy("geo", geo))
    said = "Unable to open Maxmind database file /geo/city.mmdb. Error Error opening the specified MaxMind DB file"
    refuse(translator, Nack(LISTENER, "port-8080", said))
    gateway = next(each for each in translator.statuses[WEB]["conditions"] if each["type"] == "Programmed")
    for message in (conditions(translator, "ListenerPolicy", "geo")["Programmed"][2], gateway["message"]):
        assert message.startswith("The file of httpSettings.geoIP is not there for the proxies, or not readable")
        assert said in message


def test_policies_of_a_backend_that_proxies_refuse() -> None:
    """The policy of a backend whose cluster a proxy refuses says so; those of other backends do not."""
    translator = serving(
        backend_policy("named", "named", connectTimeout="3s"), backend_policy("addresses", "addresses")
    )
    (cluster,) = (each for each in translator.snapshots[WEB].resources(CLUSTER) if "/named/" in f"{each}/")
    refuse(translator, Nack(CLUSTER, cluster, "no such thing"))
    text = f"A proxy of Gateway shop/web refuses {cluster}: no such thing"
    assert conditions(translator, "BackendConfigPolicy", "named")["Programmed"] == ("False", "Refused", text)
    assert conditions(translator, "BackendConfigPolicy", "addresses")["Programmed"][:2] == ("True", "Programmed")


@pytest.mark.parametrize(
    ("target", "fields"),
    [
        ("named", {"healthCheck": {"http": {"path": "/"}}}),
        ("proxy", {"healthCheck": {"http": {"path": "/"}}, "loadBalancer": {"random": {}}}),
        ("addresses", {}),
    ],
)
def test_fields_without_effect_at_a_backend(target: str, fields: Raw) -> None:
    """Health checks of guarded names, and what is of endpoints at a forward proxy, are told with the way out."""
    every: Raw = {"healthCheck": {"http": {"path": "/"}}, "loadBalancer": {"random": {}}, "connectTimeout": "3s"}
    translator = serving(backend_policy("policy", target, **every))
    found = conditions(translator, "BackendConfigPolicy", "policy")
    assert found["Accepted"][0] == found["Attached"][0] == "True"
    note = found.get(f"{OURS}/NoEffect", ("", "", ""))[2]
    told = {each for each in every if f"spec.{each} has no effect at Backend shop/{target}: " in note}
    assert told == fields.keys()
    assert not note or note.endswith(".")


def test_guarded_names_are_asked_where_all_hosts_may_be() -> None:
    """With `--local-backends` nothing is told: the hosts are asked."""
    policy = backend_policy("policy", "named", healthCheck={"http": {"path": "/"}})
    translator = serving(policy, settings=Settings(local_backends=True))
    assert f"{OURS}/NoEffect" not in conditions(translator, "BackendConfigPolicy", "policy")


def test_sentences_about_merged_values_end() -> None:
    """What is wrong with a value that several policies make ends with a full stop, and then they are told."""
    lower = listener_policy("lower", {"tls": {"maxVersion": "1.2"}}, sectionName="tls")
    translator = serving(listener_policy("upper", {"tls": {"minVersion": "1.3"}}), lower)
    message = conditions(translator, "ListenerPolicy", "lower")["Accepted"][2]
    assert "raise it, or lower minVersion. It is merged with ListenerPolicy shop/upper." in message
