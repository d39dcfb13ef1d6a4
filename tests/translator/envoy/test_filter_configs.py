"""The configurations of HTTP filters for routes are composed of those of all units."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from google.protobuf.any_pb2 import Any as AnyMessage
from google.protobuf.empty_pb2 import Empty
from google.protobuf.message import Message

from headgate_proto.envoy.config.route.v3.route_components_pb2 import FilterConfig as RouteFilterConfig
from headgate_proto.envoy.config.route.v3.route_components_pb2 import Route
from headgate_proto.envoy.extensions.filters.http.buffer.v3.buffer_pb2 import BufferPerRoute
from headgate_proto.envoy.extensions.filters.http.custom_response.v3.custom_response_pb2 import CustomResponse
from headgate_proto.envoy.extensions.filters.http.fault.v3.fault_pb2 import HTTPFault
from headgate_proto.envoy.extensions.filters.http.filter_chain.v3.filter_chain_pb2 import FilterChainConfigPerRoute
from headgate_proto.envoy.extensions.filters.http.rbac.v3.rbac_pb2 import RBACPerRoute
from headgate_proto.envoy.extensions.filters.http.set_metadata.v3.set_metadata_pb2 import Config as SetMetadata
from headgate_proto.envoy.extensions.http.custom_response.local_response_policy.v3 import local_response_policy_pb2
from translator.envoy.filter_configs import FilterConfigs, UnitSettings, compose, difference, write
from translator.envoy.filter_entries import CustomResponse as Response
from translator.envoy.filter_entries import FilterConfig, FilterEntry, Predicate, SlotFilter
from translator.envoy.hooks import FilterHook
from translator.envoy.http_filters import BUFFER, CLOSED, CUSTOM_RESPONSE, EXT_PROC, GUARD, MARK
from translator.ir.http import RuleSetting
from xds import check


@dataclass(frozen=True, slots=True)
class Limit(RuleSetting, FilterHook):
    """A setting that configures one filter."""

    number: int

    def filter_configs(self) -> Iterator[FilterEntry]:
        """Yield the configuration."""
        made = BufferPerRoute()
        made.buffer.max_request_bytes.value = self.number
        yield FilterConfig(BUFFER, made)


@dataclass(frozen=True, slots=True)
class Slotted(RuleSetting, FilterHook):
    """A setting that puts a filter into a slot."""

    name: str
    weight: int = 0

    def filter_configs(self) -> Iterator[FilterEntry]:
        """Yield the filter."""
        yield SlotFilter(EXT_PROC, self.name, HTTPFault(), self.weight)


@dataclass(frozen=True, slots=True)
class Replaced(RuleSetting, FilterHook):
    """A setting that replaces responses."""

    body: str

    def filter_configs(self) -> Iterator[FilterEntry]:
        """Yield the response."""
        policy = local_response_policy_pb2.LocalResponsePolicy()
        policy.body.inline_string = self.body
        predicate = Predicate()
        predicate.single_predicate.input.name = "status"
        predicate.single_predicate.input.typed_config.Pack(HTTPFault())
        predicate.single_predicate.value_match.exact = "503"
        yield Response(predicate, policy)


def composed(units: Iterable[UnitSettings]) -> FilterConfigs:
    """Return the configurations that are composed of those of units."""
    return compose(units).configs


def unpacked(configs: FilterConfigs) -> Mapping[str, Any]:
    """Return configurations by the names of filters."""
    found: dict[str, Any] = {}
    known: dict[str, type[Message]] = {
        BUFFER: BufferPerRoute,
        EXT_PROC: FilterChainConfigPerRoute,
        CUSTOM_RESPONSE: FilterChainConfigPerRoute,
        CLOSED: HTTPFault,
        GUARD: RBACPerRoute,
        MARK: SetMetadata,
    }
    for name, body in configs:
        packed = AnyMessage.FromString(body)
        off = packed.TypeName() == "envoy.config.route.v3.FilterConfig"
        found[name] = made = RouteFilterConfig() if off else known.get(name, Empty)()
        packed.Unpack(made)
    return found


def unit(*settings: RuleSetting, closed: bool = False, error: str = "") -> UnitSettings:
    """Return a unit."""
    return UnitSettings(settings, closed, error)


def test_a_slot_has_the_filters_of_all_units() -> None:
    """Several units put their filters into one slot; the one with the highest weight runs first, then the first."""
    found = unpacked(composed([unit(Slotted("a")), unit(Slotted("b", 5)), unit(Slotted("c"), Limit(3))]))
    assert [each.name for each in found[EXT_PROC].filter_chain.filters] == ["b", "a", "c"]
    assert found[BUFFER].buffer.max_request_bytes.value == 3
    assert found.keys() == {EXT_PROC, BUFFER}


def test_a_slot_takes_the_place_of_a_wider_one() -> None:
    """A filter that only the wider slot has is under its name in the narrower one, and does nothing there."""
    wide = composed([unit(Slotted("a"), Slotted("b"))])
    said = unpacked(difference(composed([unit(Slotted("c"), Slotted("b"))]), wide))
    filters = [
        (each.name, each.typed_config.TypeName().rpartition(".")[2]) for each in said[EXT_PROC].filter_chain.filters
    ]
    assert filters == [("c", "HTTPFault"), ("b", "HTTPFault"), ("a", "Config")]
    off = unpacked(difference((), wide))[EXT_PROC]
    assert off == RouteFilterConfig(disabled=True)


def test_a_closed_unit_answers_before_all_others() -> None:
    """A closed route aborts every request, and its body says why before any other replacement is tried."""
    found = unpacked(composed([unit(Replaced("sorry")), unit(closed=True, error="TrafficPolicy shop/web: no.")]))
    assert found[CLOSED].abort.http_status == 500
    assert (found[CLOSED].abort.percentage.numerator, found[CLOSED].abort.percentage.denominator) == (100, 0)
    bodies = []
    made = CustomResponse()
    assert found[CUSTOM_RESPONSE].filter_chain.filters[0].typed_config.Unpack(made)
    for each in made.custom_response_matcher.matcher_list.matchers:
        policy = local_response_policy_pb2.LocalResponsePolicy()
        each.on_match.action.typed_config.Unpack(policy)
        bodies.append(policy.body.inline_string)
    assert bodies == ["TrafficPolicy shop/web: no.\n", "sorry"]


def test_protection_is_marked_and_guarded() -> None:
    """Routes with the same protection have one mark, whatever else they have; another protection has another."""
    same = [unit(Limit(1), closed=True), unit(Slotted("a"))]
    first, second, other = (dict(composed(each)) for each in (same, same[:1], [unit(Limit(2), closed=True)]))
    assert first[MARK] == second[MARK] != other[MARK]
    assert first[GUARD] == second[GUARD] != other[GUARD]
    assert MARK not in dict(composed([unit(Limit(1))]))


def test_what_cannot_be_built_is_guarded() -> None:
    """A request that is moved to a closed route is refused: the filter that aborts is no part of its chain."""
    closed, other = (dict(composed([unit(closed=True, error=each)])) for each in ("a", "b"))
    assert closed[MARK] != other[MARK]
    assert GUARD in closed


def test_the_guard_stays_in_the_chain() -> None:
    """A route without the protection that it inherits has a guard without rules: switched off, it would miss later."""
    wide = composed([unit(Limit(1), closed=True)])
    said = unpacked(difference((), wide))
    assert said[GUARD] == RBACPerRoute()
    assert said[MARK].disabled
    assert said[BUFFER].disabled


def test_a_route_says_what_differs_from_what_it_inherits() -> None:
    """What is the same is inherited, and what the route must not have is switched off."""
    wide = composed([unit(Limit(1)), unit(Slotted("a"))])
    assert difference(wide, wide) == ()
    found = unpacked(difference(composed([unit(Limit(2))]), wide))
    assert found[BUFFER].buffer.max_request_bytes.value == 2
    assert found[EXT_PROC].disabled
    assert difference(composed([unit(Limit(1))]), ()) == composed([unit(Limit(1))])


def test_what_is_written_is_valid() -> None:
    """Envoy's rules hold for a route with all of it."""
    units = [unit(Limit(1), closed=True), unit(Slotted("a")), unit(Replaced("b")), unit(closed=True, error="no")]
    route = Route(name="a")
    route.match.prefix = "/"
    route.direct_response.status = 200
    write(route.typed_per_filter_config, composed(units))
    assert not check(route)
    assert set(route.typed_per_filter_config) == {BUFFER, EXT_PROC, CUSTOM_RESPONSE, CLOSED, MARK, GUARD}
