"""Models that are served by InferencePools: the picker of the rule that the model picks is asked, and no other."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest_asyncio

from tests.live.model_routes import ask, model_route, models
from tests.live.objects import prefix, route, rule
from tests.live.pickers import Picker, picker_service, pod, pool, reference, running_picker
from tests.live.proxy import Proxy
from tests.live.upstream import Upstream


@pytest_asyncio.fixture(loop_scope="session")
async def picker() -> AsyncIterator[Picker]:
    """Yield a picker."""
    async with running_picker() as found:
        yield found


async def test_a_pool_of_a_model(proxy: Proxy, picker: Picker, alpha: Upstream, beta: Upstream) -> None:
    """A ModelRoute sends the requests of a model where the picker says; those of others do not reach it."""
    pooled = {"models": ["own"], "backendRefs": [reference()]}
    objects = picker_service(picker), pod("a"), pool(ports=[alpha.port, beta.port])
    await proxy.apply(*objects, model_route(pooled, models("other", to="gamma")))
    for each in (alpha, beta, alpha):
        picker.picks(each.port)
        assert (await ask(proxy, "own")).backend == each.name
    asked = len(picker.bodies)
    assert (await ask(proxy, "other")).backend == "gamma"
    assert len(picker.bodies) == asked


async def test_a_pool_of_an_http_route(proxy: Proxy, picker: Picker, alpha: Upstream, beta: Upstream) -> None:
    """A rule of an HTTPRoute has its picker asked, though a request's first route is that of another rule."""
    header = "X-Gateway-Model-Name"
    rules = (
        rule("gamma", matches=[prefix("/", headers=[{"name": header, "value": "other"}])]),
        rule(reference(), matches=[prefix("/", headers=[{"name": header, "value": "own"}])]),
    )
    objects = picker_service(picker), pod("a"), pool(ports=[alpha.port, beta.port])
    await proxy.apply(*objects, route(*rules))
    for each in (beta, alpha, beta):
        picker.picks(each.port)
        assert (await ask(proxy, "own")).backend == each.name
    assert (await ask(proxy, "other")).backend == "gamma"
