"""NACKs of a real Envoy are reported at the routes that caused them, for as long as they last."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest

from tests.live.objects import Manifest, exact, prefix, route, rule
from tests.live.proxy import Proxy
from translator.refs import Ref

LIMIT = "re2.max_program_size.error_level"
BAD, NEW = Ref("HTTPRoute", "default", "bad"), Ref("HTTPRoute", "default", "new")


@pytest.fixture
async def strict(proxy: Proxy) -> AsyncIterator[Proxy]:
    """Yield the proxy, with a lower limit for regular expressions than Headgate's own proxies have."""
    await proxy.admin(f"/runtime_modify?{LIMIT}=100", method="POST")
    yield proxy
    await proxy.admin(f"/runtime_modify?{LIMIT}=", method="POST")


def expression(value: str) -> Manifest:
    """Return a match of the path by a regular expression."""
    return {"path": {"type": "RegularExpression", "value": value}}


def version(generation: int, *rules: Manifest, name: str = "bad", **fields: Any) -> Manifest:
    """Return a route in one of its generations."""
    made = route(*rules, name=name, **fields)
    made["metadata"]["generation"] = generation
    return made


def conditions(proxy: Proxy, name: str) -> dict[str, dict[str, Any]]:
    """Return the conditions of a route by their type."""
    (parent,) = proxy.status("HTTPRoute", name)["parents"]
    return {each["type"]: each for each in parent["conditions"]}


async def test_the_version_before_serves(strict: Proxy) -> None:
    """A route that Envoy refuses says so with its rule and Envoy's words; the one before serves, others are well."""
    good = route(rule("alpha", matches=[prefix("/good")]), name="good")
    await strict.apply(good, version(1, rule("alpha", matches=[exact("/one")])))
    broken = version(
        2, rule("alpha", matches=[exact("/two")]), rule("beta", name="huge", matches=[expression("/[a-z]{200}")])
    )
    await strict.apply(broken, refused=True)
    told = conditions(strict, "bad")
    assert (told["Accepted"]["status"], told["Accepted"]["observedGeneration"]) == ("True", 1)
    partly = told["PartiallyInvalid"]
    assert (partly["status"], partly["reason"], partly["observedGeneration"]) == ("True", "UnsupportedValue", 2)
    assert partly["message"].startswith("Fall Back: ")
    assert "because of rule huge: " in partly["message"]
    assert "RE2 program size of 205 > max program size of 100" in partly["message"]
    assert conditions(strict, "good").keys() == {"Accepted", "ResolvedRefs"}
    assert (await strict.request("/one")).backend == "alpha"
    assert (await strict.request("/good")).backend == "alpha"
    assert (await strict.request("/two")).status == 404
    await strict.apply(version(3, rule("alpha", matches=[exact("/three")])))
    assert conditions(strict, "bad").keys() == {"Accepted", "ResolvedRefs"}
    assert conditions(strict, "bad")["Accepted"]["observedGeneration"] == 3
    assert (await strict.request("/three")).backend == "alpha"


async def test_a_new_route_that_is_refused_is_not_accepted(strict: Proxy) -> None:
    """Of a new route nothing is served: it is not accepted, and not counted; gone, it takes the refusal along."""
    await strict.apply(route(rule("alpha"), name="good"))
    await strict.apply(version(1, rule("beta", matches=[expression("/[a-z]{300}")]), name="new"), refused=True)
    told = conditions(strict, "new")
    assert (told["Accepted"]["status"], told["Accepted"]["reason"]) == ("False", "UnsupportedValue")
    assert "because of rule 0: " in told["Accepted"]["message"]
    assert "program size of 305" in told["Accepted"]["message"]
    assert "PartiallyInvalid" not in told
    gateway = strict.status("Gateway", "live")
    assert gateway["listeners"][0]["attachedRoutes"] == 1
    (programmed,) = (each for each in gateway["conditions"] if each["type"] == "Programmed")
    assert "it comes of HTTPRoute default/new" in programmed["message"]
    assert (await strict.request("/")).backend == "alpha"
    await strict.delete(NEW)
    gateway = strict.status("Gateway", "live")
    assert {each["status"] for each in gateway["conditions"]} == {"True"}


async def test_of_several_new_routes_the_quoted_one_is_told(strict: Proxy) -> None:
    """Where several routes change at once, what Envoy quotes tells which of them it is.

    Their names are of no other test: of a route that the proxy had, the version before would be served.
    """
    await strict.apply(
        route(rule("alpha", matches=[exact("/a")]), name="plain"),
        route(rule("alpha", matches=[expression("/[b-y]{200}")]), name="quoted"),
        refused=True,
    )
    assert conditions(strict, "quoted")["Accepted"]["status"] == "False"
    assert conditions(strict, "plain")["Accepted"]["status"] == "True"
