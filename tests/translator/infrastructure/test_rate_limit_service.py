"""The rate limit service of a Gateway: its parameters, and what its pod runs."""

from __future__ import annotations

import asyncio
import os
import shutil
from pathlib import Path

import pytest

from deploy.generate import tool
from tests.live.rate_limit_service import Redis, accepting, end
from tests.ports import free_port
from tests.translator.infrastructure.gateways import gateway, parameters, with_parameters
from tests.translator.infrastructure.own_services import RATE_LIMIT, cluster
from translator.infrastructure.rate_limit import CONFIGURATION, FILE, environment


def test_nobody_else_reaches_its_redis() -> None:
    """Redis listens on loopback only, in the pod of the service."""
    pod = RATE_LIMIT.body(cluster(gateway(), RATE_LIMIT.policy()))["spec"]["template"]["spec"]
    assert [each["name"] for each in pod["containers"]] == ["ratelimit", "redis"]
    redis = pod["containers"][1]
    assert redis["args"][:2] == ["--bind", "127.0.0.1"]
    assert "ports" not in redis


def test_parameters() -> None:
    """Images, a Redis of the user's own, pods and their template are as the parameters say."""
    spec = """{rateLimitService: {image: "mine:1", redisAddress: "redis.infra:6379", replicas: 3, podTemplate: {spec: {
      nodeSelector: {disk: ssd}, containers: [{name: ratelimit, env: [{name: REDIS_AUTH, value: x}]}]}}}}"""
    found = RATE_LIMIT.body(cluster(parameters(spec), with_parameters(), RATE_LIMIT.policy()))
    assert found["spec"]["replicas"] == 3
    pod = found["spec"]["template"]["spec"]
    (container,) = pod["containers"]
    variables = {each["name"]: each["value"] for each in container["env"]}
    assert (container["image"], variables["REDIS_URL"], variables["REDIS_AUTH"]) == ("mine:1", "redis.infra:6379", "x")
    assert pod["nodeSelector"] == {"disk": "ssd"}


async def test_what_the_pod_runs(tmp_path: Path) -> None:
    """The real service starts with the environment of the pod, and its file as the kubelet lays out a volume."""
    redis, binary = shutil.which("redis-server"), tool("ratelimit")
    if redis is None:
        pytest.skip("there is no redis-server: install Debian's package of that name")
    if binary is None:
        pytest.skip("there is no ratelimit: `make tools` builds it")
    config = tmp_path / "config"
    (config / "..2026").mkdir(parents=True)
    (config / "..2026" / FILE).write_text(CONFIGURATION)
    (config / "..data").symlink_to("..2026")
    (config / FILE).symlink_to(f"..data/{FILE}")
    counts = Redis(redis)
    await counts.start()
    ports = {name: str(free_port()) for name in ("GRPC_PORT", "PORT", "DEBUG_PORT")}
    bound = dict.fromkeys(("HOST", "GRPC_HOST"), "127.0.0.1")
    variables = environment(f"127.0.0.1:{counts.port}") | ports | bound | {"RUNTIME_ROOT": str(tmp_path)}
    process = await asyncio.create_subprocess_exec(
        binary, env=os.environ | variables, stderr=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.DEVNULL
    )
    try:
        await accepting(int(ports["GRPC_PORT"]), process)
        await accepting(int(ports["PORT"]), process)
        reader, writer = await asyncio.open_connection("127.0.0.1", int(ports["PORT"]))
        writer.write(b"GET /healthcheck HTTP/1.0\r\n\r\n")
        assert b" 200 " in await reader.readline()
        writer.close()
        reader, writer = await asyncio.open_connection("127.0.0.1", int(ports["DEBUG_PORT"]))
        writer.write(b"GET /rlconfig HTTP/1.0\r\n\r\n")
        assert b" 200 " in await reader.readline()
        writer.close()
    finally:
        await end(process)
        await counts.stop()
