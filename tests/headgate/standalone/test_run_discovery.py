"""Discovery of OpenID issuers by `headgate run`, with a real provider and a real Envoy."""

from __future__ import annotations

import asyncio
import json
import signal

from tests.headgate.running import Headgate
from tests.live.logins import HOST, REDIRECT
from tests.live.objects import Manifest
from tests.live.openid import client, extension, issuer, node, running_provider, secret
from tests.live.user_agent import UserAgent
from tests.ports import free_port

POLICY: Manifest = {
    "apiVersion": "gateway.headgate.dev/v1alpha1",
    "kind": "TrafficPolicy",
    "metadata": {"name": "login"},
    "spec": {
        "targetRefs": [{"group": "gateway.networking.k8s.io", "kind": "HTTPRoute", "name": "shop"}],
        "oauth2": {"extensionRef": {"name": "login"}},
    },
}


def write(headgate: Headgate, port: int) -> None:
    """Write a policy that asks for a login at the provider at a port."""
    for name, each in (("policy", POLICY), ("extension", extension(issuer(port))), ("secret", secret())):
        headgate.write(name, json.dumps(each))


async def test_an_issuer_that_comes_up_after_headgate(headgate: Headgate) -> None:
    """While an issuer is down its routes get 500; once it is up users can log in, and a restart lets them stay so."""
    node()
    port = free_port()
    write(headgate, port)
    headgate.arguments = ("--allow-http-issuers",)
    await headgate.start()
    await headgate.answers("/a", 500)
    found = await headgate.condition("login", "ResolvedRefs", "False")
    assert found["reason"] == "DiscoveryFailed"
    assert f"GET {issuer(port)}/.well-known/openid-configuration: Connect" in found["message"]
    url = f"http://{HOST}:{headgate.port}"
    async with running_provider([client(f"{url}{REDIRECT}")], port):
        await headgate.condition("login", "ResolvedRefs", "True")
        browser = UserAgent()
        async with asyncio.timeout(20):
            while (await browser.send(f"{url}/a")).status != 302:  # noqa: ASYNC110
                await asyncio.sleep(0.02)
        assert (await browser.log_in(f"{url}/a")).text == "/a"
        await headgate.end(signal.SIGKILL)
        statuses: set[int] = set()
        restarted = asyncio.Event()

        async def ask() -> None:
            while not restarted.is_set():
                statuses.add((await browser.send(f"{url}/a")).status)

        asking = asyncio.create_task(ask())
        await headgate.start()
        await headgate.condition("login", "ResolvedRefs", "True")
        await headgate.condition("web", "Programmed", "True")
        restarted.set()
        await asking
        assert statuses == {200}


async def test_http_issuers_need_an_option(headgate: Headgate) -> None:
    """Without the option an issuer with an http URL is asked nothing: its policies are closed, and say why."""
    write(headgate, free_port())
    await headgate.start()
    await headgate.answers("/a", 500)
    found = await headgate.condition("login", "Accepted", "False")
    assert "is not encrypted; use https, or have Headgate started with --allow-http-issuers" in found["message"]
