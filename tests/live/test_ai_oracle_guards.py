"""What a guard rejects reaches no provider, wherever in a request it is and however it is written."""

from __future__ import annotations

import gzip
import json
from typing import Any

import anthropic
import openai
import pytest
from openai.types.chat import ChatCompletionMessageParam

from tests.ai.clients import anthropic_client, openai_client
from tests.ai.provider import Provider
from tests.ai.worlds import Manifest, in_order, model_route, policy, secrets, three
from tests.live.proxy import Proxy

WORD = "Project-X"
CHAT, MESSAGES, RESPONSES = "/v1/chat/completions", "/v1/messages", "/v1/responses"
HI: list[ChatCompletionMessageParam] = [{"role": "user", "content": "Hi"}]
TOOL = {"type": "function", "function": {"name": "f", "parameters": {"type": "object"}}}
REJECT: Manifest = {"promptGuard": {"request": [{"name": "secrets", "regex": {"matches": ["(?i)project-x"]}}]}}


def _chat(**fields: Any) -> dict[str, Any]:
    return {"model": "m", "messages": HI, **fields}


def _user(content: Any) -> dict[str, Any]:
    return _chat(messages=[{"role": "user", "content": content}])


def _called(arguments: str) -> dict[str, Any]:
    call = {"id": "c", "type": "function", "function": {"name": "f", "arguments": arguments}}
    said = {"role": "assistant", "content": None, "tool_calls": [call]}
    return _chat(messages=[*HI, said, {"role": "tool", "tool_call_id": "c", "content": "x"}])


PLACES: dict[str, tuple[str, dict[str, Any]]] = {
    "user": (CHAT, _user(f"What is {WORD}?")),
    "in capitals": (CHAT, _user("PROJECT-X")),
    "part": (CHAT, _user([{"type": "text", "text": WORD}])),
    "second part": (CHAT, _user([{"type": "text", "text": "a"}, {"type": "text", "text": WORD}])),
    "system": (CHAT, _chat(messages=[{"role": "system", "content": WORD}, *HI])),
    "developer": (CHAT, _chat(messages=[{"role": "developer", "content": [{"type": "text", "text": WORD}]}, *HI])),
    "assistant": (CHAT, _chat(messages=[*HI, {"role": "assistant", "content": WORD}])),
    "tool result": (
        CHAT,
        _chat(messages=[*_called("{}")["messages"][:-1], {"role": "tool", "tool_call_id": "c", "content": WORD}]),
    ),
    "arguments": (CHAT, _called(json.dumps({"x": WORD}))),
    "name": (CHAT, _chat(messages=[{"role": "user", "name": "about Project-X", "content": "Hi"}])),
    "description of a tool": (
        CHAT,
        _chat(tools=[{"type": "function", "function": {**TOOL["function"], "description": WORD}}]),  # type: ignore[dict-item]
    ),
    "schema of a tool": (
        CHAT,
        _chat(tools=[{"type": "function", "function": {"name": "f", "parameters": {"description": WORD}}}]),
    ),
    "enum of a schema": (
        CHAT,
        _chat(tools=[{"type": "function", "function": {"name": "f", "parameters": {"enum": ["a", f"the {WORD}"]}}}]),
    ),
    "prediction": (CHAT, _chat(prediction={"type": "content", "content": WORD})),
    "prompt": ("/v1/completions", {"model": "m", "prompt": WORD}),
    "prompts": ("/v1/completions", {"model": "m", "prompt": ["a", WORD]}),
    "suffix": ("/v1/completions", {"model": "m", "prompt": "a", "suffix": f"and {WORD}"}),
    "embedding": ("/v1/embeddings", {"model": "m", "input": WORD}),
    "embeddings": ("/v1/embeddings", {"model": "m", "input": ["a", WORD]}),
    "input": (RESPONSES, {"model": "m", "input": WORD}),
    "inputs": (RESPONSES, {"model": "m", "input": [{"role": "user", "content": WORD}]}),
    "parts of inputs": (
        RESPONSES,
        {"model": "m", "input": [{"role": "user", "content": [{"type": "input_text", "text": WORD}]}]},
    ),
    "instructions": (RESPONSES, {"model": "m", "input": "a", "instructions": WORD}),
    "image": ("/v1/images/generations", {"model": "m", "prompt": WORD}),
    "speech": ("/v1/audio/speech", {"model": "m", "input": WORD, "voice": "alloy"}),
    "messages": (MESSAGES, {"model": "m", "max_tokens": 9, "messages": [{"role": "user", "content": WORD}]}),
    "its system": (MESSAGES, {"model": "m", "max_tokens": 9, "system": WORD, "messages": HI}),
    "its systems": (
        MESSAGES,
        {"model": "m", "max_tokens": 9, "system": [{"type": "text", "text": WORD}], "messages": HI},
    ),
    "its result": (
        MESSAGES,
        {
            "model": "m",
            "max_tokens": 9,
            "messages": [
                {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "t", "content": WORD}]},
            ],
        },
    ),
    "its document": (
        MESSAGES,
        {
            "model": "m",
            "max_tokens": 9,
            "messages": [
                {
                    "role": "user",
                    "content": [
                        {"type": "document", "source": {"type": "text", "media_type": "text/plain", "data": WORD}}
                    ],
                }
            ],
        },
    ),
    "count": ("/v1/messages/count_tokens", {"model": "m", "messages": [{"role": "user", "content": WORD}]}),
    "a field that nobody knows": (CHAT, _chat(vendor_option={"hint": f"see {WORD}"})),
    "metadata": (CHAT, _chat(metadata={"about": f"see {WORD}"}, store=True)),
}
TWICE = f'{{"model": "m", "messages": [{{"role": "user", "content": "{WORD}", "content": "Hi"}}]}}'.encode()
PLAIN = json.dumps(_user(WORD)).encode()
WRITTEN: dict[str, tuple[bytes, dict[str, str]]] = {
    "escaped": (PLAIN.replace(b"Project-X", b"Pr\\u006fject\\u002dX"), {}),
    "all escaped": (PLAIN.replace(b"Project-X", "".join(f"\\u{ord(each):04x}" for each in WORD).encode()), {}),
    "twice": (TWICE, {}),
    "messages twice": (PLAIN[:-1] + b', "messages": [{"role": "user", "content": "Hi"}]}', {}),
    "escaped key": (PLAIN.replace(b"content", b"c\\u006fntent"), {}),
    "marked": (b"\xef\xbb\xbf" + PLAIN, {}),
    "utf-16": (PLAIN.decode().encode("utf-16"), {}),
    "utf-32": (PLAIN.decode().encode("utf-32"), {}),
    "gzip": (gzip.compress(PLAIN, mtime=0), {"content-encoding": "gzip"}),
    "gzip unsaid": (gzip.compress(PLAIN, mtime=0), {}),
    "deflate": (PLAIN, {"content-encoding": "deflate"}),
    "text": (PLAIN, {"content-type": "text/plain"}),
    "form": (b"prompt=Project-X&model=m", {"content-type": "application/x-www-form-urlencoded"}),
    "two documents": (json.dumps(_user("Hi")).encode() + PLAIN, {}),
    "far behind": (json.dumps({"user": "x" * 900_000, **_user(WORD)}).encode(), {}),
    "too far behind": (json.dumps({"user": "x" * 1_100_000, **_user(WORD)}).encode(), {}),
    "deep": (json.dumps({**_user(WORD), "x": json.loads("[" * 400 + "]" * 400)}).encode(), {}),
    "not a number": (PLAIN[:-1] + b', "x": NaN}', {}),
    "bad utf-8": (PLAIN[:-1] + b', "x": "\xff"}', {}),
}


def texts(value: Any) -> list[str]:
    """Return all texts in a value, those too that are JSON in a text."""
    if isinstance(value, dict):
        return [text for each in (*value.keys(), *value.values()) for text in texts(each)]
    if isinstance(value, list):
        return [text for each in value for text in texts(each)]
    return [value] if isinstance(value, str) else []


def leaked(served: Provider) -> list[bytes]:
    """Return the bodies in which some provider reads the word."""
    found = []
    for each in served.seen:
        bodies = [each.body]
        if each.body[:2] == b"\x1f\x8b":
            bodies.append(gzip.decompress(each.body))
        for body in bodies:
            try:
                read = texts(json.loads(body, object_pairs_hook=lambda pairs: [list(pair) for pair in pairs]))
            except (ValueError, RecursionError):
                read = [body.decode(errors="replace")]
            if any(WORD.lower() in text.lower() for text in read):
                found.append(each.body)
    return found


async def guarded(proxy: Proxy, found: dict[str, Provider], ai: Manifest, style: str = "headers") -> Provider:
    """Serve the first provider, or Anthropic's, behind a policy; return it."""
    name = "red" if style == "headers" else "green"
    await proxy.apply(*secrets(), in_order(style, found, (name,)), model_route(), policy(ai=ai))
    return found[name]


@pytest.mark.parametrize("place", PLACES)
async def test_no_place_is_overlooked(ai_proxy: Proxy, place: str) -> None:
    """The text is found in every field that a provider reads, of every API; the answer is the client's own error."""
    path, body = PLACES[place]
    style = "vendors" if "/messages" in path else "headers"
    async with three(style, judged=False) as found:
        served = await guarded(ai_proxy, found, REJECT, style)
        headers = {"content-type": "application/json", "anthropic-version": "2023-06-01"}
        answer = await ai_proxy.request(path, method="POST", headers=headers, body=json.dumps(body).encode())
        assert leaked(served) == []
        assert answer.status == 403, answer.body
        assert {"message", "type"} <= set(json.loads(answer.body)["error"])
        clean = json.dumps(body).replace(WORD, "nothing").replace(WORD.upper(), "nothing").encode()
        answer = await ai_proxy.request(path, method="POST", headers=headers, body=clean)
        assert answer.status != 403
        assert len(served.seen) == 1


@pytest.mark.parametrize("way", WRITTEN)
async def test_no_way_to_write_it_leads_around(ai_proxy: Proxy, way: str) -> None:
    """However the text and the body are written, no provider reads the text."""
    body, headers = WRITTEN[way]
    async with three("headers") as found:
        served = await guarded(ai_proxy, found, REJECT)
        for path in (CHAT, "/v1/chat/completions/", "/v1//chat/completions", "/v1/%63hat/completions", "/v1/other"):
            for method in ("POST", "PUT", "GET"):
                await ai_proxy.request(
                    path, method=method, headers={"content-type": "application/json", **headers}, body=body
                )
        assert leaked(served) == []


async def test_masks_leave_whole_requests(ai_proxy: Proxy) -> None:
    """What is masked is replaced and nothing else: the provider still takes the request, tools and images and all."""
    content: Any = [
        {"type": "text", "text": 'Write "ada@example.com" \\ ü \u2028 or call +1 415 555 2671.'},
        {"type": "image_url", "image_url": {"url": "data:image/png;base64,QUJD"}},
    ]
    guard = {"promptGuard": {"request": [{"name": "people", "regex": {"builtins": ["Email"], "action": "Mask"}}]}}
    async with three("headers") as found, openai_client(f"http://127.0.0.1:{ai_proxy.port}/v1") as client:
        served = await guarded(ai_proxy, found, guard)
        await client.chat.completions.create(
            model="m",
            messages=[{"role": "user", "content": content}],
            tools=[{"type": "function", "function": {"name": "f", "description": "Mail a@b.example"}}],
            temperature=0.1,
        )
        seen = served.seen[0].json
        masked = content[0]["text"].replace("ada@example.com", "<EMAIL>")
        assert seen["messages"] == [{"role": "user", "content": [{"type": "text", "text": masked}, content[1]]}]
        assert seen["tools"][0]["function"]["description"] == "Mail <EMAIL>"
        assert seen["temperature"] == 0.1


async def test_rejections_are_the_clients_own_errors(ai_proxy: Proxy) -> None:
    """Both vendors' clients get their own errors, with the policy's message, whole and streamed."""
    url = f"http://127.0.0.1:{ai_proxy.port}"
    regex = {"matches": [WORD], "response": {"status": 422, "message": "Leave that out."}}
    guard = {"promptGuard": {"request": [{"name": "secrets", "regex": regex}]}}
    async with three("headers") as found, openai_client(f"{url}/v1") as gpt, anthropic_client(url) as claude:
        served = await guarded(ai_proxy, found, guard)
        said: Any = [{"role": "user", "content": WORD}]
        for stream in (False, True):
            with pytest.raises(openai.UnprocessableEntityError, match="Leave that out"):
                await gpt.chat.completions.create(model="m", messages=said, stream=stream)
            with pytest.raises(anthropic.UnprocessableEntityError, match="Leave that out"):
                await claude.messages.create(model="m", max_tokens=9, messages=said, stream=stream)
        assert served.seen == []


async def test_messages_are_for_chats(ai_proxy: Proxy) -> None:
    """Requests that have no messages get none."""
    ai = {"prompt": {"prepend": [{"role": "system", "content": "FIRST"}]}}
    async with three("headers") as found, openai_client(f"http://127.0.0.1:{ai_proxy.port}/v1") as client:
        served = await guarded(ai_proxy, found, ai)
        await client.embeddings.create(model="m", input="Hi")
        await client.images.generate(model="m", prompt="Hi")
        assert not any("messages" in each.json for each in served.seen)


async def test_prompts_and_fields_are_added(ai_proxy: Proxy) -> None:
    """Messages come before and behind the client's, defaults where it says nothing, overrides whatever it says."""
    ai = {
        "prompt": {
            "prepend": [{"role": "system", "content": "FIRST"}],
            "append": [{"role": "user", "content": "LAST"}],
        },
        "defaults": {"temperature": 0.25, "max_completion_tokens": 50},
        "overrides": {"store": False, "user": "gateway"},
    }
    async with three("headers") as found, openai_client(f"http://127.0.0.1:{ai_proxy.port}/v1") as client:
        served = await guarded(ai_proxy, found, ai)
        await client.chat.completions.create(model="m", messages=HI, temperature=0.75, user="client", store=True)
        seen = served.seen[0].json
        assert [each["content"] for each in seen["messages"]] == ["FIRST", "Hi", "LAST"]
        assert (seen["temperature"], seen["max_completion_tokens"]) == (0.75, 50)
        assert (seen["store"], seen["user"]) == (False, "gateway")
