"""An EC2 for tests: moto's server, in a process of its own, whose instances have addresses of loopback."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import botocore.session

from tests.ports import free_port

REGION = "eu-west-1"
KEY, SECRET_KEY = "AKIDEXAMPLE", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"
ROLE = "arn:aws:iam::123456789012:role/finder"


@dataclass(frozen=True)
class Ec2Service:
    """A running EC2.

    Attributes:
        url: where it is.
    """

    url: str

    @property
    def environment(self) -> dict[str, str]:
        """What has botocore ask it, with credentials, and nothing of this machine."""
        urls = dict.fromkeys(("AWS_ENDPOINT_URL_EC2", "AWS_ENDPOINT_URL_STS"), self.url)
        files = dict.fromkeys(("AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE"), "/dev/null")
        keys = {"AWS_ACCESS_KEY_ID": KEY, "AWS_SECRET_ACCESS_KEY": SECRET_KEY}
        return {**urls, **files, **keys, "AWS_EC2_METADATA_DISABLED": "true"}

    async def start(self, address: str, region: str = REGION, **tags: str) -> str:
        """Start an instance with tags at a private address; return its id."""
        written = [{"Key": key, "Value": value} for key, value in tags.items()]
        tagged = [{"ResourceType": "instance", "Tags": written}] if written else []
        request = {"ImageId": "ami-12c6146b", "MinCount": 1, "MaxCount": 1, "PrivateIpAddress": address}
        found = await self._call("run_instances", region, **request, TagSpecifications=tagged)
        return str(found["Instances"][0]["InstanceId"])

    async def terminate(self, instance: str, region: str = REGION) -> None:
        """Terminate an instance."""
        await self._call("terminate_instances", region, InstanceIds=[instance])

    async def stop(self, instance: str, region: str = REGION) -> None:
        """Stop an instance, which keeps its address."""
        await self._call("stop_instances", region, InstanceIds=[instance])

    async def _call(self, name: str, region: str, **request: Any) -> dict[str, Any]:
        def call() -> dict[str, Any]:
            keys = {"aws_access_key_id": KEY, "aws_secret_access_key": SECRET_KEY}
            client = botocore.session.Session().create_client("ec2", region, endpoint_url=self.url, **keys)
            try:
                found: dict[str, Any] = getattr(client, name)(**request)
            finally:
                client.close()
            return found

        return await asyncio.to_thread(call)


@asynccontextmanager
async def running_ec2() -> AsyncIterator[Ec2Service]:
    """Run an EC2 without any instance."""
    port = free_port()
    command = (sys.executable, "-W", "ignore", "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port))
    quiet = asyncio.subprocess.DEVNULL
    process = await asyncio.create_subprocess_exec(*command, stdout=quiet, stderr=quiet)
    try:
        async with asyncio.timeout(60):
            while not await _answers(port):
                assert process.returncode is None, "moto ended"
                await asyncio.sleep(0.1)
        yield Ec2Service(f"http://127.0.0.1:{port}")
    finally:
        if process.returncode is None:
            process.terminate()
        await process.wait()


async def _answers(port: int) -> bool:
    try:
        _, writer = await asyncio.open_connection("127.0.0.1", port)
    except OSError:
        return False
    writer.close()
    await writer.wait_closed()
    return True
