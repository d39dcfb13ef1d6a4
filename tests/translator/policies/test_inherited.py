"""What Envoy's routes inherit of policies is written once, above them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import pytest

from bench.world import GATEWAY, NAMESPACE, Raw, edit, gateway, manifest, route, world
from headgate_proto.envoy.config.route.v3.route_components_pb2 import Route, VirtualHost
from headgate_proto.envoy.config.route.v3.route_pb2 import RouteConfiguration
from translator.envoy.hooks import RouteConfigurationHook, RouteHook, VirtualHostHook
from translator.extension import Extension, FilterOutcome, PolicyContext, PolicyUnit
from translator.extensions import EXTENSIONS
from translator.inputs import Edit, Settings
from translator.ir.http import RouteMatch, RuleSetting
from translator.ir.listener import ListenerContext, ListenerSetting
from translator.kinds import PolicyKind
from translator.objects.gateway_api.policy import Policy, PolicySpec
from translator.objects.schema.base import Fields
from translator.outcome import Outcome
from translator.policies.targets import shard
from translator.refs import Ref
from translator.registry import registry
from translator.translator import Translator
from xds import ROUTE, Reference

WEB = Ref("Gateway", NAMESPACE, GATEWAY)
TABLE = Reference(ROUTE, "port-10080")
ROUTES, HOSTS = 1_000, 100


class Note(Fields):
    """What responses are to say."""

    text: str | None = None


class NotePolicySpec(PolicySpec):
    """A unit that routes inherit, and one that each has to say."""

    note: Note | None = None
    sign: Note | None = None


class NotePolicy(Policy):
    """Somebody's kind of policy."""

    kind = "NotePolicy"
    group = "notes.example.com"
    versions = ("v1",)
    plural = "notepolicies"
    spec: NotePolicySpec


@dataclass(frozen=True, slots=True)
class Noted(RuleSetting, RouteHook):
    """A header of the responses of one route."""

    text: str

    def apply_to_route(self, route: Route, origin: ListenerContext, match: RouteMatch) -> None:
        """Write the header."""
        _write(route, self.text)


@dataclass(frozen=True, slots=True)
class Signed(Noted):
    """The setting of the unit that each route has to say."""


@dataclass(frozen=True, slots=True)
class NotedByAll(ListenerSetting, RouteConfigurationHook, VirtualHostHook):
    """A header of the responses of all routes."""

    answers_preflights: ClassVar[bool] = True
    text: str

    def apply_to_route_configuration(self, configuration: RouteConfiguration) -> None:
        """Write the header."""
        _write(configuration, self.text)

    def apply_to_virtual_host(self, host: VirtualHost) -> None:
        """Write the header."""
        _write(host, self.text)


def _write(message: Route | RouteConfiguration | VirtualHost, text: str) -> None:
    option = message.response_headers_to_add.add()
    option.header.key, option.header.value = "x-note", text


def _read(context: PolicyContext) -> FilterOutcome:
    found = context.effective.value
    assert isinstance(found, Note)
    return Outcome((Noted(found.text or ""),))


def _signed(context: PolicyContext) -> FilterOutcome:
    found = context.effective.value
    assert isinstance(found, Note)
    return Outcome((Signed(found.text or ""),))


def _inherit(settings: tuple[RuleSetting, ...]) -> tuple[ListenerSetting, ...]:
    return tuple(NotedByAll(each.text) for each in settings if isinstance(each, Noted))


NOTES = Extension(
    "notes",
    policies=(PolicyKind(NotePolicy),),
    units=(
        PolicyUnit(NotePolicy, "note", _read, Noted, inherit=_inherit),
        PolicyUnit(NotePolicy, "sign", _signed, Signed),
    ),
)
WITH_NOTES = registry((*EXTENSIONS, NOTES))


def policy(name: str, kind: str, target: str, section: str = "", **units: Mapping[str, str]) -> Edit:
    """Return the edit that makes a policy."""
    reference = {"group": "gateway.networking.k8s.io", "kind": kind, "name": target}
    spec = {"targetRefs": [reference | ({"sectionName": section} if section else {})], **units}
    parsed = WITH_NOTES.kinds.parse(manifest("notes.example.com/v1", "NotePolicy", name, spec=spec))
    assert parsed.object is not None, parsed.problems
    return Edit(parsed.object.ref, parsed.object)


def on_gateway(text: str) -> Edit:
    """Return a policy of the Gateway."""
    return policy("wide", "Gateway", GATEWAY, note={"text": text})


def on_route(number: int, text: str = "") -> Edit:
    """Return a policy of a route."""
    name, target = f"near-{number}", f"route-{number}"
    return policy(name, "HTTPRoute", target, note={"text": text}) if text else policy(name, "HTTPRoute", target)


def listeners(*hostnames: str) -> Raw:
    """Return the Gateway with listeners of one port."""
    made = gateway()
    made["spec"]["listeners"] = [
        {"name": each or "any", "port": 10080, "protocol": "HTTP", **({"hostname": f"*.{each}.com"} if each else {})}
        for each in hostnames
    ]
    return made


@pytest.fixture
def large() -> Translator:
    """Return a Gateway with 1,000 routes over 100 hosts, of which one has a policy of its own."""
    made = Translator(Settings(offline=True), registry=WITH_NOTES)
    made.edit((*world(ROUTES, HOSTS, 10), on_route(2, "near")))
    assert made.evaluate().failures == []
    return made


def table(translator: Translator) -> RouteConfiguration:
    """Return the route table."""
    resource = translator.snapshots[WEB].get(TABLE)
    assert resource is not None
    return RouteConfiguration.FromString(resource.body)


def notes(message: Route | RouteConfiguration | VirtualHost) -> list[str]:
    """Return the notes of a message."""
    return [each.header.value for each in message.response_headers_to_add if each.header.key == "x-note"]


def by_route(translator: Translator) -> dict[str, list[str]]:
    """Return the notes that routes themselves have, by path."""
    found = {
        each.match.path_separated_prefix: notes(each)
        for host in table(translator).virtual_hosts
        for each in host.routes
        if each.match.path_separated_prefix
    }
    return {path: texts for path, texts in found.items() if texts}


def cost(translator: Translator, *edits: Edit) -> dict[str, int]:
    """Make edits, and count how often queries run that thousands of routes or hosts have."""
    before = dict(translator.executions)
    translator.edit(edits)
    assert translator.evaluate().failures == []
    ran = {name: count - before.get(name, 0) for name, count in translator.executions.items()}
    return {name: ran.get(name, 0) for name in ("table_resource", "encoded_host", "route_entries", "rules")}


def test_what_a_policy_of_a_gateway_costs(large: Translator) -> None:
    """Its first has each virtual host made again, for preflights; after that only the table's head. Never a route."""
    first = cost(large, on_gateway("one"))
    assert first == {"table_resource": 1, "encoded_host": HOSTS, "route_entries": 1, "rules": 0}
    assert (notes(table(large)), by_route(large)) == (["one"], {"/route-2": ["near"]})
    # route-2 says by itself what it inherits, merged with its own.
    assert cost(large, on_gateway("two")) == {"table_resource": 1, "encoded_host": 0, "route_entries": 0, "rules": 0}
    assert (notes(table(large)), by_route(large)) == (["two"], {"/route-2": ["near"]})
    gone = cost(large, on_gateway("two")._replace(object=None))
    assert gone == {"table_resource": 1, "encoded_host": HOSTS, "route_entries": 1, "rules": 0}
    assert not table(large).most_specific_header_mutations_wins


def ref(number: int) -> Ref:
    """Return the name of a route."""
    return Ref("HTTPRoute", NAMESPACE, f"route-{number}")


def test_what_a_policy_of_a_route_costs(large: Translator) -> None:
    """A policy of a route has that route made again, its host and the table; the first, hosts of its shard too."""
    large.edit([on_gateway("wide")])
    large.evaluate()
    alike = [number for number in range(ROUTES) if shard(ref(number)) == shard(ref(7))]
    assert 1 < len(alike) < ROUTES / 50
    first = cost(large, on_route(alike[-1], "other"))
    assert first == {"table_resource": 1, "encoded_host": 1, "route_entries": 1, "rules": 0}
    for policy_ in (on_route(7, "new"), on_route(7, "newer"), on_route(7, "newer")._replace(object=None)):
        assert cost(large, policy_) == {"table_resource": 1, "encoded_host": 1, "route_entries": 1, "rules": 0}
        assert notes(table(large)) == ["wide"]
    assert by_route(large) == {"/route-2": ["near"], f"/route-{alike[-1]}": ["other"]}


def test_a_route_inherits_what_its_own_policies_do_not_set(large: Translator) -> None:
    """A policy of a route that says nothing of a unit leaves it to the table."""
    large.edit([on_gateway("wide"), on_route(7)])
    assert large.evaluate().failures == []
    assert (notes(table(large)), by_route(large)) == (["wide"], {"/route-2": ["near"]})


def test_what_cannot_be_inherited_is_said_by_each_route(large: Translator) -> None:
    """Of a policy with both, routes say the one unit, and inherit the other."""
    both = policy("wide", "Gateway", GATEWAY, note={"text": "wide"}, sign={"text": "signed"})
    assert cost(large, both)["route_entries"] == ROUTES
    assert notes(table(large)) == ["wide"]
    assert by_route(large) == {f"/route-{each}": ["signed"] for each in range(ROUTES)} | {
        "/route-2": ["near", "signed"]
    }


def test_listeners_that_differ_say_it_by_virtual_host() -> None:
    """The head of a table has what all its listeners have; what is different stands in their virtual hosts."""
    translator = Translator(Settings(offline=True), registry=WITH_NOTES)
    translator.edit(world(4, 4, 5))
    some = [route(number, 4, 5) for number in range(2)]
    for name, each in zip(("a", "b"), some, strict=True):
        each["spec"]["hostnames"] = [f"x.{name}.com"]
    translator.edit([edit(listeners("a", "b")), *map(edit, some), on_gateway("both")])
    assert translator.evaluate().failures == []
    hosts = {each.domains[0]: notes(each) for each in table(translator).virtual_hosts}
    assert (notes(table(translator)), any(hosts.values())) == (["both"], False)
    translator.edit([policy("of-b", "Gateway", GATEWAY, "b", note={"text": "b"})])
    assert translator.evaluate().failures == []
    hosts = {each.domains[0]: notes(each) for each in table(translator).virtual_hosts}
    assert (notes(table(translator)), hosts["x.a.com"], hosts["x.b.com"]) == ([], ["both"], ["b"])
    assert table(translator).most_specific_header_mutations_wins
    translator.edit([policy("of-b", "Gateway", GATEWAY, "b", note={"text": "both"})])
    assert translator.evaluate().failures == []
    assert (notes(table(translator)), any(map(notes, table(translator).virtual_hosts))) == (["both"], False)


def test_the_preflights_of_all_have_one_route(large: Translator) -> None:
    """The first route of each virtual host takes all preflights; where nothing is served there is none."""
    large.edit([on_gateway("wide")])
    large.evaluate()
    served = [each for each in table(large).virtual_hosts if each.domains[0] != "*"]
    assert len(served) == HOSTS == len(table(large).virtual_hosts) - 1
    for host in served:
        assert (host.routes[0].match.prefix, host.routes[0].direct_response.status) == ("/", 200)
        headers = [each.name for each in host.routes[0].match.headers]
        assert headers == [":method", "origin", "access-control-request-method"]
        assert len(host.routes) == 1 + ROUTES // HOSTS
