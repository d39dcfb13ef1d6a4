"""Functions of AWS Lambda as backends: invoked by signed requests, through a real Envoy."""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio

from tests.live.backends import backend, static, to_backend
from tests.live.credentials import secret
from tests.live.lambda_service import LambdaService, running_lambda
from tests.live.objects import Manifest
from tests.live.proxy import Proxy
from tests.live.test_backends_static import local, permissive
from tests.live.upstream import Upstream

__all__ = ["local", "permissive"]
KEY, SECRET_KEY = "AKIDEXAMPLE", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"
ACCOUNT = "123456789012"


@pytest_asyncio.fixture(loop_scope="session")
async def service() -> AsyncIterator[LambdaService]:
    """Run Lambda."""
    async with running_lambda(**{KEY: SECRET_KEY}) as found:
        yield found


def keys(**data: str) -> Manifest:
    """Return the Secret with the keys."""
    return secret("aws", {"accessKey": KEY, "secretKey": SECRET_KEY} | data)


def function(service: LambdaService, *, auth: Any = True, **fields: Any) -> Manifest:
    """Return a Backend that is a function."""
    spec: dict[str, Any] = {"lambda": {"functionName": "hello", "endpointURL": service.url, **fields}}
    spec |= {"accountId": ACCOUNT, "region": "eu-west-1"}
    if auth:
        spec["auth"] = {"type": "Secret", "secretRef": {"name": "aws"}}
    return backend(aws=spec)


async def test_a_function_gets_the_request_as_json(local: Proxy, service: LambdaService) -> None:
    """Method, path, headers and body are in the event, the response is the function's, and the call is signed."""
    await local.apply(to_backend(), keys(), function(service))
    found = await local.request(
        "/cart?a=b", method="POST", body=b'{"x": 1}', headers={"content-type": "application/json"}
    )
    assert found.status == 201
    assert found.headers["x-function"] == "echo"
    event = json.loads(found.body)
    assert (event["method"], event["raw_path"]) == ("POST", "/cart?a=b")
    (call,) = service.seen
    assert call.valid
    assert (call.function, call.kind, call.key) == (
        f"arn:aws:lambda:eu-west-1:{ACCOUNT}:function:hello:$LATEST",
        "RequestResponse",
        KEY,
    )
    assert call.headers["host"] == f"127.0.0.1:{service.port}"


async def test_nobody_waits_for_an_asynchronous_function(local: Proxy, service: LambdaService) -> None:
    """The client gets 202 once the function is invoked."""
    await local.apply(to_backend(), keys(), function(service, invocationMode="Async", qualifier="live"))
    assert (await local.request("/", method="POST", body=b"x")).status == 202
    (call,) = service.seen
    assert (call.kind, call.valid) == ("Event", True)
    assert call.function.endswith(":function:hello:live")


async def test_bodies_as_they_are(local: Proxy, service: LambdaService) -> None:
    """Without a transformation the function gets the body, and the client what the function returns."""
    service.function = lambda event: {"got": event}
    await local.apply(to_backend(), keys(), function(service, payloadTransformMode="None"))
    found = await local.request("/", method="POST", body=b"[1, 2]", headers={"content-type": "application/json"})
    assert (found.status, json.loads(found.body)) == (200, {"got": [1, 2]})
    assert service.seen[0].payload == b"[1, 2]"
    assert service.seen[0].valid


@pytest.mark.parametrize("mode", ["Envoy", "None"])
async def test_long_bodies(local: Proxy, service: LambdaService, mode: str) -> None:
    """Half a megabyte goes to a function and back."""
    service.function = lambda event: {"statusCode": 200, "body": event["body"]} if mode == "Envoy" else event
    await local.apply(to_backend(), keys(), function(service, payloadTransformMode=mode))
    body = json.dumps("x" * 500_000).encode()
    found = await local.request("/", method="POST", body=body, headers={"content-type": "application/json"})
    assert (found.status, found.body == body, service.seen[0].valid) == (200, True, True)


async def test_new_keys_sign_what_follows(local: Proxy, service: LambdaService) -> None:
    """A rotation of the Secret fails no request: each is signed by the former keys or by the new ones."""
    other = "another-secret-key"
    service.keys["AKIDOTHER"] = other
    await local.apply(to_backend(), keys(), function(service))
    statuses: list[int] = []
    stop = asyncio.Event()

    async def load() -> None:
        while not stop.is_set():
            statuses.append((await local.request("/")).status)

    loads = [asyncio.create_task(load()) for _ in range(4)]
    await local.apply(keys(accessKey="AKIDOTHER", secretKey=other))
    for _ in range(5):
        assert (await local.request("/")).status == 201
    stop.set()
    await asyncio.gather(*loads)
    assert set(statuses) == {201}
    assert all(each.valid for each in service.seen)
    assert service.seen[-1].key == "AKIDOTHER"


async def test_a_function_shares_requests(local: Proxy, service: LambdaService, alpha: Upstream) -> None:
    """In a rule with another backend each gets its share, and only the function's requests are signed."""
    await local.apply(to_backend("hosts", "alpha"), keys(), function(service), static(alpha.port, name="alpha"))
    statuses = Counter([(await local.request()).status for _ in range(60)])
    assert set(statuses) == {200, 201}
    assert all("authorization" not in dict(each.headers) for each in alpha.seen)
    assert all(each.valid for each in service.seen)


async def test_without_keys_nothing_is_sent(local: Proxy, service: LambdaService) -> None:
    """A Secret that is missing, or lacks a key, has requests refused, and the status says which."""
    await local.apply(to_backend(), function(service))
    assert (await local.request()).status == 500
    (found,) = local.status("Backend", "hosts")["conditions"][1:]
    assert (found["type"], found["status"], found["reason"]) == ("ResolvedRefs", "False", "SecretNotFound")
    await local.apply(secret("aws", {"accessKey": KEY}))
    assert (await local.request()).status == 500
    assert service.seen == []
    await local.apply(keys())
    assert (await local.request()).status == 201


async def test_a_temporary_credential(local: Proxy, service: LambdaService) -> None:
    """The session token is sent, and signed."""
    await local.apply(to_backend(), keys(sessionToken="a-token"), function(service))
    assert (await local.request()).status == 201
    assert service.seen[0].headers["x-amz-security-token"] == "a-token"
    assert service.seen[0].valid
