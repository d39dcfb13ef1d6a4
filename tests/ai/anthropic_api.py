"""Anthropic's API: messages, whole and streamed, the count of tokens, and models."""

from __future__ import annotations

from typing import Any

from tests.ai.answers import Said, Stream, Whole, sse, texts_of
from tests.ai.schemas import check
from tests.ai.vendors import Api, Endpoint, Refusal


def validate(where: Endpoint, body: dict[str, Any], headers: dict[str, str]) -> None:
    """Raise a refusal of what Anthropic's API would not take."""
    if "anthropic-version" not in headers:
        raise Refusal(400, "anthropic-version: header is required")
    check(where.api, body)
    if not body["messages"]:
        raise Refusal(400, "messages: at least one message is required")
    if body["messages"][0]["role"] != "user":
        raise Refusal(400, "messages: first message must use the user role")
    for index, each in enumerate(body["messages"]):
        if each["content"] in ("", []) and index + 1 < len(body["messages"]):
            raise Refusal(400, f"messages.{index}: all messages must have non-empty content")


def texts(body: dict[str, Any]) -> list[str]:
    """Return the texts of a request's body: of the system prompt, then of the messages."""
    return [*texts_of(body.get("system")), *(text for each in body["messages"] for text in texts_of(each["content"]))]


def limit(body: dict[str, Any]) -> int | None:
    """Return the most tokens that the answer may have."""
    return body.get("max_tokens")


def models(names: list[str]) -> Whole:
    """List models."""
    data = [model(name) for name in names]
    ends = {"first_id": names[0] if names else None, "last_id": names[-1] if names else None}
    return Whole({"data": data, "has_more": False, **ends})


def model(name: str) -> dict[str, Any]:
    """Tell of one model."""
    return {"type": "model", "id": name, "display_name": name, "created_at": "2024-01-01T00:00:00Z"}


def answer(where: Endpoint, body: dict[str, Any], said: Said) -> Whole | Stream:
    """Answer a request that is valid."""
    if where.api is Api.COUNT_TOKENS:
        return Whole({"input_tokens": said.usage.input})
    text = {"type": "text", "text": said.text}
    content: list[dict[str, Any]] = [{**text, "citations": None}]
    if said.tool:
        content = [{"type": "tool_use", "id": said.tool.id, "name": said.tool.name, "input": said.tool.arguments}]
    reason = "tool_use" if said.tool else "max_tokens" if said.cut else "end_turn"
    message: dict[str, Any] = {
        "id": f"msg_{said.number}",
        "type": "message",
        "role": "assistant",
        "model": said.model,
        "content": content,
        "stop_reason": reason,
        "stop_sequence": None,
        "usage": {**_input(said), "output_tokens": said.usage.output},
    }
    return _streamed(message, said) if body.get("stream") else Whole(message)


def _input(said: Said) -> dict[str, int]:
    """Tell the tokens of the request: those from the cache are not among the others."""
    return {
        "input_tokens": said.usage.input - said.usage.cached,
        "cache_creation_input_tokens": 0,
        "cache_read_input_tokens": said.usage.cached,
    }


def _streamed(message: dict[str, Any], said: Said) -> Stream:
    begun = {**message, "content": [], "stop_reason": None, "usage": {**_input(said), "output_tokens": 1}}
    block: dict[str, Any] = {"type": "text", "text": ""}
    deltas = [{"type": "text_delta", "text": word} for word in said.words]
    if said.tool:
        block = {"type": "tool_use", "id": said.tool.id, "name": said.tool.name, "input": {}}
        deltas = [{"type": "input_json_delta", "partial_json": said.tool.json}]
    end = {"stop_reason": message["stop_reason"], "stop_sequence": None}
    events: list[dict[str, Any]] = [
        {"type": "message_start", "message": begun},
        {"type": "content_block_start", "index": 0, "content_block": block},
        {"type": "ping"},
        *({"type": "content_block_delta", "index": 0, "delta": each} for each in deltas),
        {"type": "content_block_stop", "index": 0},
        {"type": "message_delta", "delta": end, "usage": {"output_tokens": said.usage.output}},
        {"type": "message_stop"},
    ]
    broken = {"type": "error", "error": {"type": "overloaded_error", "message": "Overloaded"}}
    return Stream(tuple(sse(each, each["type"]) for each in events), sse(broken, "error"))
