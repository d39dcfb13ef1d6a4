"""What is explained of a request is what a real Envoy does with it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import aiohttp
import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from tests.live.certificates import tls_secret
from tests.live.objects import Manifest, gateway, route, rule, service
from tests.live.proxy import KEY, Proxy, Response
from tests.live.test_https import ask, https
from tests.live.worlds import Asked, World, requests, worlds
from translator.explain.gateway import explain_at
from translator.explain.headers import changed, is_computed
from translator.explain.request import Header, parse_request, values
from translator.explain.result import Destination, Explanation, HeaderEdit, RequestOutcome

TEAPOT: Manifest = {
    "apiVersion": "gateway.headgate.dev/v1alpha1",
    "kind": "DirectResponse",
    "metadata": {"name": "teapot"},
    "spec": {"status": 418, "body": "short and stout"},
}


EXAMPLES = settings().max_examples // 3
"""Envoy takes the configuration of a few worlds a second."""

WITHOUT_SHRINKING = (Phase.explicit, Phase.reuse, Phase.generate)
"""The one request that differs is in the message; to shrink its world takes minutes."""


def on_port(manifest: Manifest, port: int) -> Manifest:
    """Return an object with the port of its listeners, if it has any."""
    listeners = manifest["spec"].get("listeners")
    if listeners is None:
        return manifest
    spec = {**manifest["spec"], "listeners": [{**each, "port": port} for each in listeners]}
    return {**manifest, "spec": spec}


def explained(proxy: Proxy, asked: Asked) -> Explanation:
    """Return what is explained of a request."""
    lines = [f"{name}: {value}" for name, value in asked.headers]
    url = f"http://127.0.0.1:{proxy.port}{asked.path}"
    request = parse_request(asked.method, url, [f"Host: {asked.host}", *lines], asked.size)
    return explain_at(KEY, proxy.snapshot, request)


def faults(outcome: RequestOutcome, response: Response, asked: Asked) -> list[str]:
    """Return where a response differs from an outcome; nothing if it is of that outcome."""
    if outcome.destinations:
        found = [_destination_faults(each, response, asked) for each in outcome.destinations]
        return min(found, key=len)
    made = [] if response.status == outcome.status else [f"status {response.status}, not {outcome.status}"]
    if outcome.location and response.headers.get("location") != outcome.location:
        made.append(f"location {response.headers.get('location')}, not {outcome.location}")
    if outcome.body and response.body.decode() != outcome.body:
        made.append(f"body {response.body!r}, not {outcome.body}")
    return [*made, *_header_faults(outcome.response_changes, response, asked)]


def _destination_faults(found: Destination, response: Response, asked: Asked) -> list[str]:
    if found.status:
        return [] if response.status == found.status else [f"status {response.status}, not {found.status}"]
    if response.status != 200 or b'"backend"' not in response.body:
        return [f"status {response.status} and no echo", *["-"] * 9]
    wanted = [
        ("backend", response.backend, found.backend.partition(":")[0].removeprefix("default/")),
        ("path", response.path, found.path),
        ("host", response.sent("host")[0], found.host),
        *(
            (f"header {name}", response.sent(name), values(found.headers, name))
            for name in dict.fromkeys(each.name for each in found.changes)
        ),
    ]
    wrong = [f"{what} {real}, not {told}" for what, real, told in wanted if real != told]
    return [*wrong, *_header_faults(found.response_changes, response, asked)]


def _header_faults(changes: tuple[HeaderEdit, ...], response: Response, asked: Asked) -> list[str]:
    computed = {each.name for each in changes if is_computed(each.value)}
    names = dict.fromkeys(each.name for each in changes if each.name not in {"location", *computed})
    told = changed((), changes, tuple(Header(name.lower(), value) for name, value in asked.headers))
    pairs = [(name, response.headers.getall(name, []), values(told, name)) for name in names]
    return [f"response header {name} {real}, not {wanted}" for name, real, wanted in pairs if real != wanted]


@settings(max_examples=EXAMPLES, phases=WITHOUT_SHRINKING)
@given(world=worlds(), asked=st.lists(requests(), min_size=12, max_size=16, unique=True))
async def test_what_is_explained_is_what_envoy_does(
    shared: tuple[Proxy, Path], world: World, asked: list[Asked]
) -> None:
    """For random routes and requests: status, backend, rule, path, Host, headers and Location are those explained."""
    proxy, _ = shared
    try:
        await proxy.apply(TEAPOT, service("empty"), *(on_port(each, proxy.port) for each in world.objects))
        for each in asked:
            found = explained(proxy, each)
            assert not found.problem, found
            assert abs(sum(outcome.share for outcome in found.outcomes) - 1) < 1e-6
            body = None if each.size is None else b"x" * each.size
            response = await proxy.request(
                each.path, method=each.method, host=each.host, headers=list(each.headers), body=body
            )
            wrong: list[Any] = [faults(outcome, response, each) for outcome in found.outcomes]
            assert [] in wrong, (each, response, found, wrong)
    finally:
        proxy.restore()


NAMES = ("example.org", "second.org", "a.wild.org", "b.a.wild.org", "four.wild.org", "unknown.org")
"""Server names and hosts that are asked for, each with each."""


async def _answer(proxy: Proxy, name: str, host: str) -> str | int:
    """Return who answers on a connection for a server name: the backend, else the status; 0 if it is closed."""
    try:
        return await ask(proxy, name, host)
    except (aiohttp.ClientError, ConnectionError):
        return 0


def _told(found: Explanation) -> str | int:
    """Return the same of an explanation."""
    if found.problem:
        return 0
    (outcome,) = found.outcomes
    (backend,) = [each.backend for each in outcome.destinations] or [""]
    return backend.partition(":")[0].removeprefix("default/") or outcome.status


@pytest.mark.parametrize("anyone", [True, False], ids=["with a listener for any host", "without"])
async def test_what_is_explained_of_tls_is_what_envoy_does(proxy: Proxy, anyone: bool) -> None:
    """For each server name and host: the filter chain, the virtual host, 421, 404 and closed connections."""
    listeners = {"two": "second.org", "three": "*.wild.org", "four": "four.wild.org", **({"one": ""} if anyone else {})}
    await proxy.apply(
        tls_secret("all", "example.org"),
        gateway(*(https(proxy, name, hostname, "all") for name, hostname in listeners.items())),
        route(rule("alpha"), name="one", section="one", hostnames=["example.org"]),
        route(rule("beta"), name="two", section="two"),
        route(rule("gamma"), name="three", section="three", hostnames=["*.wild.org"]),
        route(rule("alpha"), name="four", section="four"),
    )
    answered = {(name, host): await _answer(proxy, name, host) for name in NAMES for host in NAMES}
    told = {
        (name, host): _told(
            explain_at(KEY, proxy.snapshot, parse_request("GET", f"https://{name}:{proxy.port}/", [f"Host: {host}"]))
        )
        for name, host in answered
    }
    assert told == answered
    assert set(answered.values()) == {"alpha", "beta", "gamma", 404, 421, *(() if anyone else (0,))}
