"""Instances of EC2 as backends: found by their tags, through a real Envoy."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
import pytest_asyncio
from aiohttp import web

from tests.live.backends import backend, tcp_route, to_backend
from tests.live.credentials import secret
from tests.live.ec2_service import KEY, REGION, ROLE, SECRET_KEY, Ec2Service, running_ec2
from tests.live.objects import Manifest, gateway
from tests.live.proxy import Proxy, free_port
from tests.live.test_backends_static import local, permissive
from tests.live.upstream import Upstream
from xds import CLUSTER

pytestmark = pytest.mark.slow

__all__ = ["local", "permissive"]
OTHER = "127.0.0.2"


@pytest_asyncio.fixture(loop_scope="session")
async def ec2(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Ec2Service]:
    """Run EC2, and have Headgate ask it."""
    async with running_ec2() as found:
        for name, value in found.environment.items():
            monkeypatch.setenv(name, value)
        yield found


def instances(port: int, *, auth: Any = None, **fields: Any) -> Manifest:
    """Return the Backend of the instances whose tag app is web."""
    written = {"port": port, "filters": [{"keyValue": {"key": "app", "value": "web"}}], **fields}
    return backend(aws={"region": REGION, "ec2": written, **({"auth": auth} if auth else {})})


@asynccontextmanager
async def second(port: int) -> AsyncIterator[None]:
    """Run a server at another address of loopback, whose name is second."""

    async def answer(_: web.BaseRequest) -> web.StreamResponse:
        return web.json_response({"backend": "second"})

    runner = web.ServerRunner(web.Server(answer))
    await runner.setup()
    await web.TCPSite(runner, OTHER, port).start()
    try:
        yield
    finally:
        await runner.cleanup()


def condition(proxy: Proxy) -> tuple[str, str, str]:
    """Return the status, reason and message of the Backend's condition ResolvedRefs."""
    (found,) = [each for each in proxy.status("Backend", "hosts")["conditions"] if each["type"] == "ResolvedRefs"]
    return found["status"], found["reason"], found["message"]


async def test_instances_come_and_go(local: Proxy, ec2: Ec2Service, alpha: Upstream) -> None:
    """Requests go to the running instances that have the tag, and no change of these replaces a cluster."""
    first = await ec2.start("127.0.0.1", app="web")
    await ec2.start("127.0.0.3", app="Web")
    await ec2.start("127.0.0.4", app="web", region="eu-central-1")
    await local.apply(to_backend(), instances(alpha.port))
    assert (await local.request()).status == 503
    assert condition(local)[:2] == ("False", "DiscoveryFailed")
    await local.discover_instances()
    assert {(await local.request()).backend for _ in range(10)} == {"alpha"}
    assert condition(local)[:2] == ("True", "ResolvedRefs")
    clusters = set(local.snapshot.resources(CLUSTER))
    async with second(alpha.port):
        other = await ec2.start(OTHER, app="web")
        await local.discover_instances()
        assert {(await local.request()).backend for _ in range(40)} == {"alpha", "second"}
        await ec2.stop(first)
        await local.discover_instances()
        assert {(await local.request()).backend for _ in range(10)} == {"second"}
    await ec2.terminate(other)
    await local.discover_instances()
    assert (await local.request()).status == 503
    assert set(local.snapshot.resources(CLUSTER)) == clusters


async def test_a_tag_whatever_its_value(local: Proxy, ec2: Ec2Service, alpha: Upstream) -> None:
    """Instances must have all the tags, and a star in a value is no wildcard."""
    await ec2.start("127.0.0.1", app="web", tier="a")
    await ec2.start(OTHER, app="web")
    tier = {"key": "tier"}
    await local.apply(to_backend(), instances(alpha.port, filters=[{"keyValue": {"key": "app", "value": "web"}}, tier]))
    await local.discover_instances()
    assert {(await local.request()).backend for _ in range(10)} == {"alpha"}
    await local.apply(instances(alpha.port, filters=[{"keyValue": {"key": "app", "value": "w*"}}]))
    await local.discover_instances()
    assert (await local.request()).status == 503


async def test_a_role_and_a_secret(local: Proxy, ec2: Ec2Service, alpha: Upstream) -> None:
    """AWS is asked by a role, or by the keys in a Secret; without that nothing is asked, and requests get 500."""
    await ec2.start("127.0.0.1", app="web")
    role = {"roleArn": ROLE, "externalId": "shop", "sessionName": "finder"}
    await local.apply(to_backend(), instances(alpha.port, auth={"assumeRole": role}))
    await local.discover_instances()
    assert (await local.request()).backend == "alpha"
    await local.apply(instances(alpha.port, auth={"secretRef": {"name": "aws"}}))
    assert (await local.request()).status == 500
    assert condition(local)[:2] == ("False", "SecretNotFound")
    await local.apply(secret("aws", {"accessKey": KEY, "secretKey": SECRET_KEY}))
    await local.discover_instances()
    assert (await local.request()).backend == "alpha"


async def test_aws_is_out_of_reach(local: Proxy, monkeypatch: pytest.MonkeyPatch, ec2: Ec2Service) -> None:
    """What is wrong is told; there are no endpoints."""
    monkeypatch.setenv("AWS_ENDPOINT_URL_EC2", "http://127.0.0.1:1")
    await local.apply(to_backend(), instances(80))
    await local.discover_instances()
    assert (await local.request()).status == 503
    status, reason, message = condition(local)
    assert (status, reason) == ("False", "DiscoveryFailed")
    assert message.startswith("spec.aws.ec2: which instances there are is not known: Could not connect to")


@pytest_asyncio.fixture(loop_scope="session")
async def strict(proxy: Proxy) -> Proxy:
    """Return a proxy whose Backends must not be on this machine."""
    proxy.restore()
    return proxy


async def test_addresses_of_the_machine(strict: Proxy, ec2: Ec2Service, alpha: Upstream) -> None:
    """An instance with an address of loopback or of the link is left out, which the Backend's status says."""
    for address in ("127.0.0.1", "169.254.169.254"):
        await ec2.start(address, app="web")
    await strict.apply(to_backend(), instances(alpha.port))
    await strict.discover_instances()
    assert (await strict.request()).status == 503
    status, reason, message = condition(strict)
    assert (status, reason) == ("False", "DiscoveryFailed")
    assert " is left out: " in message
    assert alpha.seen == []


async def test_connections(local: Proxy, ec2: Ec2Service, alpha: Upstream) -> None:
    """Instances are backends of connections too."""
    await ec2.start("127.0.0.1", app="web")
    port = free_port()
    listeners = (
        {"name": "http", "protocol": "HTTP", "port": local.port},
        {"name": "tcp", "protocol": "TCP", "port": port},
    )
    await local.apply(gateway(*listeners), tcp_route(), instances(alpha.port))
    await local.discover_instances()
    assert (await local.request(port=port)).backend == "alpha"
