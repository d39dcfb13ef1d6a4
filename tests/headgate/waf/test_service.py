"""`headgate waf` as a process, asked as proxies ask."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator
from typing import Any

import grpc.aio
import pytest
import pytest_asyncio

from headgate.waf.service import MOST_MESSAGE_BYTES, MOST_STREAMS
from headgate_proto.envoy.service.ext_proc.v3.external_processor_pb2 import ProcessingRequest, ProcessingResponse
from tests.headgate.waf.requests import ATTACK
from tests.live.waf_service import Waf, running_waf
from translator.waf_profile import METADATA, MOST_BYTES, Profile

METHOD = "/envoy.service.ext_proc.v3.ExternalProcessor/Process"
DEFAULT = Profile()
SECONDS = 30.0
"""How long a call may take, so that one without an answer fails its test."""


pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def waf() -> AsyncIterator[Waf]:
    """Run the service."""
    async with running_waf() as found:
        yield found


def headers(path: str = "/", method: str = "GET", end: bool = True, **more: str) -> ProcessingRequest:
    """Return the message with the headers of a request."""
    made = ProcessingRequest()
    fields = {":method": method, ":path": path, ":authority": "example.com", "user-agent": "test", "accept": "*/*"}
    for key, value in {**fields, **more}.items():
        made.request_headers.headers.headers.add(key=key.replace("_", "-"), raw_value=value.encode("latin-1"))
    made.request_headers.end_of_stream = end
    told = made.attributes["envoy.filters.http.ext_proc"]
    told.update({"source.address": "192.0.2.1:1234", "request.protocol": "HTTP/2", "xds.route_name": "the route"})
    return made


def body(text: bytes, end: bool = True) -> ProcessingRequest:
    """Return the message with the body of a request."""
    made = ProcessingRequest()
    made.request_body.body, made.request_body.end_of_stream = text, end
    return made


def form(text: bytes) -> list[ProcessingRequest]:
    """Return the messages of a form."""
    kind = "application/x-www-form-urlencoded"
    return [headers(method="POST", end=False, content_type=kind, content_length=str(len(text))), body(text)]


async def ask(waf: Waf, *messages: ProcessingRequest, profile: Profile | str | None = DEFAULT) -> list[Any]:
    """Return the responses to the messages of one request: statuses of refusals, or the names of parts."""
    text = profile.to_text() if isinstance(profile, Profile) else profile
    found: list[Any] = []
    async with grpc.aio.insecure_channel(f"127.0.0.1:{waf.port}") as channel:
        method = channel.stream_stream(METHOD, ProcessingRequest.SerializeToString, ProcessingResponse.FromString)
        call = method(metadata=None if text is None else ((METADATA, text),), timeout=SECONDS)
        with contextlib.suppress(grpc.aio.AioRpcError):
            for each in messages:
                await call.write(each)
                response = await call.read()
                if not isinstance(response, ProcessingResponse):
                    break
                part = response.WhichOneof("response")
                found.append(response.immediate_response.status.code if part == "immediate_response" else part)
                if part == "immediate_response":
                    break
            await call.done_writing()
        code = await call.code()
        return found if code is grpc.StatusCode.OK else [*found, code.name]


async def test_verdicts(waf: Waf) -> None:
    """Requests are refused or go on, once all of them is there; probes and metrics tell of it."""
    assert (await waf.get("/healthz"))[0] == 200
    before = await counts(waf)
    assert await ask(waf, headers()) == ["request_headers"]
    assert await ask(waf, headers(ATTACK)) == [403]
    assert await ask(waf, *form(b"id=1")) == ["request_headers", "request_body"]
    assert await ask(waf, *form(b"id=1' or 1=1--")) == ["request_headers", 403]
    assert [now - then for now, then in zip(await counts(waf), before, strict=True)] == [2, 2, 2, 4]
    assert await waf.metric("headgate_waf_processes") == 1


async def counts(waf: Waf) -> list[float]:
    """Return how many requests passed, were refused, matched a rule and were inspected."""
    series = ('inspections_total{outcome="passed"}', 'inspections_total{outcome="refused"}')
    more = ('rule_matches_total{rule="942100"}', "inspection_seconds_count")
    return [await waf.metric(f"headgate_waf_{each}") for each in (*series, *more)]


async def test_the_end_of_a_body_in_trailers(waf: Waf) -> None:
    """A request whose body has no bytes but trailers is inspected with these."""
    trailers = ProcessingRequest()
    trailers.request_trailers.SetInParent()
    assert await ask(waf, headers(ATTACK, end=False), trailers) == ["request_headers", 403]
    assert await ask(waf, headers(end=False), trailers) == ["request_headers", "request_trailers"]


async def test_long_bodies(waf: Waf) -> None:
    """A body that is longer than the profile says is refused, or inspected as far as that."""
    clean, hostile = form(b"a=" + b"b" * 200), form(b"a=" + b"b" * 200 + b"&c=1' or 1=1--")
    reject = Profile(body_bytes=100)
    for messages in (clean, hostile):
        assert await ask(waf, *messages, profile=reject) == ["request_headers", 413]
    passing = Profile(body_bytes=100, overflow="Pass")
    assert await ask(waf, *clean, profile=passing) == ["request_headers", "request_body"]
    assert await ask(waf, *hostile, profile=passing) == ["request_headers", "request_body"]
    early = form(b"c=1' or 1=1--&a=" + b"b" * 200)
    assert await ask(waf, *early, profile=passing) == ["request_headers", 403]
    part = b'--b\r\nContent-Disposition: form-data; name="%b"\r\n\r\n%b\r\n'
    for value, told in ((b"1' or 1=1--", 403), (b"1", "request_body")):
        parts = part % (b"a", value) + part % (b"c", b"x" * 300) + b"--b--\r\n"
        kind = {"content_type": "multipart/form-data; boundary=b", "content_length": str(len(parts))}
        messages = [headers(method="POST", end=False, **kind), body(parts)]
        assert await ask(waf, *messages, profile=passing) == ["request_headers", told]


async def test_upgrades(waf: Waf) -> None:
    """A request that goes over to another protocol is inspected by its headers; one that has a body too is refused."""
    upgrade = {"connection": "Upgrade", "upgrade": "websocket"}
    assert await ask(waf, headers(ATTACK, end=False, **upgrade)) == [403]
    messages = form(b"id=1' or 1=1--")
    for name, value in upgrade.items():
        messages[0].request_headers.headers.headers.add(key=name, raw_value=value.encode())
    assert await ask(waf, *messages) == [400]


async def test_the_audit_log(waf: Waf) -> None:
    """What rules match is reported in a line of JSON, without queries, headers, bodies and what was found in them."""
    waf.audit.clear()
    await ask(waf, headers("/login?id=1%27%20or%201=1--&password=sesame", authorization="Basic sesame"))
    await ask(waf, *form(b"id=1' or 1=1--&password=sesame"), profile=Profile(mode="DetectOnly"))
    await ask(waf, headers())
    refused, reported = await waf.audited(2)
    assert refused["time"]
    assert {
        key: refused[key] for key in ("action", "status", "client", "method", "host", "path", "route", "phase")
    } == {
        "action": "refused",
        "status": 403,
        "client": "192.0.2.1",
        "method": "GET",
        "host": "example.com",
        "path": "/login",
        "route": "the route",
        "phase": "request",
    }
    assert [each["id"] for each in refused["rules"]] == [942100, 949110]
    assert refused["rules"][0]["message"] == "SQL Injection Attack Detected via libinjection"
    assert (reported["action"], reported["status"]) == ("reported", 0)
    assert "sesame" not in json.dumps(waf.audit)
    assert "1=1" not in json.dumps(waf.audit)


async def test_nothing_of_bodies_is_written(capfd: pytest.CaptureFixture[str]) -> None:
    """What libraries say of a body that they cannot parse, which holds pieces of it, is written nowhere."""
    async with running_waf() as own:
        text = b"<a b=sesame><c></a>"
        first = headers(method="POST", end=False, content_type="text/xml", content_length=str(len(text)))
        assert await ask(own, first, body(text)) == ["request_headers", 400]
        await own.audited(1)
    told = capfd.readouterr()
    assert "sesame" not in told.err + told.out + json.dumps(own.audit)


async def test_the_audit_log_with_data() -> None:
    """With --audit-data, the audit log has queries and what rules have found."""
    async with running_waf("--audit-data") as waf:
        await ask(waf, headers(ATTACK))
        (line,) = await waf.audited(1)
        assert line["path"] == ATTACK
        assert "1' or 1=1--" in line["rules"][0]["data"]


@pytest.mark.parametrize(
    ("profile", "code"),
    [
        (None, "INVALID_ARGUMENT"),
        ("", "INVALID_ARGUMENT"),
        ("{", "INVALID_ARGUMENT"),
        ("[]", "INVALID_ARGUMENT"),
        ('{"mode": "Off"}', "INVALID_ARGUMENT"),
        ('{"paranoia": true}', "INVALID_ARGUMENT"),
        ('{"directives": "Include /etc/passwd"}', "INVALID_ARGUMENT"),
        ('{"directives": "' + "#" * MOST_BYTES + '"}', "INVALID_ARGUMENT"),
        (" " * 100_000, "RESOURCE_EXHAUSTED"),
        (Profile(directives='SecRule ARGS "@ipMatch none" "id:1"'), "FAILED_PRECONDITION"),
    ],
)
async def test_profiles_that_cannot_be_used(waf: Waf, profile: Any, code: str) -> None:
    """Without a profile that can be used nothing passes: the stream ends with an error."""
    # The stream is reset at once, before the request has been read, which the client may see first.
    assert await ask(waf, headers(), profile=profile) in ([code], ["INTERNAL"])
    assert await ask(waf, headers()) == ["request_headers"]


async def test_responses(waf: Waf) -> None:
    """Responses of texts are inspected where the profile says so; those of other types without their bodies."""

    def answer(kind: str) -> ProcessingRequest:
        made = ProcessingRequest()
        for key, value in ((":status", b"200"), ("content-type", kind.encode())):
            made.response_headers.headers.headers.add(key=key, raw_value=value)
        return made

    leak = ProcessingRequest()
    leak.response_body.body = (
        b"You have an error in your SQL syntax; check the manual that corresponds to your MySQL server"
    )
    profile = Profile(response=True)
    messages = (headers(), answer("text/html"), leak)
    assert await ask(waf, *messages, profile=profile) == ["request_headers", "response_headers", 403]
    assert await ask(waf, *messages) == ["request_headers", "response_headers", "response_body"]
    assert await ask(waf, headers(), answer("image/png"), profile=profile) == ["request_headers", "response_headers"]


async def test_messages_that_are_too_long(waf: Waf) -> None:
    """A message that is longer than the service takes ends the stream with an error."""
    long = form(b"a" * (MOST_MESSAGE_BYTES + 1))
    assert await ask(waf, *long) == ["request_headers", "RESOURCE_EXHAUSTED"]


async def test_requests_at_a_time(waf: Waf) -> None:
    """One connection has so many requests at a time, and further ones wait for these."""
    async with grpc.aio.insecure_channel(f"127.0.0.1:{waf.port}") as channel:
        method = channel.stream_stream(METHOD, ProcessingRequest.SerializeToString, ProcessingResponse.FromString)
        calls = [method(metadata=((METADATA, "{}"),)) for _ in range(MOST_STREAMS + 1)]
        for each in calls[:-1]:
            await each.write(headers(end=False))
            await each.read()
        last = asyncio.ensure_future(answered(calls[-1]))
        done, _ = await asyncio.wait([last], timeout=0.2)
        assert not done
        await calls[0].done_writing()
        assert await last == "request_headers"
        for each in calls:
            each.cancel()


async def answered(call: Any) -> str:
    """Return what is answered to the headers of a request."""
    await call.write(headers())
    part: str = (await call.read()).WhichOneof("response")
    return part


async def test_requests_under_way_are_answered() -> None:
    """A service that is told to stop answers the requests that it has begun with, and then ends."""
    async with running_waf() as waf, grpc.aio.insecure_channel(f"127.0.0.1:{waf.port}") as channel:
        method = channel.stream_stream(METHOD, ProcessingRequest.SerializeToString, ProcessingResponse.FromString)
        call = method(metadata=((METADATA, "{}"),))
        first, second = form(b"id=1' or 1=1--")
        await call.write(first)
        await call.read()
        waf.process.terminate()
        await call.write(second)
        response = await call.read()
        assert isinstance(response, ProcessingResponse)
        assert response.immediate_response.status.code == 403
        await call.done_writing()
