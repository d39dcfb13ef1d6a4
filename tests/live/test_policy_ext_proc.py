"""External processors by TrafficPolicies and GatewayExtensions: gRPC servers that see requests and responses."""

from __future__ import annotations

import pytest
from google.protobuf.struct_pb2 import Struct

from headgate_proto.envoy.service.ext_proc.v3.external_processor_pb2 import ProcessingRequest, ProcessingResponse
from tests.live.objects import (
    endpoints,
    prefix,
    route,
    rule,
)
from tests.live.processor import Processor, answer, extension, headers_of, immediate, processed, streamed, use
from tests.live.proxy import Proxy
from tests.live.upstream import Upstream

LEVELS = ("gateway", "route")


@pytest.mark.parametrize("level", LEVELS)
async def test_headers(proxy: Proxy, one: Processor, level: str) -> None:
    """A processor gets the headers of requests and responses, and changes them; nothing else unless it is asked for."""

    async def decide(phase: str, found: ProcessingRequest) -> ProcessingResponse:
        if phase == "request_headers":
            return answer(phase, set={"x-added": headers_of(found.request_headers.headers)["x-own"]}, remove=["x-own"])
        return answer(phase, set={"x-status": headers_of(found.response_headers.headers)[":status"]})

    one.decide = decide
    await proxy.apply(processed(level, use()), route(rule("alpha")))
    found = await proxy.request(headers={"X-Own": "7"}, method="POST", body=b"body")
    assert (found.sent("x-added"), found.sent("x-own")) == (["7"], [])
    assert found.headers["x-status"] == "200"
    assert one.phases == ["request_headers", "response_headers"]


async def test_the_host_stays(proxy: Proxy, one: Processor) -> None:
    """What a processor says of the host, the method and the scheme is left out; it may change the path."""

    async def decide(phase: str, _: ProcessingRequest) -> ProcessingResponse | None:
        changes = {":authority": "evil.com", "host": "evil.com", ":method": "PUT", ":scheme": "ftp", ":path": "/new"}
        return answer(phase, set=changes) if phase == "request_headers" else None

    one.decide = decide
    await proxy.apply(processed("route", use()), route(rule("alpha")))
    found = (await proxy.request("/old", host="example.com")).echo
    assert (found["method"], found["path"]) == ("GET", "/new")
    assert dict(found["headers"])["host"] == "example.com"


@pytest.mark.parametrize("mode", ["BUFFERED", "STREAMED", "BUFFERED_PARTIAL"])
async def test_bodies(proxy: Proxy, one: Processor, alpha: Upstream, mode: str) -> None:
    """A processor gets bodies in both directions, as a whole or in pieces, and replaces them."""
    seen: dict[str, bytes] = {"request_body": b"", "response_body": b""}

    async def decide(phase: str, found: ProcessingRequest) -> ProcessingResponse | None:
        if not phase.endswith("_body"):
            return answer(phase, remove=["content-length"])
        body = getattr(found, phase).body
        seen[phase] += body
        return answer(phase, body=body.upper())

    one.decide = decide
    modes = {"requestBodyMode": mode, "responseBodyMode": mode, "requestHeaderMode": "SEND"}
    await proxy.apply(processed("route", use(processingMode=modes)), route(rule("alpha")))
    # A body in one mode is longer than what the proxy holds for a connection by itself.
    sent = b"abc" * 100_000
    found = await proxy.request(method="POST", body=sent)
    assert found.status == 200
    assert seen["request_body"] == sent[: len(seen["request_body"])]
    assert alpha.seen[-1].body[: len(seen["request_body"])] == seen["request_body"].upper()
    assert len(alpha.seen[-1].body) == len(sent)
    assert found.body == seen["response_body"].upper()
    if mode != "BUFFERED_PARTIAL":
        assert seen["request_body"] == sent
    if mode == "BUFFERED":
        assert one.phases.count("request_body") == 1


async def test_bodies_that_are_too_long(proxy: Proxy, one: Processor, alpha: Upstream) -> None:
    """A body of more than a mebibyte is too long to be processed as a whole, unless a policy has longer ones kept."""
    modes = {"requestBodyMode": "BUFFERED", "responseBodyMode": "NONE"}
    policy = processed("gateway", use(processingMode=modes))
    await proxy.apply(policy, route(rule("alpha")))
    longest = b"x" * (1024 * 1024)
    assert (await proxy.request(method="POST", body=longest)).status == 200
    assert len(one.request("request_body").request_body.body) == len(longest)
    before = len(alpha.seen)
    assert (await proxy.request(method="POST", body=longest * 2)).status == 413
    assert len(alpha.seen) == before
    policy["spec"]["buffer"] = {"maxRequestSize": "3Mi"}
    await proxy.apply(policy)
    assert (await proxy.request(method="POST", body=longest * 2)).status == 200
    assert len(one.request("request_body").request_body.body) == len(longest) * 2


async def test_bodies_in_both_directions(proxy: Proxy, one: Processor, alpha: Upstream) -> None:
    """With FULL_DUPLEX_STREAMED a processor responds to pieces of a body when it likes, with more or fewer pieces."""
    held: list[bytes] = []

    async def decide(phase: str, found: ProcessingRequest) -> ProcessingResponse | None:
        if phase != "request_body":
            return answer(phase, remove=["content-length"]) if phase == "request_headers" else None
        held.append(found.request_body.body)
        end = found.request_body.end_of_stream
        return streamed(phase, b"".join(held).upper(), end) if end else None

    one.decide, one.may_be_silent = decide, True
    modes = {"requestBodyMode": "FULL_DUPLEX_STREAMED", "requestTrailerMode": "SEND", "responseHeaderMode": "SKIP"}
    await proxy.apply(processed("route", use(processingMode=modes)), route(rule("alpha")))
    found = await proxy.request(method="POST", body=b"abc" * 20_000)
    assert found.status == 200
    assert alpha.seen[-1].body == b"ABC" * 20_000
    assert len(held) > 1


async def test_trailers(proxy: Proxy, one: Processor, alpha: Upstream) -> None:
    """A processor gets the trailers of responses where there are some, and none of their headers if it skips them."""
    modes = {
        "requestHeaderMode": "SKIP",
        "responseHeaderMode": "SKIP",
        "requestTrailerMode": "SEND",
        "responseTrailerMode": "SEND",
        "responseBodyMode": "BUFFERED",
    }
    await proxy.apply(processed("route", use(processingMode=modes)), route(rule("alpha")))
    assert (await proxy.request()).backend == "alpha"
    assert one.phases == ["response_body"]


async def test_modes_of_its_own(proxy: Proxy, one: Processor) -> None:
    """A processor chooses other modes for a request where its extension lets it, of those that are listed."""

    async def decide(phase: str, found: ProcessingRequest) -> ProcessingResponse | None:
        if phase != "request_headers":
            return None
        made = answer(phase)
        wanted = headers_of(found.request_headers.headers).get("x-mode", "BUFFERED")
        made.mode_override.response_header_mode = 2  # type: ignore[assignment]
        made.mode_override.request_body_mode = {"BUFFERED": 2, "STREAMED": 1}[wanted]  # type: ignore[assignment]
        return made

    one.decide = decide
    allowed = [{"requestBodyMode": "BUFFERED", "responseHeaderMode": "SKIP"}]
    await proxy.apply(processed("route", use()), route(rule("alpha")))
    for overrides, wanted, phases in (
        ({}, "BUFFERED", ["request_headers", "response_headers"]),
        ({"allowModeOverride": True}, "STREAMED", ["request_headers", "request_body"]),
        ({"allowModeOverride": True, "allowedModeOverrides": allowed}, "BUFFERED", ["request_headers", "request_body"]),
        (
            {"allowModeOverride": True, "allowedModeOverrides": allowed},
            "STREAMED",
            ["request_headers", "response_headers"],
        ),
    ):
        await proxy.apply(extension("one", **overrides))
        one.seen = []
        assert (await proxy.request(method="POST", body=b"body", headers={"X-Mode": wanted})).status == 200
        assert list(dict.fromkeys(one.phases)) == phases, (overrides, wanted)


async def test_attributes_and_metadata(proxy: Proxy, one: Processor, two: Processor) -> None:
    """A processor gets the attributes that are asked for, and the metadata of a processor before it."""

    async def decide(phase: str, _: ProcessingRequest) -> ProcessingResponse | None:
        metadata = Struct()
        metadata.update({"shop": {"tenant": "red"}, "other": {"tenant": "blue"}})
        return answer(phase, metadata=metadata) if phase == "request_headers" else None

    one.decide = decide
    writes = use(
        requestAttributes=["request.path", "source.address", "request.headers['x-a']"],
        responseAttributes=["response.code"],
        metadataOptions={"receiving": {"untyped": ["shop"]}},
        filterStage={"weight": 5},
    )
    reads = use("two", metadataOptions={"forwarding": {"untyped": ["shop", "other"], "typed": ["shop"]}})
    await proxy.apply(processed("gateway", writes, reads), route(rule("alpha")))
    assert (await proxy.request("/x", headers={"X-A": "b"})).backend == "alpha"
    (found,) = one.request("request_headers").attributes.values()
    assert found["request.path"] == "/x"
    assert str(found["source.address"]).startswith("127.0.0.1:")
    assert found["request.headers['x-a']"] == "b"
    (found,) = one.request("response_headers").attributes.values()
    assert found["response.code"] == 200
    forwarded = two.request("request_headers").metadata_context.filter_metadata
    assert {name: dict(each) for name, each in forwarded.items()} == {"shop": {"tenant": "red"}}


async def test_the_extension_says_what_policies_do_not(proxy: Proxy, one: Processor) -> None:
    """Modes, attributes and metadata of the extension are effective where a policy says nothing about them."""
    fields = {
        "processingMode": {"responseHeaderMode": "SKIP"},
        "requestAttributes": ["request.method"],
        "responseAttributes": ["response.code"],
        "metadataOptions": {"forwarding": {"untyped": ["shop"]}},
        "statPrefix": "shop",
        "maxMessageTimeout": "20s",
    }
    await proxy.apply(extension("one", **fields), processed("gateway", use()), route(rule("alpha")))
    assert (await proxy.request()).backend == "alpha"
    assert one.phases == ["request_headers"]
    (found,) = one.request("request_headers").attributes.values()
    assert dict(found) == {"request.method": "GET"}
    assert "ext_proc.shop.streams_started: 1" in await proxy.admin("/stats?filter=ext_proc.shop.streams_started")


async def test_it_responds_itself(proxy: Proxy, one: Processor, alpha: Upstream) -> None:
    """A processor responds in place of the backend, unless its extension does not let it: then it has failed."""

    async def decide(_: str, __: ProcessingRequest) -> ProcessingResponse:
        return immediate(451, "no")

    one.decide = decide
    await proxy.apply(processed("gateway", use()), route(rule("alpha")))
    found = await proxy.request()
    assert (found.status, found.body, alpha.seen) == (451, b"no", [])
    await proxy.apply(extension("one", disableImmediateResponse=True, failOpen=True))
    assert (await proxy.request()).backend == "alpha"


@pytest.mark.parametrize("level", LEVELS)
async def test_it_fails(proxy: Proxy, one: Processor, alpha: Upstream, level: str) -> None:
    """Requests get 500, or the status of the extension, if the processor fails; with `failOpen` they go on without."""

    async def decide(_: str, __: ProcessingRequest) -> ProcessingResponse:
        raise RuntimeError

    one.decide = decide
    await proxy.apply(processed(level, use()), route(rule("alpha")))
    assert (await proxy.request()).status == 500
    await proxy.apply(extension("one", statusOnError=503))
    assert (await proxy.request()).status == 503
    assert alpha.seen == []
    await proxy.apply(extension("one", failOpen=True))
    assert (await proxy.request()).backend == "alpha"
    await proxy.apply(processed(level, use(failOpen=False)))
    assert (await proxy.request()).status == 500
    await proxy.apply(extension("one"), processed(level, use(failOpen=True)))
    assert (await proxy.request()).backend == "alpha"


async def test_it_is_slow_down_or_answers_garbage(proxy: Proxy, one: Processor, alpha: Upstream) -> None:
    """No request passes a processor that does not respond in time, is gone, or responds to what it was not asked."""

    async def slow(_: str, __: ProcessingRequest) -> ProcessingResponse | None:
        return None

    async def wrong(_: str, __: ProcessingRequest) -> ProcessingResponse:
        return answer("response_headers")

    await proxy.apply(extension("one", messageTimeout="50ms"), processed("gateway", use()), route(rule("alpha")))
    one.decide, one.may_be_silent = slow, True
    assert (await proxy.request()).status == 504
    one.decide = wrong
    assert (await proxy.request()).status == 500
    await proxy.apply(endpoints("one", [one.port], ready=False))
    assert (await proxy.request()).status == 500
    assert alpha.seen == []


@pytest.mark.parametrize("level", LEVELS)
async def test_what_cannot_be_asked(proxy: Proxy, one: Processor, alpha: Upstream, level: str) -> None:
    """Requests get 500 while the extension, its Service or the right to refer to it is missing, and the status says it.

    With `failOpen` in the policy they go on without the processor.
    """
    missing = {"name": "lost", "extensionRef": {"name": "lost"}}
    elsewhere = {"name": "far", "extensionRef": {"name": "one", "namespace": "other"}}
    wrong = extension("wrong", statusOnError=418)
    nowhere = extension("nowhere")
    await proxy.apply(wrong, nowhere, route(rule("alpha")))
    for entry, condition, reason, words in (
        (missing, "ResolvedRefs", "ExtensionNotFound", "lost does not exist"),
        (elsewhere, "ResolvedRefs", "RefNotPermitted", "ReferenceGrant"),
        (use("wrong"), "ResolvedRefs", "Invalid", "418 is no status that Envoy knows"),
        (use("nowhere"), "ResolvedRefs", "BackendNotFound", "nowhere"),
    ):
        await proxy.apply(processed(level, entry))
        assert (await proxy.request()).status == 500, entry
        conditions = proxy.status("TrafficPolicy", "policy")["ancestors"][0]["conditions"]
        found = next(each for each in conditions if each["type"] == condition)
        assert (found["status"], found["reason"]) == ("False", reason), found
        assert words in found["message"]
        assert alpha.seen == []
        await proxy.apply(processed(level, entry | {"failOpen": True}, use()))
        assert (await proxy.request()).backend == "alpha"
        alpha.reset()


async def test_more_than_the_most(proxy: Proxy, one: Processor, alpha: Upstream) -> None:
    """Requests of a route with more processors than one may have, of several policies, get 500."""
    entries = [use() | {"name": f"p{number}"} for number in range(9)]
    policies = (processed("gateway", *entries[:4], name="wide"), processed("route", *entries[4:8]))
    await proxy.apply(*policies, route(rule("alpha")))
    assert (await proxy.request()).backend == "alpha"
    assert one.streams == 8
    alpha.reset()
    await proxy.apply(processed("route", *entries[4:]))
    assert ((await proxy.request()).status, alpha.seen) == (500, [])
    conditions = proxy.status("TrafficPolicy", "policy")["ancestors"][0]["conditions"]
    assert any("spec.extProc has 9 processors, and 8 are the most" in each["message"] for each in conditions)


async def test_of_one_rule(proxy: Proxy, one: Processor) -> None:
    """A processor is asked about the requests of the rule that has it, and of no other."""
    await proxy.apply(
        processed("rule", use(), name="own"), route(rule("alpha", name="named", matches=[prefix("/a")]), rule("beta"))
    )
    assert (await proxy.request("/b")).backend == "beta"
    assert one.streams == 0
    assert (await proxy.request("/a/b")).backend == "alpha"
    assert one.streams == 1
