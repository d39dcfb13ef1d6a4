"""One Envoy and three upstreams for all tests that send real requests; each test begins with the same objects."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import pytest_asyncio

from tests.live.ai_providers import completion
from tests.live.authorizers import GrpcAuthorizer, grpc_authorizer
from tests.live.delegation import teams
from tests.live.logins import HOST, REDIRECT, World
from tests.live.modules import compile_library
from tests.live.objects import endpoints, gateway, route, service
from tests.live.openid import client, running_provider, secret
from tests.live.processor import Processor, extension, processor
from tests.live.proxy import DEFAULTS, Proxy, running_proxy
from tests.live.rate_limit_service import RateLimitService, running_service
from tests.live.upstream import Upstream, upstream
from tests.live.waf_service import Waf, running_waf
from translator.inputs import ServiceAddress, Settings

if TYPE_CHECKING:
    from tests.live.mcp_tools import ToolServer

NAMES = ("alpha", "beta", "gamma")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Run all tests here on one event loop, the one that the shared servers live on."""
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.asyncio(loop_scope="session"), append=False)


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def upstreams() -> AsyncIterator[dict[str, Upstream]]:
    """Upstreams that are there all the time, behind Services of the same names."""
    async with contextlib.AsyncExitStack() as stack:
        yield {name: await stack.enter_async_context(upstream(name)) for name in NAMES}


@contextlib.asynccontextmanager
async def _serving(
    envoy_path: Path, upstreams: dict[str, Upstream], settings: Settings = DEFAULTS
) -> AsyncIterator[tuple[Proxy, Path]]:
    """Run a proxy with one HTTP listener for any host and the Services of the upstreams; yield its log, too."""
    async with running_proxy(envoy_path, settings) as (proxy, log):
        services = [service(name) for name in NAMES]
        slices = [each for name in NAMES for each in endpoints(name, [upstreams[name].port])]
        await proxy.begin(gateway({"name": "http", "protocol": "HTTP", "port": proxy.port}), services, slices)
        yield proxy, log


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def shared(envoy_path: Path, upstreams: dict[str, Upstream]) -> AsyncIterator[tuple[Proxy, Path]]:
    """Yield the proxy that all tests share, and its log."""
    async with _serving(envoy_path, upstreams) as found:
        yield found


@pytest_asyncio.fixture(loop_scope="session")
async def proxy(shared: tuple[Proxy, Path], upstreams: dict[str, Upstream]) -> AsyncIterator[Proxy]:
    """Yield the proxy, with one HTTP listener for any host and Services `alpha`, `beta` and `gamma`, without routes.

    What Envoy logged meanwhile is shown if the test fails. Nothing may tell a text of a Secret of any test.
    """
    found, log = shared
    before = log.stat().st_size if log.exists() else 0
    for each in upstreams.values():
        each.reset()
    found.secret_texts.clear()
    yield found
    logged = log.read_bytes()[before:].decode(errors="replace") if log.exists() else ""
    leaks = await found.leaks(logged)
    found.restore()
    print(logged)
    assert not leaks


@pytest_asyncio.fixture(loop_scope="session")
async def one(proxy: Proxy) -> AsyncIterator[Processor]:
    """Yield a processor behind the GatewayExtension `one`, and the Service of that name."""
    async with processor() as found:
        await proxy.apply(service("one"), endpoints("one", [found.port]), extension("one"))
        yield found


@pytest_asyncio.fixture(loop_scope="session")
async def two(proxy: Proxy) -> AsyncIterator[Processor]:
    """Yield another processor, behind `two`."""
    async with processor() as found:
        await proxy.apply(service("two"), endpoints("two", [found.port]), extension("two"))
        yield found


@pytest_asyncio.fixture(loop_scope="session")
async def authorizer() -> AsyncIterator[GrpcAuthorizer]:
    """Yield an authorizer that is asked by gRPC."""
    async with grpc_authorizer() as found:
        yield found


@pytest_asyncio.fixture(loop_scope="session")
async def http_authorizer() -> AsyncIterator[Upstream]:
    """Yield an authorizer that is asked by HTTP."""
    async with upstream("authorizer") as found:
        yield found


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def limiter() -> AsyncIterator[RateLimitService]:
    """Yield a rate limit service that knows nothing but its domain."""
    async with running_service() as found:
        yield found


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def limited(
    envoy_path: Path, upstreams: dict[str, Upstream], limiter: RateLimitService
) -> AsyncIterator[list[Proxy]]:
    """Yield two proxies of the same objects, whose policies mean the service where they name none."""
    settings = Settings(rate_limit_service=ServiceAddress("127.0.0.1", limiter.port))
    async with contextlib.AsyncExitStack() as stack:
        both = [await stack.enter_async_context(_serving(envoy_path, upstreams, settings)) for _ in range(2)]
        yield [proxy for proxy, _ in both]


@pytest_asyncio.fixture(loop_scope="session")
async def proxies(
    limited: list[Proxy], limiter: RateLimitService, upstreams: dict[str, Upstream]
) -> AsyncIterator[list[Proxy]]:
    """Yield the two proxies, with nothing counted yet."""
    for each in upstreams.values():
        each.reset()
    await limiter.redis.flush()
    yield limited
    for proxy in limited:
        proxy.restore()


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def allowed(
    envoy_path: Path, upstreams: dict[str, Upstream], tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Proxy]:
    """Yield a proxy whose operator allows code of users in it; the library `probe` is there once it is compiled."""
    folder = tmp_path_factory.mktemp("libraries")
    libraries = frozenset({("absent", str(folder / "absent.so")), ("probe", str(folder / "libprobe.so"))})
    settings = Settings(allow_lua=True, allow_wasm=True, allow_http_issuers=True, dynamic_modules=libraries)
    async with _serving(envoy_path, upstreams, settings) as (found, _):
        yield found


@pytest.fixture(scope="session")
def probe(allowed: Proxy) -> None:
    """Compile the library `probe` of that proxy."""
    compile_library(Path(dict(allowed.settings.dynamic_modules)["probe"]))


@pytest.fixture
def permissive(allowed: Proxy, upstreams: dict[str, Upstream]) -> Proxy:
    """Return that proxy, without routes."""
    for each in upstreams.values():
        each.reset()
    allowed.restore()
    return allowed


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def waf() -> AsyncIterator[Waf]:
    """Yield the service that inspects requests."""
    async with running_waf() as found:
        yield found


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def _inspected(envoy_path: Path, upstreams: dict[str, Upstream], waf: Waf) -> AsyncIterator[Proxy]:
    settings = Settings(waf_service=ServiceAddress("127.0.0.1", waf.port))
    async with _serving(envoy_path, upstreams, settings) as (found, _):
        yield found


@pytest.fixture
def inspected(_inspected: Proxy, upstreams: dict[str, Upstream]) -> Iterator[Proxy]:
    """Yield a proxy whose policies mean that service where they name none, without routes."""
    for each in upstreams.values():
        each.reset()
    yield _inspected
    _inspected.restore()


@pytest.fixture
def alpha(upstreams: dict[str, Upstream]) -> Upstream:
    """Return the upstream behind the Service `alpha`."""
    return upstreams["alpha"]


@pytest.fixture
def beta(upstreams: dict[str, Upstream]) -> Upstream:
    """Return the upstream behind the Service `beta`."""
    return upstreams["beta"]


@pytest.fixture
def gamma(upstreams: dict[str, Upstream]) -> Upstream:
    """Return the upstream behind the Service `gamma`."""
    return upstreams["gamma"]


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def _with_local_backends(envoy_path: Path) -> AsyncIterator[tuple[Proxy, Path]]:
    async with running_proxy(envoy_path, Settings(local_backends=True)) as (proxy, log):
        await proxy.begin(gateway({"name": "http", "protocol": "HTTP", "port": proxy.port}))
        yield proxy, log


@pytest_asyncio.fixture(loop_scope="session")
async def ai_proxy(_with_local_backends: tuple[Proxy, Path], upstreams: dict[str, Upstream]) -> AsyncIterator[Proxy]:
    """Yield a proxy whose Backends may be on this machine, without routes; the upstreams answer as OpenAI does.

    Nothing may tell a text of a Secret of any test.
    """
    found, log = _with_local_backends
    for each in upstreams.values():
        each.reset()
        each.answer = completion
    found.restore()
    found.secret_texts.clear()
    await found.apply(route({"backendRefs": []}))
    yield found
    assert not await found.leaks(log.read_text(errors="replace") if log.exists() else "")


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def _with_local_backends_and_limits(envoy_path: Path, limiter: RateLimitService) -> AsyncIterator[Proxy]:
    service_ = ServiceAddress("127.0.0.1", limiter.port)
    async with running_proxy(envoy_path, Settings(local_backends=True, rate_limit_service=service_)) as (proxy, _):
        await proxy.begin(gateway({"name": "http", "protocol": "HTTP", "port": proxy.port}))
        yield proxy


@pytest_asyncio.fixture(loop_scope="session")
async def ai_limited(_with_local_backends_and_limits: Proxy, limiter: RateLimitService) -> Proxy:
    """Return a proxy whose Backends may be on this machine, and whose policies limit, with nothing counted yet."""
    await limiter.redis.flush()
    _with_local_backends_and_limits.restore()
    await _with_local_backends_and_limits.apply(route({"backendRefs": []}))
    return _with_local_backends_and_limits


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def logins(envoy_path: Path, upstreams: dict[str, Upstream]) -> AsyncIterator[World]:
    """Run a proxy, and an OpenID provider that knows its host."""
    async with running_proxy(envoy_path, Settings(allow_http_issuers=True)) as (proxy, _):
        url = f"http://{HOST}:{proxy.port}"
        known = client(f"{url}{REDIRECT}", f"{url}/back", post_logout_redirect_uris=[f"{url}/"])
        async with running_provider([known]) as provider:
            slices = endpoints("alpha", [upstreams["alpha"].port])
            listener = {"name": "http", "protocol": "HTTP", "port": proxy.port}
            await proxy.begin(gateway(listener), service("alpha"), slices, secret())
            yield World(proxy, provider, url)


@pytest.fixture
def world(logins: World, upstreams: dict[str, Upstream]) -> World:
    """Return a proxy and an OpenID provider, with no route."""
    for each in upstreams.values():
        each.reset()
    logins.proxy.restore()
    return logins


@pytest_asyncio.fixture(loop_scope="session")
async def delegating(proxy: Proxy, upstreams: dict[str, Upstream]) -> Proxy:
    """Return the proxy with the Services of two teams, in namespaces of their own."""
    await proxy.apply(teams(upstreams))
    return proxy


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def tool_machine(envoy_path: Path) -> AsyncIterator[Proxy]:
    """Yield a proxy for MCP servers, which are on its own machine."""
    async with running_proxy(envoy_path, Settings(local_backends=True, allow_http_issuers=True)) as (found, _):
        await found.begin(gateway({"name": "http", "protocol": "HTTP", "port": found.port}))
        yield found


@pytest_asyncio.fixture(loop_scope="session")
async def tool_proxy(tool_machine: Proxy) -> Proxy:
    """Return that proxy, without routes."""
    tool_machine.restore()
    return tool_machine


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def tool_servers() -> AsyncIterator[dict[str, ToolServer]]:
    """Run MCP servers: `one` and `two` answer by streams of events, `whole` with JSON."""
    from tests.live.mcp_tools import tool_server  # the SDK takes a second to import

    async with contextlib.AsyncExitStack() as stack:
        named = {name: tool_server(name, whole=name == "whole") for name in ("one", "two", "whole")}
        yield {name: await stack.enter_async_context(each) for name, each in named.items()}


@pytest.fixture
def mcp(tool_servers: dict[str, ToolServer]) -> dict[str, ToolServer]:
    """Return these servers, which have seen nothing yet."""
    for each in tool_servers.values():
        each.seen.clear()
        each.called.clear()
    return tool_servers
