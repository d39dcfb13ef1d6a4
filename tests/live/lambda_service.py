"""AWS Lambda on this machine: it checks signatures with botocore's own code, and runs functions of tests."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, Final
from urllib.parse import unquote

from aiohttp import web
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from tests.live.proxy import free_port

UNSIGNED: Final = "UNSIGNED-PAYLOAD"
Function = Callable[[Any], Any]


def echo(event: Any) -> Any:
    """Answer with what a function was given, as a gateway of AWS has it."""
    return {"statusCode": 201, "headers": {"x-function": "echo"}, "body": json.dumps(event)}


@dataclass(frozen=True)
class Invocation:
    """An invocation of a function.

    Attributes:
        function: the function, as its ARN says it.
        kind: ``RequestResponse`` or ``Event``.
        key: the access key by which it was signed.
        valid: whether the signature is right.
        headers: the headers of the request, in lower case.
        payload: the body.
    """

    function: str
    kind: str
    key: str
    valid: bool
    headers: dict[str, str]
    payload: bytes


@dataclass
class LambdaService:
    """The service.

    Attributes:
        keys: the secret keys, by the access keys.
        function: what is run.
        seen: the invocations.
    """

    port: int
    keys: dict[str, str] = field(default_factory=dict)
    function: Function = echo
    seen: list[Invocation] = field(default_factory=list)

    @property
    def url(self) -> str:
        """Where it is."""
        return f"http://127.0.0.1:{self.port}"

    async def invoke(self, request: web.BaseRequest) -> web.StreamResponse:
        """Run a function, if the request is signed."""
        payload = await request.read()
        headers = {name.lower(): value for name, value in request.headers.items()}
        key, valid = self._verified(request, headers, payload)
        function = unquote(request.path.split("/")[3])
        kind = headers.get("x-amz-invocation-type", "")
        self.seen.append(Invocation(function, kind, key, valid, headers, payload))
        if not valid:
            return web.json_response({"message": "The request signature does not match."}, status=403)
        if kind == "Event":
            return web.Response(status=202)
        event = payload.decode() if not headers.get("content-type", "").endswith("json") else json.loads(payload)
        return web.json_response(self.function(event))

    def _verified(self, request: web.BaseRequest, headers: dict[str, str], payload: bytes) -> tuple[str, bool]:
        """Return the access key of a request, and whether its signature is the one that botocore makes."""
        _, _, authorization = headers.get("authorization", "").partition(" ")
        parts = dict(each.strip().split("=", 1) for each in authorization.split(",") if "=" in each)
        if not parts:
            return "", False
        key, _, region, service, _ = parts["Credential"].split("/")
        signed = {name: headers[name] for name in parts["SignedHeaders"].split(";")}
        again = AWSRequest(request.method, f"http://{headers['host']}{request.raw_path}", signed, payload)
        again.context["timestamp"] = headers["x-amz-date"]
        credentials = Credentials(key, self.keys.get(key, "wrong"), headers.get("x-amz-security-token"))
        signer = EverySigned(credentials, service, region)
        expected = signer.signature(signer.string_to_sign(again, signer.canonical_request(again)), again)
        return key, expected == parts["Signature"]


class EverySigned(SigV4Auth):  # type: ignore[misc]  # botocore carries no types
    """Signs all headers that it is given; botocore itself leaves out some, such as User-Agent."""

    def headers_to_sign(self, request: AWSRequest) -> Any:
        """Return the headers."""
        return request.headers


@asynccontextmanager
async def running_lambda(**keys: str) -> AsyncIterator[LambdaService]:
    """Run the service with some keys."""
    service = LambdaService(free_port(), keys)
    runner = web.ServerRunner(web.Server(service.invoke))
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", service.port).start()
    try:
        yield service
    finally:
        await runner.cleanup()
