"""NACKs affect the routes that the rejected resource was made from, and no others."""

from __future__ import annotations

import pytest

from bench.world import edit, removal, route, world
from headgate_proto.envoy.config.route.v3 import route_components_pb2
from translator.envoy.hooks import RouteHook
from translator.extension import Extension, FilterContext, FilterReader
from translator.extensions import EXTENSIONS
from translator.inputs import AffectedRoute, GatewaySyncStatus, Settings, StillServed
from translator.ir.http import RouteMatch, RuleSetting
from translator.ir.listener import ListenerContext
from translator.outcome import Outcome
from translator.refs import Ref
from translator.registry import registry
from translator.resources import routes as resources
from translator.status.nacks import MOST_ROUTES, attribute_nacks
from translator.translator import Translator
from xds.protocol.client_state import ClientResource, Uncertain, VersionOnly
from xds.protocol.nacks import Nack, NackState
from xds.resources.resource import Reference, Resource
from xds.resources.snapshot import Snapshot
from xds.resources.types import CLUSTER, ENDPOINT, LISTENER, ROUTE

GATEWAY, TABLE = Ref("Gateway", "shop", "web"), Reference(ROUTE, "port-10080")
HOSTS, SERVICES = 4, 5


def ref(number: int) -> Ref:
    """Return the name of a route."""
    return Ref("HTTPRoute", "shop", f"route-{number}")


@pytest.fixture
def translator() -> Translator:
    """Twenty routes over four hosts to five Services."""
    made = Translator(Settings(offline=True))
    made.edit(world(20, HOSTS, SERVICES))
    assert made.evaluate().failures == []
    return made


def refused(
    snapshot: Snapshot, kept: ClientResource, message: str = "no", reference: Reference = TABLE
) -> tuple[AffectedRoute, ...]:
    """Return the routes that it concerns that a resource is refused."""
    (found,) = attribute_nacks(snapshot, [NackState(Nack(*reference, message), kept)])
    return found.routes


def after(translator: Translator, *numbers: int, path: str = "/elsewhere") -> Snapshot:
    """Return the snapshot after these routes were changed, or added."""
    raws = [route(each, HOSTS, SERVICES, path=f"{path}/{each}") for each in numbers]
    for each in raws:
        each["metadata"]["generation"] = 2
    translator.edit(map(edit, raws))
    translator.evaluate()
    return translator.snapshots[GATEWAY]


def test_what_changed_is_to_blame(translator: Translator) -> None:
    """Of a table that was there before, the routes in which there is something new are concerned, with their rules."""
    before = translator.snapshots[GATEWAY].get(TABLE)
    now = after(translator, 7, 20)
    assert refused(now, before) == (
        AffectedRoute(ref(20), ("0",), StillServed.NOTHING),
        AffectedRoute(ref(7), ("0",), StillServed.PREVIOUS_VERSION),
    )
    assert refused(now, Uncertain(before, ())) == refused(now, before)


def test_the_generation_that_serves_is_told(translator: Translator) -> None:
    """Where the version before serves, its generation is known."""
    before = after(translator, 7, path="/second").get(TABLE)
    (found,) = refused(after(translator, 7, path="/third"), before)
    assert found == AffectedRoute(ref(7), ("0",), StillServed.PREVIOUS_VERSION, 2)


def test_a_removal_is_nobody_s_fault_but_that_of_its_host(translator: Translator) -> None:
    """If nothing is new in the table, the routes are concerned whose virtual host is another now."""
    before = translator.snapshots[GATEWAY].get(TABLE)
    translator.edit([removal(route(7, HOSTS, SERVICES))])
    translator.evaluate()
    found = refused(translator.snapshots[GATEWAY], before)
    assert [each.route for each in found] == sorted(ref(number) for number in (3, 11, 15, 19))


def test_what_the_proxy_quotes_tells_which_of_them(translator: Translator) -> None:
    """Of several routes those are to blame that hold what the proxy quotes; a quote that is in all tells nothing."""
    before = translator.snapshots[GATEWAY].get(TABLE)
    now = after(translator, 7, 8, 9)
    assert [each.route for each in refused(now, before, "bad '/elsewhere/8' here")] == [ref(8)]
    assert [each.route for each in refused(now, before, 'bad "/elsewhere" here')] == [ref(7), ref(8), ref(9)]
    assert [each.route for each in refused(now, before, "bad 'nothing' here")] == [ref(7), ref(8), ref(9)]


def test_of_a_client_that_holds_nothing_all_is_new(translator: Translator) -> None:
    """A new proxy that refuses its first table serves nothing of any route in it."""
    found = refused(translator.snapshots[GATEWAY], None)
    assert found == tuple(sorted(AffectedRoute(ref(number), ("0",), StillServed.NOTHING) for number in range(20)))


def test_of_a_client_from_before_only_a_quote_tells(translator: Translator) -> None:
    """What a proxy holds from an earlier life of the server is not known: then nobody is blamed without a hint."""
    now = translator.snapshots[GATEWAY]
    assert refused(now, VersionOnly("v")) == ()
    assert refused(now, VersionOnly("v"), "bad '/route-13'") == (
        AffectedRoute(ref(13), ("0",), StillServed.PREVIOUS_VERSION),
    )


def test_what_is_new_to_all_who_refuse_it_is_to_blame(translator: Translator) -> None:
    """A new proxy that refuses all it is sent does not put the blame on routes that others were glad to take."""
    one = translator.snapshots[GATEWAY].get(TABLE)
    two = after(translator, 7).get(TABLE)
    now = after(translator, 8)
    kept: list[ClientResource] = [None, one, two, VersionOnly("v")]
    found = attribute_nacks(now, [NackState(Nack(*TABLE, "no"), each) for each in kept])
    assert [each.routes for each in found] == [
        (AffectedRoute(ref(8), ("0",), StillServed.NOTHING),),
        (AffectedRoute(ref(8), ("0",), StillServed.PREVIOUS_VERSION),),
    ]


def test_too_many_are_not_blamed(translator: Translator) -> None:
    """Where any of very many routes may be to blame, none is."""
    translator.edit(world(MOST_ROUTES + 1, HOSTS, SERVICES))
    translator.evaluate()
    assert refused(translator.snapshots[GATEWAY], None) == ()


@pytest.mark.parametrize("type_url", [CLUSTER, ENDPOINT])
def test_a_backend_concerns_those_who_use_it(translator: Translator, type_url: str) -> None:
    """A refused cluster concerns the routes that send requests to it; one with other rules still serves those."""
    both = route(8, HOSTS, SERVICES)
    both["spec"]["rules"].append(
        {**both["spec"]["rules"][0], "name": "more", "backendRefs": [{"name": "service-4", "port": 80}]}
    )
    translator.edit([edit(both)])
    translator.evaluate()
    now = translator.snapshots[GATEWAY]
    (name,) = (each for each in now.resources(CLUSTER) if each.startswith("shop/service-3:80/"))
    assert refused(now, None, reference=Reference(type_url, name)) == tuple(
        sorted(
            [
                *(AffectedRoute(ref(number), ("0",), StillServed.NOTHING) for number in (3, 13, 18)),
                AffectedRoute(ref(8), ("0",), StillServed.OTHER_RULES),
            ]
        )
    )
    kept = refused(now, VersionOnly("v"), reference=Reference(type_url, name))
    assert {each.served for each in kept} == {StillServed.PREVIOUS_VERSION}


def test_a_listener_concerns_no_route(translator: Translator) -> None:
    """That a listener is refused shows at the Gateway's listeners; what is not in the snapshot concerns nobody."""
    now = translator.snapshots[GATEWAY]
    assert refused(now, None, reference=Reference(LISTENER, "port-10080")) == ()
    assert refused(now, None, reference=Reference(ROUTE, "gone")) == ()
    assert refused(now, None, reference=Reference(CLUSTER, "gone")) == ()


class Unfit(RuleSetting, RouteHook):
    """Writes what Envoy's validation rules forbid."""

    def apply_to_route(self, route: route_components_pb2.Route, origin: ListenerContext, match: RouteMatch) -> None:
        """Break a rule of the protocol's."""
        if match.path == "/unfit":
            route.direct_response.status = 1


def _read(site: FilterContext) -> Outcome[tuple[RuleSetting, ...] | None]:
    return Outcome((Unfit(),))


def conditions(translator: Translator, number: int) -> dict[str, tuple[str, str]]:
    """Status and message of a route's conditions."""
    (parent,) = translator.statuses[ref(number)]["parents"]
    return {each["type"]: (each["status"], each["message"]) for each in parent["conditions"]}


def test_what_breaks_envoy_s_rules_is_told_alike() -> None:
    """A rule that would be refused is never sent: the route is PartiallyInvalid, or not accepted if it has no other."""
    extension = Extension("unfit", filters=(FilterReader(_read),))
    translator = Translator(Settings(offline=True), registry=registry((*EXTENSIONS, extension)))
    translator.edit(world(3, HOSTS, SERVICES))
    some = route(1, HOSTS, SERVICES)
    some["spec"]["rules"].append({**some["spec"]["rules"][0], "matches": [{"path": {"value": "/unfit"}}]})
    translator.edit([edit(some), edit(route(2, HOSTS, SERVICES, path="/unfit"))])
    assert translator.evaluate().failures == []
    status, message = conditions(translator, 1)["PartiallyInvalid"]
    assert status == "True"
    assert message.startswith("Dropped Rule: spec.rules[1].matches[0]: Envoy does not take ")
    assert message.endswith("; its requests are answered with 500.")
    assert conditions(translator, 2)["Accepted"][0] == "False"
    assert "PartiallyInvalid" not in conditions(translator, 2)
    (listener,) = translator.statuses[GATEWAY]["listeners"]
    assert listener["attachedRoutes"] == 2
    assert routes(translator.snapshots[GATEWAY].get(TABLE)) == {"/route-0": 0, "/route-1": 0, "/unfit": 500}


def test_a_match_that_breaks_envoy_s_rules_is_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where it is the match itself that would be refused there is nothing to answer 500 to: the rest is served."""

    def unfit(message: route_components_pb2.Route) -> list[str]:
        return ["a match like this"] if message.match.path_separated_prefix == "/unfit" else []

    monkeypatch.setattr(resources, "check", unfit)
    translator = Translator(Settings(offline=True))
    translator.edit(world(3, HOSTS, SERVICES))
    translator.edit([edit(route(2, HOSTS, SERVICES, path="/unfit"))])
    assert translator.evaluate().failures == []
    status, message = conditions(translator, 2)["Accepted"]
    assert (status, message) == (
        "False",
        "spec.rules[0].matches[0]: Envoy does not take a match like this; nothing matches it.",
    )
    assert routes(translator.snapshots[GATEWAY].get(TABLE)) == {"/route-0": 0, "/route-1": 0}


def routes(table: Resource | None) -> dict[str, int]:
    """Return the paths of a table and the statuses that they are answered with; 0 for those of backends."""
    assert table is not None
    found: dict[str, int] = {}
    for each in table.origin:  # type: ignore[attr-defined]
        for entry in each:
            made = route_components_pb2.VirtualHost.FromString(entry.body).routes[0]
            found[made.match.path_separated_prefix] = made.direct_response.status
    return found


def test_a_refusal_comes_and_goes(translator: Translator) -> None:
    """A route's status follows what its proxies refuse of it, and is what it was before once they do no more."""
    before = dict(translator.statuses)
    kept = translator.snapshots[GATEWAY].get(TABLE)
    found = attribute_nacks(after(translator, 7), [NackState(Nack(*TABLE, "no"), kept)])
    translator.set_sync_status(GATEWAY, GatewaySyncStatus(1, False, found))
    changes = translator.evaluate()
    assert list(changes.statuses) == [ref(7)]
    assert conditions(translator, 7)["PartiallyInvalid"][0] == "True"
    translator.set_sync_status(GATEWAY, GatewaySyncStatus(1, True))
    translator.edit([edit(route(7, HOSTS, SERVICES))])
    assert list(translator.evaluate().statuses) == [ref(7)]
    assert dict(translator.statuses) == before
