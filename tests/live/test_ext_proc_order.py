"""External processors of several policies and stages: which of them are asked about a request, and in which order."""

from __future__ import annotations

from tests.live.objects import exact, route, rule, traffic_policy
from tests.live.processor import Processor, appending, processed, use
from tests.live.proxy import Proxy

ALL_STAGES = ("Fault", "AuthN", "AuthZ", "RateLimit", "Route")
STAGES = [(stage, predicate) for stage in ALL_STAGES for predicate in ("Before", "During", "After")]


async def test_by_name(proxy: Proxy, one: Processor, two: Processor) -> None:
    """A more specific policy adds processors, replaces those of the same name, or switches one or all of them off."""
    one.decide, two.decide = appending("1"), appending("2")
    named = rule("alpha", name="named", matches=[exact("/own")])
    await proxy.apply(processed("gateway", use()), route(named, rule("alpha")))
    anonymous = {"extensionRef": {"name": "two"}}
    for entries, order in (
        ([use("two")], ["12"]),
        ([anonymous], ["12"]),
        ([{"name": "one", "extensionRef": {"name": "two"}}], ["2"]),
        ([{"name": "one", "disable": {}}], []),
        ([{"name": "one", "disable": {}}, use("two")], ["2"]),
        ([{"disable": {}}], []),
        ([{"disable": {}}, use("two")], ["2"]),
        ([{"name": "two", "disable": {}}], ["1"]),
        ([use("two", filterStage={"weight": 1})], ["21"]),
        ([use("two", filterStage={"weight": -1})], ["12"]),
    ):
        await proxy.apply(processed("rule", *entries, name="own"))
        assert (await proxy.request("/own")).sent("x-order") == order, entries
        assert (await proxy.request("/other")).sent("x-order") == ["1"]


async def test_stages(proxy: Proxy, one: Processor, two: Processor) -> None:
    """Processors are asked in the order of their stages, whatever the order in the list is."""
    one.decide, two.decide = appending("1"), appending("2")
    for place, (stage, predicate) in enumerate(STAGES[1:], start=1):
        earlier = STAGES[place - 1]
        first = use(filterStage={"stage": earlier[0], "predicate": earlier[1], "weight": 1})
        second = use("two", filterStage={"stage": stage, "predicate": predicate})
        await proxy.apply(processed("gateway", second, first), route(rule("alpha")))
        assert (await proxy.request()).sent("x-order") == ["12"], (earlier, stage, predicate)


async def test_stages_among_other_filters(proxy: Proxy, one: Processor) -> None:
    """A processor before faults is asked about requests that a fault ends; by default it is not."""
    fault = {"abort": {"httpStatus": 418}}
    for stage, asked in (({"stage": "Fault", "predicate": "Before"}, True), ({}, False)):
        one.reset()
        policy = traffic_policy("gateway", faultInjection=fault, extProc=[use(filterStage=stage)])
        await proxy.apply(policy, route(rule("alpha")))
        assert (await proxy.request()).status == 418
        assert ("request_headers" in one.phases) == asked
