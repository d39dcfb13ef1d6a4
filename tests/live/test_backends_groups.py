"""Backends of groups: a request that fails at one group is sent to the next."""

from __future__ import annotations

from collections import Counter

import pytest
from aiohttp import web

from tests.live.backends import backend, reference, to_backend
from tests.live.objects import Manifest, endpoints, route, service, traffic_policy
from tests.live.proxy import Proxy, free_port
from tests.live.upstream import Seen, Upstream
from translator.refs import Ref

MANY = 60


def groups(*found: list[Manifest], name: str = "groups") -> Manifest:
    """Return a Backend of groups."""
    return backend(name, priorityGroups=[{"backendRefs": each} for each in found])


def member(name: str, **fields: int) -> Manifest:
    """Return a reference to a Service."""
    return {"name": name, "port": 80, **fields}


async def fail(_: Seen) -> web.StreamResponse:
    """Answer with 503."""
    return web.Response(status=503)


async def test_a_failed_request_goes_to_the_next_group(
    proxy: Proxy, alpha: Upstream, beta: Upstream, gamma: Upstream
) -> None:
    """The first group that serves a request has it: the third host takes over, once for each request that failed."""
    await proxy.apply(to_backend("groups"), groups([member("alpha")], [member("beta")], [member("gamma")]))
    assert (await proxy.request()).backend == "alpha"
    alpha.answer = fail
    assert (await proxy.request()).backend == "beta"
    beta.answer = fail
    assert (await proxy.request()).backend == "gamma"
    assert (len(alpha.seen), len(beta.seen), len(gamma.seen)) == (3, 2, 1)
    gamma.answer = fail
    assert (await proxy.request()).status == 503
    alpha.reset()
    assert (await proxy.request()).backend == "alpha"


async def test_a_group_that_does_not_listen(proxy: Proxy, beta: Upstream) -> None:
    """No request is lost where the first group is down: 0 of 60 failed."""
    await proxy.apply(service("down"), endpoints("down", [free_port()]))
    await proxy.apply(to_backend("groups"), groups([member("down")], [member("beta")]))
    assert Counter([(await proxy.request()).backend for _ in range(MANY)]) == {"beta": MANY}


async def test_members_share_by_weight(proxy: Proxy) -> None:
    """The members of a group get requests by their weights; one with weight 0 gets none."""
    first = [member("alpha", weight=3), member("beta", weight=3), member("gamma", weight=0)]
    await proxy.apply(to_backend("groups"), groups(first))
    found = Counter([(await proxy.request()).backend for _ in range(MANY)])
    assert found.keys() == {"alpha", "beta"}


async def test_beside_another_backend(proxy: Proxy, alpha: Upstream) -> None:
    """A Backend of groups may share a rule's requests with others: only its own are tried elsewhere."""
    await proxy.apply(
        route({"backendRefs": [reference("groups"), member("gamma")]}), groups([member("alpha")], [member("beta")])
    )
    alpha.answer = fail
    found = Counter([(await proxy.request()).backend for _ in range(MANY)])
    assert found.keys() == {"beta", "gamma"}


async def test_retries_of_a_policy_count(proxy: Proxy, alpha: Upstream, beta: Upstream) -> None:
    """What a policy says of retries holds: without any, no other group is tried."""
    policy = traffic_policy("route", retry={"attempts": 0})
    await proxy.apply(to_backend("groups"), groups([member("alpha")], [member("beta")]), policy)
    alpha.answer = fail
    assert (await proxy.request()).status == 503
    assert beta.seen == []
    await proxy.apply(traffic_policy("route", retry={"attempts": 1, "statusCodes": [503]}))
    assert (await proxy.request()).backend == "beta"


@pytest.mark.parametrize("order", [0, 1])
async def test_what_is_missing_is_left_out(proxy: Proxy, alpha: Upstream, order: int) -> None:
    """A member that does not exist is told and left out; without any member requests get 500."""
    found = ([member("lost")], [member("alpha")])
    await proxy.apply(to_backend("groups"), groups(*(found if order else reversed(found))))
    assert (await proxy.request()).backend == "alpha"
    accepted, resolved = proxy.status("Backend", "groups")["conditions"]
    assert (accepted["status"], resolved["status"]) == ("True", "False")
    assert (
        f"spec.priorityGroups[{1 - order}].backendRefs[0]: Service default/lost does not exist" in resolved["message"]
    )
    await proxy.apply(groups([member("lost")]))
    assert (await proxy.request()).status == 500
    assert len(alpha.seen) == 1


async def test_groups_are_not_nested(proxy: Proxy) -> None:
    """Groups that lead to groups, to themselves even, are refused with 500, and no query goes round."""
    await proxy.apply(to_backend("groups"), groups([reference("other")]), groups([reference("groups")], name="other"))
    assert (await proxy.request()).status == 500
    assert "groups are not nested" in proxy.status("Backend", "groups")["conditions"][0]["message"]
    await proxy.apply(groups([reference("groups")]))
    assert (await proxy.request()).status == 500
    await proxy.delete(Ref("Backend", "default", "other"))
