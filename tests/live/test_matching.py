"""Which rule a request goes to (Gateway API, `HTTPRouteMatch` and the precedence in `HTTPRouteRule.matches`)."""

from __future__ import annotations

import pytest

from tests.live.objects import route
from tests.live.proxy import Proxy


def to(backend: str, **match: object) -> str:
    """A rule in YAML: requests that meet the match go to a backend."""
    return f"[{{matches: [{match}], backendRefs: [{{name: {backend}, port: 80}}]}}]"


async def test_without_a_route_the_answer_is_404(proxy: Proxy) -> None:
    """A Gateway without routes answers every request with 404."""
    await proxy.apply()
    assert (await proxy.request("/")).status == 404


PREFIX = [
    ("/v2", True),
    ("/v2/", True),
    ("/v2/x", True),
    ("/v2?a=b", True),
    ("/v2example", False),
    ("/V2", False),
    ("/", False),
    ("/x/v2", False),
]


@pytest.mark.parametrize("prefix", ["/v2", "/v2/"])
async def test_a_prefix_is_whole_elements_of_the_path(proxy: Proxy, prefix: str) -> None:
    """A prefix matches whole elements, whether or not it ends with a slash; case counts."""
    await proxy.apply(route(to("alpha", path={"value": prefix})))
    assert [(path, (await proxy.request(path)).status == 200) for path, _ in PREFIX] == PREFIX
