"""Whether a vendor would take a request's body, by the models of its own SDK."""

from __future__ import annotations

import functools
from typing import Any

from pydantic import BaseModel, ConfigDict, TypeAdapter, ValidationError
from pydantic.alias_generators import to_camel
from pydantic_core import SchemaValidator

from tests.ai.vendors import Api, Refusal


def check(api: Api, body: dict[str, Any], *, lenient: bool = False) -> None:
    """Raise a refusal of 400 if the vendor's model does not take a body.

    Args:
        api: what is asked for.
        body: the request's.
        lenient: take fields that the model does not know, as Anthropic's OpenAI-compatible endpoint does.
    """
    try:
        _validator(api, bool(body.get("stream")), lenient).validate_python(body)
    except ValidationError as found:
        raise Refusal(400, _told(found), param=str(found.errors()[0]["loc"][0])) from None


def _told(found: ValidationError) -> str:
    """Tell the errors of the branches of unions that are meant: those without a wrong constant."""
    errors = found.errors(include_url=False)
    other = {each["loc"][:-1] for each in errors if each["type"] == "literal_error" and len(each["loc"]) > 1}
    meant = [each for each in errors if each["loc"][:-1] not in other] or errors
    return "; ".join(f"{'.'.join(map(str, each['loc']))}: {each['msg']}" for each in meant[:3])


@functools.cache
def _validator(api: Api, stream: bool, lenient: bool) -> SchemaValidator:
    return SchemaValidator(_strict(TypeAdapter(_model(api, stream)).core_schema, lenient))


def _strict(schema: Any, lenient: bool) -> Any:
    """Have iterables checked at once, and unknown fields refused as the vendors do."""
    if isinstance(schema, dict):
        found = {name: _strict(each, lenient) for name, each in schema.items()}
        if found.get("type") == "generator":
            found["type"] = "list"
        if found.get("type") == "typed-dict" and not lenient:
            found["extra_behavior"] = "forbid"
        return found
    if isinstance(schema, list | tuple):
        return type(schema)(_strict(each, lenient) for each in schema)
    return schema


def _model(api: Api, stream: bool) -> Any:
    """Return the SDK's model; the SDKs take seconds to import, so only what is asked for is."""
    if api in (Api.MESSAGES, Api.COUNT_TOKENS):
        return _anthropic(api, stream)
    if api in (Api.GENERATE, Api.STREAM_GENERATE):
        return _gemini()
    return _openai(api, stream)


def _openai(api: Api, stream: bool) -> Any:
    from openai.types import completion_create_params as completions
    from openai.types.audio.speech_create_params import SpeechCreateParams
    from openai.types.chat import completion_create_params as chat
    from openai.types.embedding_create_params import EmbeddingCreateParams
    from openai.types.image_generate_params import ImageGenerateParamsNonStreaming
    from openai.types.responses import response_create_params as responses

    whole, streamed = {
        Api.CHAT: (chat.CompletionCreateParamsNonStreaming, chat.CompletionCreateParamsStreaming),
        Api.COMPLETIONS: (
            completions.CompletionCreateParamsNonStreaming,
            completions.CompletionCreateParamsStreaming,
        ),
        Api.RESPONSES: (responses.ResponseCreateParamsNonStreaming, responses.ResponseCreateParamsStreaming),
        Api.EMBEDDINGS: (EmbeddingCreateParams, EmbeddingCreateParams),
        Api.IMAGES: (ImageGenerateParamsNonStreaming, ImageGenerateParamsNonStreaming),
        Api.SPEECH: (SpeechCreateParams, SpeechCreateParams),
    }[api]
    return streamed if stream else whole


def _anthropic(api: Api, stream: bool) -> Any:
    from anthropic.types import message_create_params as messages
    from anthropic.types.message_count_tokens_params import MessageCountTokensParams

    if api is Api.COUNT_TOKENS:
        return MessageCountTokensParams
    return messages.MessageCreateParamsStreaming if stream else messages.MessageCreateParamsNonStreaming


def _gemini() -> Any:
    """Compose the body of GenerateContentRequest from the SDK's models of its parts."""
    from google.genai import types

    class GenerateContentRequest(BaseModel):
        model_config = ConfigDict(alias_generator=to_camel, populate_by_name=True, extra="forbid")

        contents: list[types.Content]
        system_instruction: types.Content | None = None
        tools: list[types.Tool] | None = None
        tool_config: types.ToolConfig | None = None
        safety_settings: list[types.SafetySetting] | None = None
        generation_config: types.GenerationConfig | None = None
        cached_content: str | None = None
        labels: dict[str, str] | None = None

    return GenerateContentRequest
