"""A provider of models on loopback: it speaks three vendors' APIs, judges requests as they do, and fails as told."""

from __future__ import annotations

import asyncio
import contextlib
import json
import socket
import ssl
import struct
from collections import deque
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any
from urllib.parse import parse_qsl

from aiohttp import web

from tests.ai import anthropic_api, gemini_api, openai_api
from tests.ai.answers import Said, Stream, ToolCall, Usage, Whole, words
from tests.ai.faults import Cut, Ended, ErrorEvent, Fault, Held, Status
from tests.ai.vendors import Api, Endpoint, Refusal, Vendor, endpoint, error, shown_key

UNKNOWN = Endpoint(Vendor.OPENAI, Api.CHAT)


@dataclass(frozen=True)
class Received:
    """A request as it arrived.

    Attributes:
        method: of HTTP.
        path: as it was written, without the query.
        query: as it was written.
        headers: in lower case, in their order.
        body: all of it.
        endpoint: what it asks for; None where no vendor has such a path.
    """

    method: str
    path: str
    query: str
    headers: tuple[tuple[str, str], ...]
    body: bytes
    endpoint: Endpoint | None

    def values(self, name: str) -> list[str]:
        """All values of a header."""
        return [value for key, value in self.headers if key == name.lower()]

    @cached_property
    def json(self) -> Any:
        """The body as JSON."""
        return json.loads(self.body)

    @property
    def model(self) -> str:
        """The model that it asks for, in its path or its body."""
        return (self.endpoint.model if self.endpoint else "") or str(self.json.get("model", ""))

    def shows(self, text: str) -> bool:
        """Tell whether a text is anywhere in the request: path, query, headers or body."""
        return text in repr((self.path, self.query, self.headers)) or text.encode() in self.body


@dataclass
class Provider:
    """A provider; all of its attributes may be set by a test, and `reset` restores what they were at its start.

    Attributes:
        name: part of its answers.
        vendor: whose APIs it has; None for those of all.
        key: what requests must show where the vendor looks for it, or they get 401; None to look at none.
        text: what its models say.
        usage: the tokens it tells; None to count words.
        tool: the tool that its models call where a request offers tools.
        models: those that it has; None for any.
        plan: what the next requests meet, one each; None for a normal answer.
        always: what requests meet after these.
        behave: says by the request what it meets; asked before `plan`.
        seen: the requests so far.
        port: where it listens; the same after `stop` and `start`.
        address: of loopback, where it listens.
    """

    name: str = "provider"
    vendor: Vendor | None = None
    key: str | None = None
    text: str = ""
    usage: Usage | None = None
    tool: ToolCall | None = None
    models: tuple[str, ...] | None = None
    plan: deque[Fault | None] = field(default_factory=deque)
    always: Fault | None = None
    behave: Callable[[Received], Fault | None] | None = None
    seen: list[Received] = field(default_factory=list)
    port: int = 0
    address: str = "127.0.0.1"
    tls: ssl.SSLContext | None = None
    _runner: web.ServerRunner | None = None
    _news: asyncio.Condition = field(default_factory=asyncio.Condition)

    @property
    def url(self) -> str:
        """Where it listens, without a path."""
        return f"{'https' if self.tls else 'http'}://{self.address}:{self.port}"

    def reset(self) -> None:
        """Forget the requests, and answer normally again."""
        self.seen, self.plan, self.always, self.behave = [], deque(), None, None
        self.text, self.usage, self.tool, self.models = f"Hello from {self.name}.", None, None, None

    async def saw(self, count: int, within: float = 5) -> list[Received]:
        """Return the requests, once there are as many."""
        async with asyncio.timeout(within), self._news:
            await self._news.wait_for(lambda: len(self.seen) >= count)
        return self.seen

    async def start(self) -> None:
        """Listen, on the port of before if there was one."""
        self._runner = web.ServerRunner(web.Server(self._handle), shutdown_timeout=0.1)
        await self._runner.setup()
        site = web.TCPSite(self._runner, self.address, self.port, ssl_context=self.tls, reuse_address=True)
        await site.start()
        self.port = self._runner.addresses[0][1]

    async def stop(self) -> None:
        """Refuse connections, and end those that there are."""
        if self._runner is not None:
            await self._runner.cleanup()
        self._runner = None

    async def _handle(self, request: web.BaseRequest) -> web.StreamResponse:
        path, _, query = request.raw_path.partition("?")
        headers = tuple((key.decode().lower(), value.decode("latin-1")) for key, value in request.raw_headers)
        body = await request.content.read()
        seen = Received(request.method, path, query, headers, body, endpoint(path, self.vendor))
        async with self._news:
            self.seen.append(seen)
            self._news.notify_all()
        fault = self._fault(seen)
        where = seen.endpoint or UNKNOWN
        if isinstance(fault, Held) and not fault.after:
            await fault.until.wait()
        if isinstance(fault, Cut) and not fault.after:
            return _reset(request)
        if isinstance(fault, Status):
            return _failed(where, fault)
        try:
            found = self._answer(seen)
        except Refusal as refused:
            return _refused(where, refused)
        if isinstance(found, Stream):
            return await _send(request, found, fault)
        if isinstance(fault, Cut):
            return await _half(request, found)
        return _response(200, found.encoded(), found.content_type)

    def _fault(self, seen: Received) -> Fault | None:
        found = self.behave(seen) if self.behave else None
        if found is not None:
            return found
        return self.plan.popleft() if self.plan else self.always

    def _answer(self, seen: Received) -> Whole | Stream:
        where = seen.endpoint
        if where is None:
            raise Refusal(404, f"Invalid URL ({seen.method} {seen.path})")
        headers, query = dict(seen.headers), dict(parse_qsl(seen.query))
        if self.key is not None and shown_key(where, headers, query) != self.key:
            raise Refusal(401, "Incorrect API key provided.")
        if where.api is Api.MODELS:
            return self._models(seen, where, headers)
        if seen.method != "POST":
            raise Refusal(405, "Method not allowed.")
        if where.api is Api.TRANSCRIPTIONS:
            return Whole({"text": self.text})
        given = _parsed(seen)
        body = {"model": where.model, **given} if where.model and where.api in openai_api.APIS else given
        return self._said(where, body, headers, query)

    def _said(
        self, where: Endpoint, body: dict[str, Any], headers: dict[str, str], query: dict[str, str]
    ) -> Whole | Stream:
        if where.api in (Api.MESSAGES, Api.COUNT_TOKENS):
            anthropic_api.validate(where, body, headers)
            said = self._say(body["model"], anthropic_api.texts(body), anthropic_api.limit(body), body)
            return anthropic_api.answer(where, body, said)
        if where.api in (Api.GENERATE, Api.STREAM_GENERATE):
            gemini_api.validate(where, body)
            said = self._say(where.model, gemini_api.texts(body), gemini_api.limit(body), body)
            return gemini_api.answer(where, said, events=query.get("alt") == "sse")
        openai_api.validate(where, body)
        said = self._say(body.get("model", ""), openai_api.texts(where.api, body), openai_api.limit(body), body)
        return openai_api.answer(where, body, said)

    def _say(self, model: str, texts: list[str], limit: int | None, body: dict[str, Any]) -> Said:
        if self.models is not None and model not in self.models:
            text = f"The model `{model}` does not exist or you do not have access to it."
            raise Refusal(404, text, "model_not_found")
        text = self.text
        cut = limit is not None and words(text) > limit
        if cut:
            text = " ".join(text.split()[:limit])
        usage = self.usage or Usage(words(*texts), words(text))
        return Said(model, len(self.seen), text, usage, cut, self.tool if body.get("tools") else None)

    def _models(self, seen: Received, where: Endpoint, headers: dict[str, str]) -> Whole:
        names, one = list(self.models or ()), seen.path.partition("/models/")[2]
        if one and one not in names:
            raise Refusal(404, f"The model '{one}' does not exist", "model_not_found", "model")
        if where.vendor is Vendor.ANTHROPIC or "anthropic-version" in headers:
            return Whole(anthropic_api.model(one)) if one else anthropic_api.models(names)
        return Whole(openai_api.model(one, self.name)) if one else openai_api.models(names, self.name)


def _parsed(seen: Received) -> dict[str, Any]:
    """Return the body, or refuse what is no object of JSON or says that it is something else."""
    if "application/json" not in "".join(seen.values("content-type")).lower():
        raise Refusal(415, "Unsupported Media Type: Only 'application/json' is allowed")
    try:
        found = json.loads(seen.body)
    except ValueError:
        raise Refusal(400, "We could not parse the JSON body of your request.") from None
    if not isinstance(found, dict):
        raise Refusal(400, "The body of the request is not an object.")
    return found


def _response(status: int, body: bytes, content_type: str, **headers: str) -> web.Response:
    fields = {name.replace("_", "-"): value for name, value in headers.items()}
    return web.Response(status=status, body=body, content_type=content_type, headers=fields)


def _refused(where: Endpoint, refused: Refusal) -> web.Response:
    body = error(where, refused.status, refused.message, refused.code, refused.param)
    return _response(refused.status, json.dumps(body).encode(), "application/json")


def _failed(where: Endpoint, fault: Status) -> web.Response:
    headers = {} if fault.retry_after is None else {"retry_after": str(fault.retry_after)}
    if fault.body is not None:
        return _response(fault.status, fault.body, "text/html", **headers)
    body = error(where, fault.status, fault.message, fault.code)
    return _response(fault.status, json.dumps(body).encode(), "application/json", **headers)


def _reset(request: web.BaseRequest) -> web.StreamResponse:
    """Have the connection reset: its client gets RST."""
    transport = request.transport
    if transport is not None:
        connection: socket.socket = transport.get_extra_info("socket")
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        transport.abort()
    return web.Response()


async def _begin(request: web.BaseRequest, content_type: str, length: int | None = None) -> web.StreamResponse:
    response = web.StreamResponse(headers={"content-type": content_type})
    response.content_length = length
    await response.prepare(request)
    return response


async def _half(request: web.BaseRequest, found: Whole) -> web.StreamResponse:
    body = found.encoded()
    response = await _begin(request, found.content_type, len(body))
    await response.write(body[: len(body) // 2])
    await asyncio.sleep(0)
    return _reset(request)


async def _send(request: web.BaseRequest, found: Stream, fault: Fault | None) -> web.StreamResponse:
    """Send events, each in a piece of its own, and what the fault has for the place after so many of them."""
    response = await _begin(request, "text/event-stream; charset=utf-8")
    after = fault.after if isinstance(fault, Cut | ErrorEvent | Ended | Held) else None
    for index, each in enumerate(found.events):
        if index == after:
            match fault:
                case Cut():
                    return _reset(request)
                case ErrorEvent():
                    await response.write(found.error)
                    break
                case Ended():
                    break
                case Held() if index:
                    await fault.until.wait()
        await response.write(each)
    await response.write_eof()
    return response


@contextlib.asynccontextmanager
async def provider(
    name: str = "provider",
    vendor: Vendor | None = None,
    key: str | None = None,
    tls: ssl.SSLContext | None = None,
    address: str = "127.0.0.1",
    port: int = 0,
) -> AsyncIterator[Provider]:
    """Run a provider on a port of loopback, a free one unless it is said; by TLS if there is a context for it."""
    made = Provider(name, vendor, key, port=port, address=address, tls=tls)
    made.reset()
    await made.start()
    try:
        yield made
    finally:
        await made.stop()
