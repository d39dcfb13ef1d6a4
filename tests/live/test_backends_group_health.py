"""Backends of groups of which some have no usable endpoint: they are passed over, and requests that fail go on."""

from __future__ import annotations

import asyncio
from collections import Counter

import pytest
from aiohttp import web

from tests.live.backends import reference, to_backend
from tests.live.objects import Manifest, backend_config_policy, endpoints, service
from tests.live.objects import route as http_route
from tests.live.proxy import WITHIN, Proxy, free_port
from tests.live.test_backends_groups import MANY, fail, groups, member
from tests.live.traffic import traffic
from tests.live.upstream import Seen, Upstream
from translator.refs import Ref

SOON = {"interval": "1s", "timeout": "500ms", "unhealthyThreshold": 1, "healthyThreshold": 1, "initialJitter": "1ms"}
CHECK = {**SOON, "http": {"path": "/health"}}


async def answers(proxy: Proxy, count: int = MANY) -> Counter[str]:
    """Return how often each upstream or status answers."""
    found = [await proxy.request() for _ in range(count)]
    return Counter(each.backend if each.status == 200 else str(each.status) for each in found)


async def until(proxy: Proxy, *names: str) -> None:
    """Wait until only these have answered several requests in a row."""
    async with asyncio.timeout(WITHIN):
        while (await answers(proxy, 10)).keys() != {*names}:
            pass


async def unhealthy(seen: Seen) -> web.StreamResponse | None:
    """Answer checks with 503, and requests with the echo."""
    return web.Response(status=503) if seen.path == "/health" else None


async def test_a_group_without_endpoints_is_passed_over(proxy: Proxy, alpha: Upstream, beta: Upstream) -> None:
    """Requests go to the next group at once; those that fail there go on to the third, and none twice to the second."""
    await proxy.apply(service("none"))
    await proxy.apply(to_backend("groups"), groups([member("none")], [member("alpha")], [member("beta")]))
    assert await answers(proxy) == {"alpha": MANY}
    alpha.answer = fail
    alpha.seen.clear()
    assert await answers(proxy, 10) == {"beta": 10}
    assert (len(alpha.seen), len(beta.seen)) == (10, 10)
    await proxy.apply(endpoints("none", [beta.port]))
    alpha.reset()
    assert await answers(proxy, 10) == {"beta": 10}


async def test_without_any_endpoint(proxy: Proxy) -> None:
    """Where no group has an endpoint the response is 503."""
    await proxy.apply(service("none"), to_backend("groups"), groups([member("none")], [member("none")]))
    assert await answers(proxy, 3) == {"503": 3}


@pytest.mark.parametrize("panic", [None, 0])
async def test_a_group_whose_endpoints_are_all_unhealthy(proxy: Proxy, alpha: Upstream, panic: int | None) -> None:
    """It is passed over, whatever the panic threshold, until its checks succeed again; a request that fails goes on."""
    balancer: Manifest = {} if panic is None else {"loadBalancer": {"healthyPanicThreshold": panic}}
    alpha.answer = unhealthy
    await proxy.apply(
        to_backend("groups"),
        groups([member("alpha")], [member("beta")]),
        backend_config_policy("alpha", healthCheck=CHECK, **balancer),
    )
    await until(proxy, "beta")
    assert await answers(proxy) == {"beta": MANY}
    alpha.answer = None
    await until(proxy, "alpha")
    assert await answers(proxy) == {"alpha": MANY}


async def test_endpoints_that_are_ejected(proxy: Proxy, alpha: Upstream) -> None:
    """Requests that fail go to the next group one by one, then all at once, since the first group is ejected."""
    detection = {"consecutive5xx": 3, "interval": "100ms", "baseEjectionTime": "1h", "maxEjectionPercent": 100}
    await proxy.apply(
        to_backend("groups"),
        groups([member("alpha")], [member("beta")]),
        backend_config_policy("alpha", outlierDetection=detection, loadBalancer={"healthyPanicThreshold": 0}),
    )
    alpha.answer = fail
    assert await answers(proxy) == {"beta": MANY}
    assert 3 <= len(alpha.seen) < MANY


async def test_all_groups_unhealthy(proxy: Proxy, alpha: Upstream, beta: Upstream) -> None:
    """Where no group has a healthy endpoint, requests go to those that there are, as without groups."""
    alpha.answer = beta.answer = unhealthy
    await proxy.apply(
        to_backend("groups"),
        groups([member("alpha")], [member("beta")]),
        backend_config_policy("alpha", "beta", healthCheck=CHECK),
    )
    await until(proxy, "alpha", "beta")


async def test_members_that_are_passed_over(proxy: Proxy) -> None:
    """A group's other members have the requests of one without endpoints; the next group shares by its weights."""
    await proxy.apply(service("none"), service("other"))
    both = [member("beta", weight=3), member("gamma", weight=1)]
    await proxy.apply(to_backend("groups"), groups([member("none", weight=9), member("alpha")], both))
    assert await answers(proxy) == {"alpha": MANY}
    await proxy.apply(groups([member("none", weight=9), member("other")], both))
    found = await answers(proxy, 200)
    assert found.keys() == {"beta", "gamma"}
    assert found["beta"] > 1.5 * found["gamma"]


async def test_nobody_listens_in_the_group_that_stands_in(proxy: Proxy) -> None:
    """A group without endpoints, then one that refuses connections: the third serves each request."""
    await proxy.apply(service("none"), service("down"), endpoints("down", [free_port()]))
    await proxy.apply(to_backend("groups"), groups([member("none")], [member("down")], [member("gamma")]))
    assert await answers(proxy) == {"gamma": MANY}


async def test_a_group_empties_and_fills_under_load(proxy: Proxy, upstreams: dict[str, Upstream]) -> None:
    """None of the requests fails while the first group loses its endpoints and gets others, and the groups change."""
    first = service("first"), endpoints("first", [upstreams["alpha"].port])
    await proxy.apply(*first, to_backend("groups"), groups([member("first")], [member("beta")]))
    async with traffic(proxy) as running:
        for _ in range(3):
            before = running.answers["beta"]
            await proxy.delete(Ref("EndpointSlice", "default", f"first-{upstreams['alpha'].port}"))
            await running.until(lambda before=before: running.answers["beta"] > before + 20, WITHIN)  # type: ignore[misc]
            before = running.answers["alpha"]
            await proxy.apply(first[1])
            await running.until(lambda before=before: running.answers["alpha"] > before + 20, WITHIN)  # type: ignore[misc]
        for changed in (
            groups([member("gamma")], [member("beta")]),
            groups([member("gamma", weight=2), member("first")], [member("beta")]),
            groups([member("first")]),
        ):
            await proxy.apply(changed)
            await running.more()
    assert running.answers.keys() == {"alpha", "beta", "gamma"}


async def test_health_under_load(proxy: Proxy, alpha: Upstream) -> None:
    """None of the requests fails while the checks of the first group fail and succeed again, twice."""
    await proxy.apply(
        to_backend("groups"),
        groups([member("alpha")], [member("beta")]),
        backend_config_policy("alpha", healthCheck=CHECK),
    )
    async with traffic(proxy) as running:
        for _ in range(2):
            for answer, name in ((unhealthy, "beta"), (None, "alpha")):
                alpha.answer = answer
                before = running.answers[name]
                await running.until(lambda name=name, before=before: running.answers[name] > before + 50, WITHIN)  # type: ignore[misc]
    assert running.answers.keys() == {"alpha", "beta"}


async def test_an_edit_of_a_members_policy_under_load(proxy: Proxy) -> None:
    """None of the requests fails while a member's cluster is replaced by others with checks, which wait for these."""
    await proxy.apply(to_backend("groups"), groups([member("alpha")], [member("beta")]))
    async with traffic(proxy) as running:
        for threshold in range(2, 6):
            check = {**CHECK, "healthyThreshold": threshold}
            await proxy.apply(backend_config_policy("alpha", "beta", healthCheck=check))
            await running.more(50)
    assert running.answers.keys() <= {"alpha", "beta"}


async def test_sessions_stay(proxy: Proxy, upstreams: dict[str, Upstream]) -> None:
    """The requests of a session go to one endpoint of the first group; a failed request goes to the next."""
    several = service("several"), endpoints("several", [upstreams[each].port for each in ("alpha", "beta")])
    sticky = {"sessionPersistence": {"type": "Header", "header": {"name": "session"}}}
    await proxy.apply(*several, groups([member("several")], [member("gamma")]))
    await proxy.apply(http_route({"backendRefs": [reference("groups")], **sticky}))
    first = await proxy.request()
    kept = {"session": first.headers["session"]}
    assert {(await proxy.request(headers=kept)).backend for _ in range(20)} == {first.backend}
    upstreams[first.backend].answer = fail
    assert (await proxy.request(headers=kept)).backend == "gamma"


async def test_limits_of_a_member_hold(proxy: Proxy, alpha: Upstream) -> None:
    """A member's circuit breakers and its longest duration of a request are those that it has by itself."""
    started = asyncio.Event()

    async def slow(_: Seen) -> web.StreamResponse:
        started.set()
        await asyncio.sleep(WITHIN)
        return web.Response()

    await proxy.apply(
        to_backend("groups"),
        groups([member("alpha")], [member("beta")]),
        backend_config_policy(
            "alpha",
            circuitBreakers={"maxRequests": 1, "maxPendingRequests": 1},
            commonHttpProtocolOptions={"maxStreamDuration": "300ms"},
        ),
    )
    alpha.answer = slow
    first = asyncio.create_task(proxy.request())
    await started.wait()
    assert (await proxy.request()).status == 503
    assert (await first).backend == "beta"
