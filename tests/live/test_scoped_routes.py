"""Listeners that are served by scopes: to clients and backends they are as any other."""

from __future__ import annotations

import random
from asyncio import gather
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any, NamedTuple

import pytest_asyncio

from tests.live.certificates import client, tls_secret
from tests.live.http2 import statuses
from tests.live.objects import Manifest, endpoints, gateway, prefix, route, rule, service
from tests.live.processor import extension, processor
from tests.live.proxy import Proxy, running_proxy
from tests.live.raw_requests import exchange, request, status_of
from tests.live.test_https import https
from tests.live.test_listener_filters import filtered
from tests.live.traffic import traffic
from tests.live.upstream import Upstream
from translator.envoy.scoped_routes import SCOPE_HEADER
from translator.inputs import Settings
from translator.refs import Ref
from xds import SCOPED_ROUTE, Timeouts

THRESHOLD = 30


class Pair(NamedTuple):
    """Two proxies of the same objects, of which the second has scopes."""

    plain: Proxy
    scoped: Proxy


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def both(envoy_path: Path, upstreams: dict[str, Upstream]) -> AsyncIterator[Pair]:
    """Run the two proxies."""
    async with AsyncExitStack() as stack:
        found = []
        for threshold in (0, THRESHOLD):
            settings = Settings(scoped_hostnames=threshold)
            # As by default: a request that waits for a processor while its route changes needs the cluster of before.
            running = running_proxy(envoy_path, settings, removal_delay=Timeouts().removal_delay)
            proxy, _ = await stack.enter_async_context(running)
            slices = [each for name in upstreams for each in endpoints(name, [upstreams[name].port])]
            listener = {"name": "http", "protocol": "HTTP", "port": proxy.port}
            await proxy.begin(gateway(listener), [service(name) for name in upstreams], slices)
            found.append(proxy)
        yield Pair(*found)


@pytest_asyncio.fixture(loop_scope="session")
async def pair(both: Pair, upstreams: dict[str, Upstream]) -> AsyncIterator[Pair]:
    """Yield the two proxies, without routes."""
    for each in upstreams.values():
        each.reset()
    yield both
    for proxy in both:
        proxy.restore()


def named(name: str, *hostnames: str, section: str = "", path: str = "/") -> Manifest:
    """Return a route that redirects to a path with its name."""
    redirect = {"path": {"type": "ReplaceFullPath", "replaceFullPath": f"/{name}"}}
    only = {"filters": [{"type": "RequestRedirect", "requestRedirect": redirect}], "matches": [prefix(path)]}
    return route(only, name=name, hostnames=hostnames, section=section)


def filling(count: int, section: str = "") -> Iterator[Manifest]:
    """Yield routes with so many exact hostnames together."""
    hosts = [f"filling-{number}.example" for number in range(count)]
    for place in range(0, count, 16):
        yield named(f"filling-{place}", *hosts[place : place + 16], section=section)


def is_scoped(proxy: Proxy) -> bool:
    """Whether a proxy has scopes."""
    return bool(proxy.snapshot.resources(SCOPED_ROUTE))


async def outcome(proxy: Proxy, host: str, path: str, **options: Any) -> tuple[int, str]:
    """Return the status of a request, and where it is redirected to."""
    response = await proxy.request(path, host=host, **options)
    location = response.headers.get("location", "").replace(f":{proxy.port}", ":port")
    return response.status, location


LABELS = ("a", "b", "www", "api-1", "x0", "zz9")


def hostname(chosen: random.Random, *, wild: bool) -> str:
    """Return a hostname of few labels, so that many cover each other."""
    labels = [chosen.choice(LABELS) for _ in range(chosen.randint(1, 3))]
    return ".".join((*(["*"] if wild else []), *labels, chosen.choice(("example", "test"))))


def spelled(chosen: random.Random, host: str) -> str:
    """Return another spelling of a Host."""
    host = "".join(each.upper() if chosen.random() < 0.3 else each for each in host)
    return host + chosen.choice(("", "", ".", ":80", ".:8443", ":port", ":"))


async def test_any_request_has_the_same_response(pair: Pair) -> None:
    """Whatever listeners and routes there are, and however a Host is written, both proxies respond alike."""
    chosen = random.Random(20)
    for number in range(6):
        own = ["", *(hostname(chosen, wild=True) for _ in range(number % 3))]
        routes = [
            named(
                f"route-{each}",
                *(hostname(chosen, wild=chosen.random() < 0.3) for _ in range(chosen.randint(1, 3))),
                path=chosen.choice(("/", "/", "/one")),
            )
            for each in range(12)
        ]
        everything = [named("any")] if number % 2 else []
        for proxy in pair:
            sections = [
                {"name": f"on-{place}", "protocol": "HTTP", "port": proxy.port, **({"hostname": each} if each else {})}
                for place, each in enumerate(own)
            ]
            await proxy.apply(gateway(*sections), routes, everything, [*filling(600)])
        assert (is_scoped(pair.plain), is_scoped(pair.scoped)) == (False, True)
        hosts = [each for made in routes for each in made["spec"]["hostnames"]]
        for _ in range(60):
            host = chosen.choice((*hosts, "filling-7.example", hostname(chosen, wild=False), "none.invalid", "[::1]"))
            host = spelled(chosen, host.replace("*", chosen.choice(("q", "q.r", "a"))))
            path = chosen.choice(("/", "/one/two"))
            assert await outcome(pair.scoped, host, path) == await outcome(pair.plain, host, path), host
        for proxy in pair:
            proxy.restore()


async def test_each_hostname_is_found(pair: Pair) -> None:
    """Of 400 hostnames each is served, in every spelling: the proxy finds the scope that the translator put it in."""
    chosen = random.Random(5)
    alphabet = "abcdefghijklmnopqrstuvwxyz0123456789"
    hosts = ["".join(chosen.choices(alphabet, k=chosen.randint(6, 30))) + ".example.com" for _ in range(400)]
    await pair.scoped.apply([named(f"r{place}", *hosts[place : place + 16]) for place in range(0, 400, 16)])
    assert is_scoped(pair.scoped)
    for place, host in enumerate(hosts):
        status, location = await outcome(pair.scoped, spelled(chosen, host).removesuffix(":port"), "/")
        assert (status, location.rpartition("/")[2]) == (302, f"r{place - place % 16}"), host


async def test_hostnames_of_other_certificates_are_misdirected(pair: Pair) -> None:
    """On a connection with the certificate of one listener, the hostnames of others get 421, and unknown ones 404."""
    names = {"one": "one.test", "wild": "*.wild.test"}
    secrets = [tls_secret(name, host) for name, host in names.items()]
    for proxy in pair:
        await proxy.apply(
            secrets,
            gateway(*(https(proxy, name, host) for name, host in names.items())),
            *(named(name, section=name) for name in names),
            [named(f"w{each}", *(f"h{each}-{k}.wild.test" for k in range(16)), section="wild") for each in range(3)],
        )
    assert is_scoped(pair.scoped)
    for server_name in ("one.test", "a.wild.test", "h1-1.wild.test"):
        for host in ("one.test", "ONE.test:1", "a.wild.test", "h1-1.wild.test", "h2-3.WILD.test.", "none.test"):
            found = [await outcome(proxy, host, "/", ssl=client(), server_hostname=server_name) for proxy in pair]
            assert found[0] == found[1], (server_name, host)


async def test_a_host_that_is_missing_or_strange(pair: Pair) -> None:
    """Requests that name no host, or none that can be, have the status that they have without scopes."""
    for proxy in pair:
        await proxy.apply([*filling(64)], named("any"))
    sent = [
        request("Connection: close", host=host)
        for host in ("", "a b", "\xe9.example", "a/b", "filling-1.example:x", "..", "-")
    ]
    plain, scoped = [await gather(*(exchange(proxy.port, each) for each in sent)) for proxy in pair]
    assert list(map(status_of, scoped)) == list(map(status_of, plain))


async def test_clients_cannot_choose_a_scope(pair: Pair, alpha: Upstream) -> None:
    """The header of a scope is the proxy's: one of a client changes nothing, and backends do not see it."""
    await pair.scoped.apply(route(rule("alpha"), hostnames=["a.example"]), [*filling(64)])
    assert is_scoped(pair.scoped)
    forged = [(SCOPE_HEADER, "port-80//000000"), (SCOPE_HEADER.upper(), "x")]
    response = await pair.scoped.request("/", host="a.example", headers=forged)
    assert response.backend == "alpha"
    assert response.sent(SCOPE_HEADER) == []
    assert await statuses(pair.scoped.port, None, "", "a.example", "A.EXAMPLE", "b.example") == [200, 200, 404]


async def test_the_form_changes_under_load(pair: Pair) -> None:
    """While hostnames come and go, so that scopes begin and end to serve a listener, no request fails."""
    proxy = pair.scoped
    await proxy.apply(route(rule("alpha"), hostnames=["a.example"]))
    forms = []
    for kept in (True, False):
        async with traffic(proxy, host="a.example", kept=kept) as seen:
            for _ in range(4):
                await proxy.apply([*filling(64)])
                await seen.more()
                forms.append(is_scoped(proxy))
                await proxy.delete(*(Ref("HTTPRoute", "default", f"filling-{place}") for place in range(0, 64, 16)))
                await seen.more()
                forms.append(is_scoped(proxy))
        assert set(seen.answers) == {"alpha"}
    assert forms == [True, False] * 8


async def test_hostnames_come_and_go_under_load(pair: Pair) -> None:
    """While routes for other hostnames of the same and of other scopes change, no request of a host fails."""
    proxy = pair.scoped
    await proxy.apply(route(rule("alpha"), hostnames=["a.example"]), [*filling(64)])
    async with traffic(proxy, host="a.example") as seen:
        for number in range(12):
            await proxy.apply(named("changing", f"b{number}.example", f"c{number}.example"))
            await seen.more(50)
        await proxy.apply(named("changing", "*.wild.example"))
        await seen.more()
    assert set(seen.answers) == {"alpha"}


async def test_filters_come_and_go_under_load(pair: Pair) -> None:
    """A listener with filters has no scopes; while it gets filters and loses them again, no request fails."""
    proxy = pair.scoped
    async with processor() as one:
        await proxy.apply(service("one"), endpoints("one", [one.port]), extension("one"))
        await proxy.apply(route(rule("alpha"), hostnames=["a.example"]), [*filling(64)])
        async with traffic(proxy, host="a.example", kept=False) as seen:
            for _ in range(3):
                await proxy.apply(gateway(filtered(proxy.port, "one")))
                assert not is_scoped(proxy)
                await seen.more()
                await proxy.apply(gateway({"name": "http", "protocol": "HTTP", "port": proxy.port}))
                assert is_scoped(proxy)
                await seen.more()
        assert set(seen.answers) == {"alpha"}
        assert one.seen
