"""OpenAI's API: chat, completions, responses, embeddings, images, audio and models."""

from __future__ import annotations

import base64
import struct
from typing import Any

from tests.ai.answers import CREATED, Said, Stream, Whole, sse, texts_of
from tests.ai.schemas import check
from tests.ai.vendors import Api, Endpoint, Refusal, Vendor

DONE = sse("[DONE]")
PNG = base64.b64encode(b"\x89PNG\r\n\x1a\n").decode()
SOUND = b"ID3\x04sound"
DIMENSIONS = 3
APIS = frozenset({Api.CHAT, Api.COMPLETIONS, Api.EMBEDDINGS, Api.RESPONSES, Api.IMAGES, Api.SPEECH})


def validate(where: Endpoint, body: dict[str, Any]) -> None:
    """Raise a refusal of what OpenAI's API, or a vendor's imitation of it, would not take."""
    check(where.api, body, lenient=where.vendor is Vendor.ANTHROPIC)
    if where.api is Api.CHAT and not body["messages"]:
        raise Refusal(400, "Invalid 'messages': empty array.", "empty_array", "messages")
    if body.get("stream_options") is not None and not body.get("stream"):
        raise Refusal(
            400, "The 'stream_options' parameter is only allowed when 'stream' is enabled.", param="stream_options"
        )
    if where.api is Api.CHAT:
        _tools(body["messages"])


def _tools(messages: list[dict[str, Any]]) -> None:
    """Refuse results of tools that nobody called."""
    called: set[str] = set()
    for index, each in enumerate(messages):
        called |= {call["id"] for call in each.get("tool_calls") or ()}
        if each["role"] == "tool" and each["tool_call_id"] not in called:
            text = "messages with role 'tool' must be a response to a preceeding message with 'tool_calls'."
            raise Refusal(400, f"Invalid parameter: {text}", param=f"messages.[{index}].role")


def texts(api: Api, body: dict[str, Any]) -> list[str]:
    """Return the texts of a request's body, in their order."""
    if api is Api.CHAT:
        return [text for each in body["messages"] for text in texts_of(each.get("content"))]
    given = body.get("prompt", body.get("input", ""))
    if api is Api.RESPONSES and isinstance(given, list):
        return [text for each in given for text in texts_of(each.get("content"))]
    return texts_of(given) if isinstance(given, str) else [str(each) for each in given]


def limit(body: dict[str, Any]) -> int | None:
    """Return the most tokens that the answer may have."""
    for name in ("max_completion_tokens", "max_tokens", "max_output_tokens"):
        if isinstance(body.get(name), int):
            return int(body[name])
    return None


def answer(where: Endpoint, body: dict[str, Any], said: Said) -> Whole | Stream:
    """Answer a request that is valid."""
    match where.api:
        case Api.EMBEDDINGS:
            return _embeddings(body, said)
        case Api.IMAGES:
            return Whole({"created": CREATED, "data": [{"b64_json": PNG}]})
        case Api.SPEECH:
            return Whole(SOUND, "audio/mpeg")
        case Api.RESPONSES:
            return _responses(body, said)
        case Api.COMPLETIONS:
            return _completions(body, said)
        case _:
            return _chat(body, said)


def models(names: list[str], owner: str) -> Whole:
    """List models."""
    return Whole({"object": "list", "data": [model(name, owner) for name in names]})


def model(name: str, owner: str) -> dict[str, Any]:
    """Tell of one model."""
    return {"id": name, "object": "model", "created": CREATED, "owned_by": owner}


def _usage(said: Said) -> dict[str, Any]:
    return {
        "prompt_tokens": said.usage.input,
        "completion_tokens": said.usage.output,
        "total_tokens": said.usage.total,
        "prompt_tokens_details": {"cached_tokens": said.usage.cached},
    }


def _finish(said: Said) -> str:
    return "tool_calls" if said.tool else "length" if said.cut else "stop"


def _counted(body: dict[str, Any]) -> bool:
    return bool((body.get("stream_options") or {}).get("include_usage"))


def _chat(body: dict[str, Any], said: Said) -> Whole | Stream:
    head = {"id": f"chatcmpl-{said.number}", "created": CREATED, "model": said.model}
    if not body.get("stream"):
        message: dict[str, Any] = {"role": "assistant", "content": said.text, "refusal": None}
        if said.tool:
            call = {"name": said.tool.name, "arguments": said.tool.json}
            message |= {"content": None, "tool_calls": [{"id": said.tool.id, "type": "function", "function": call}]}
        choice = {"index": 0, "message": message, "logprobs": None, "finish_reason": _finish(said)}
        return Whole({**head, "object": "chat.completion", "choices": [choice], "usage": _usage(said)})
    deltas: list[dict[str, Any]] = [{"role": "assistant", "content": ""}]
    if said.tool:
        begun = {"index": 0, "id": said.tool.id, "type": "function"}
        deltas.append({"tool_calls": [{**begun, "function": {"name": said.tool.name, "arguments": ""}}]})
        deltas.append({"tool_calls": [{"index": 0, "function": {"arguments": said.tool.json}}]})
    else:
        deltas += [{"content": word} for word in said.words]
    still = {"index": 0, "logprobs": None, "finish_reason": None}
    choices: list[dict[str, Any]] = [{**still, "delta": each} for each in deltas]
    choices.append({**still, "delta": {}, "finish_reason": _finish(said)})
    return _streamed({**head, "object": "chat.completion.chunk"}, choices, body, said)


def _completions(body: dict[str, Any], said: Said) -> Whole | Stream:
    head: dict[str, Any] = {
        "id": f"cmpl-{said.number}",
        "object": "text_completion",
        "created": CREATED,
        "model": said.model,
    }
    if not body.get("stream"):
        choice = {"text": said.text, "index": 0, "logprobs": None, "finish_reason": _finish(said)}
        return Whole({**head, "choices": [choice], "usage": _usage(said)})
    still = {"index": 0, "logprobs": None, "finish_reason": None}
    choices: list[dict[str, Any]] = [{**still, "text": word} for word in said.words]
    choices.append({**still, "text": "", "finish_reason": _finish(said)})
    return _streamed(head, choices, body, said)


def _streamed(head: dict[str, Any], choices: list[dict[str, Any]], body: dict[str, Any], said: Said) -> Stream:
    """Write chunks; usage comes in one of its own, if it is asked for, and is null in the others."""
    counted = _counted(body)
    none = {"usage": None} if counted else {}
    events = [sse({**head, "choices": [each], **none}) for each in choices]
    if counted:
        events.append(sse({**head, "choices": [], "usage": _usage(said)}))
    broken = {"message": "The server had an error.", "type": "server_error", "param": None, "code": None}
    return Stream((*events, DONE), sse({"error": broken}))


def _embeddings(body: dict[str, Any], said: Said) -> Whole:
    given = body["input"]
    count = len(given) if isinstance(given, list) and given and not isinstance(given[0], int) else 1
    size = body.get("dimensions") or DIMENSIONS
    vectors = [[float(index + 1)] * size for index in range(count)]
    packed: list[Any] = list(vectors)
    if body.get("encoding_format") == "base64":
        packed = [base64.b64encode(struct.pack(f"<{size}f", *each)).decode() for each in vectors]
    data = [{"object": "embedding", "index": index, "embedding": each} for index, each in enumerate(packed)]
    usage = {"prompt_tokens": said.usage.input, "total_tokens": said.usage.input}
    return Whole({"object": "list", "data": data, "model": said.model, "usage": usage})


def _responses(body: dict[str, Any], said: Said) -> Whole | Stream:
    part = {"type": "output_text", "text": said.text, "annotations": []}
    item = {"type": "message", "id": f"msg_{said.number}", "status": "completed", "role": "assistant"}
    usage = {
        "input_tokens": said.usage.input,
        "input_tokens_details": {"cached_tokens": said.usage.cached, "cache_write_tokens": 0},
        "output_tokens": said.usage.output,
        "output_tokens_details": {"reasoning_tokens": 0},
        "total_tokens": said.usage.total,
    }
    whole: dict[str, Any] = {
        "id": f"resp_{said.number}",
        "object": "response",
        "created_at": CREATED,
        "status": "completed",
        "model": said.model,
        "output": [{**item, "content": [part]}],
        "parallel_tool_calls": True,
        "tool_choice": "auto",
        "tools": [],
        "usage": usage,
    }
    if not body.get("stream"):
        return Whole(whole)
    begun = {**whole, "status": "in_progress", "output": [], "usage": None}
    place = {"item_id": item["id"], "output_index": 0, "content_index": 0}
    events: list[dict[str, Any]] = [{"type": "response.created", "response": begun}]
    delta = "response.output_text.delta"
    events += [{"type": delta, **place, "delta": word, "logprobs": []} for word in said.words]
    events.append({"type": "response.output_text.done", **place, "text": said.text, "logprobs": []})
    events.append({"type": "response.completed", "response": whole})
    told = (sse({**each, "sequence_number": index}, each["type"]) for index, each in enumerate(events))
    broken = {"type": "error", "code": "server_error", "message": "The server had an error.", "param": None}
    return Stream(tuple(told), sse({**broken, "sequence_number": len(events)}, "error"))
