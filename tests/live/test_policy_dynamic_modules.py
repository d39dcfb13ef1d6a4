"""Shared libraries by TrafficPolicies, which the operator allows."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.live.objects import Manifest, exact, route, rule, traffic_policy
from tests.live.proxy import Proxy
from tests.live.upstream import Upstream


def libraries(*entries: Manifest, level: str = "route", name: str = "policy") -> Manifest:
    """Return a policy with libraries."""
    return traffic_policy(level, name, dynamicModule=list(entries))


def probe(name: str = "probe", **config: Any) -> Manifest:
    """Return a filter of the library of the tests, with a configuration, which it writes into headers."""
    return {"name": name, "filterName": "mark", "config": config}


def condition(proxy: Proxy, kind: str = "Accepted", name: str = "policy") -> tuple[str, str, str]:
    """Return a condition of a policy: status, reason and message."""
    conditions = proxy.status("TrafficPolicy", name)["ancestors"][0]["conditions"]
    found = next(each for each in conditions if each["type"] == kind)
    return found["status"], found["reason"], found["message"]


@pytest.mark.usefixtures("probe")
@pytest.mark.parametrize("level", ["gateway", "route"])
async def test_a_library_sees_requests_and_responses(permissive: Proxy, level: str) -> None:
    """A filter of a library that is allowed runs with its configuration; a rule replaces it, or switches it off."""
    named = rule("alpha", name="named", matches=[exact("/own")])
    await permissive.apply(libraries(probe(a=1), level=level), route(named, rule("alpha")))
    found = await permissive.request()
    assert [json.loads(each) for each in found.sent("x-dynamic")] == [{"a": 1}]
    assert json.loads(found.headers["x-dynamic"]) == {"a": 1}
    for entry, seen in ((probe(a=2), [{"a": 2}]), ({"name": "probe", "disable": {}}, []), ({"disable": {}}, [])):
        await permissive.apply(libraries(entry, level="rule", name="own"))
        assert [json.loads(each) for each in (await permissive.request("/own")).sent("x-dynamic")] == seen
        assert len((await permissive.request()).sent("x-dynamic")) == 1


@pytest.mark.usefixtures("probe")
async def test_bodies(permissive: Proxy, alpha: Upstream) -> None:
    """Bodies pass a library that does not hold them."""
    await permissive.apply(libraries(probe(a=1)), route(rule("alpha")))
    sent = b"x" * 2_000_000
    assert (await permissive.request(method="POST", body=sent)).status == 200
    assert alpha.seen[-1].body == sent


@pytest.mark.usefixtures("probe")
@pytest.mark.parametrize(
    ("entry", "words"),
    [(probe("absent", a=1), "absent.so"), ({"name": "probe", "filterName": "mark"}, "Failed to")],
)
async def test_a_library_that_the_proxy_refuses(
    permissive: Proxy, alpha: Upstream, entry: Manifest, words: str
) -> None:
    """A library that is not there, or refuses its configuration, lets no request pass; other routes are served."""
    named = rule("alpha", name="named", matches=[exact("/own")])
    good = libraries(probe(a=1), level="gateway", name="wide")
    await permissive.apply(good, route(named, rule("beta")))
    assert len((await permissive.request("/own")).sent("x-dynamic")) == 1
    alpha.reset()
    await permissive.apply(libraries({"disable": {}}, level="rule", name="own"))
    policy = libraries({**entry, "name": entry["name"]}, level="rule", name="own")
    policy["spec"]["inheritance"] = "Replace"
    await permissive.apply(policy, refused=True)
    assert (await permissive.request("/own")).status == 403
    assert alpha.seen == []
    status, reason, message = condition(permissive, "Programmed", "own")
    assert (status, reason) == ("False", "Refused")
    assert words in message
    assert len((await permissive.request("/other")).sent("x-dynamic")) == 1
    await permissive.apply(libraries({"disable": {}}, level="rule", name="own"))
    assert (await permissive.request("/own")).status == 200


async def test_others_are_not_allowed(permissive: Proxy, proxy: Proxy, alpha: Upstream) -> None:
    """A library that the operator does not allow is not loaded: its routes answer 500, and the status says so."""
    for each, known in ((permissive, "allowed are: absent, probe"), (proxy, "none is allowed")):
        await each.apply(libraries(probe("other")), route(rule("alpha")))
        assert (await each.request()).status == 500
        status, reason, message = condition(each)
        assert (status, reason) == ("False", "NotAllowed")
        assert "spec.dynamicModule[other]: is no library of --dynamic-modules" in message
        assert known in message
    assert alpha.seen == []
