"""Google's own API of Gemini: generateContent, and the same as server-sent events."""

from __future__ import annotations

from typing import Any

from tests.ai.answers import Said, Stream, Whole, sse, texts_of
from tests.ai.schemas import check
from tests.ai.vendors import Api, Endpoint, Refusal

END = "\r\n\r\n"


def validate(where: Endpoint, body: dict[str, Any]) -> None:
    """Raise a refusal of what Google's API would not take."""
    check(where.api, body)
    if not body["contents"]:
        raise Refusal(400, "* GenerateContentRequest.contents: contents is not specified")
    for index, each in enumerate(body["contents"]):
        if each.get("role", "user") not in ("user", "model", "function"):
            raise Refusal(400, f"Please use a valid role: user, model (contents[{index}])")
        if not each.get("parts"):
            raise Refusal(400, f"* GenerateContentRequest.contents[{index}].parts: contents.parts must not be empty.")


def texts(body: dict[str, Any]) -> list[str]:
    """Return the texts of a request's body: of the system instruction, then of the contents."""
    system = body.get("systemInstruction", body.get("system_instruction")) or {}
    return [text for each in (system, *body["contents"]) for text in texts_of(each.get("parts"))]


def limit(body: dict[str, Any]) -> int | None:
    """Return the most tokens that the answer may have."""
    config = body.get("generationConfig", body.get("generation_config")) or {}
    return config.get("maxOutputTokens", config.get("max_output_tokens"))


def answer(where: Endpoint, said: Said, *, events: bool) -> Whole | Stream:
    """Answer a request that is valid; streams are `events`, or else one array of all chunks."""
    call = {"functionCall": {"name": said.tool.name, "args": said.tool.arguments}} if said.tool else None
    reason = "MAX_TOKENS" if said.cut else "STOP"
    if where.api is Api.GENERATE:
        return Whole(_chunk(said, [call or {"text": said.text}], reason))
    parts: list[dict[str, Any]] = [call] if call else [{"text": word} for word in said.words]
    chunks = [_chunk(said, [part], reason if index == len(parts) else None) for index, part in enumerate(parts, 1)]
    if not events:
        return Whole(chunks)
    broken = {"error": {"code": 503, "message": "The model is overloaded.", "status": "UNAVAILABLE"}}
    return Stream(tuple(sse(each, end=END) for each in chunks), sse(broken, end=END))


def _chunk(said: Said, parts: list[dict[str, Any]], reason: str | None) -> dict[str, Any]:
    candidate: dict[str, Any] = {"content": {"parts": parts, "role": "model"}, "index": 0}
    usage = {"promptTokenCount": said.usage.input, "totalTokenCount": said.usage.input}
    if reason:
        candidate["finishReason"] = reason
        usage |= {"candidatesTokenCount": said.usage.output, "totalTokenCount": said.usage.total}
    if said.usage.cached:
        usage["cachedContentTokenCount"] = said.usage.cached
    return {
        "candidates": [candidate],
        "usageMetadata": usage,
        "modelVersion": said.model,
        "responseId": f"response-{said.number}",
    }
