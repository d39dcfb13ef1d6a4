"""What the vendors' APIs have in common: their paths, where a key stands, and the bodies of their errors.

Sources: the API references of OpenAI, Anthropic, the Gemini API, Vertex AI, Azure OpenAI (v1) and Amazon Bedrock.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum
from typing import Any


class Vendor(StrEnum):
    """Whose API it is."""

    OPENAI = "openai"
    ANTHROPIC = "anthropic"
    GEMINI = "gemini"
    VERTEX = "vertexai"
    AZURE = "azure"
    BEDROCK = "bedrock"


class Api(StrEnum):
    """What is asked for."""

    CHAT = "chat/completions"
    COMPLETIONS = "completions"
    EMBEDDINGS = "embeddings"
    RESPONSES = "responses"
    IMAGES = "images/generations"
    SPEECH = "audio/speech"
    TRANSCRIPTIONS = "audio/transcriptions"
    MODELS = "models"
    MESSAGES = "messages"
    COUNT_TOKENS = "messages/count_tokens"
    GENERATE = "generateContent"
    STREAM_GENERATE = "streamGenerateContent"


@dataclass(frozen=True)
class Endpoint:
    """An API of a vendor, and the model where the path has it."""

    vendor: Vendor
    api: Api
    model: str = ""


class Refusal(Exception):
    """What a provider refuses: the status, and what its error says of it."""

    def __init__(self, status: int, message: str, code: str | None = None, param: str | None = None) -> None:
        super().__init__(message)
        self.status, self.message, self.code, self.param = status, message, code, param


_NAMES = "|".join(
    (
        Api.CHAT,
        Api.COMPLETIONS,
        Api.EMBEDDINGS,
        Api.RESPONSES,
        Api.IMAGES,
        Api.SPEECH,
        Api.TRANSCRIPTIONS,
        rf"{Api.MODELS}(?:/[^/]+)?",
    )
)
_GOOGLE = rf"models/(?P<model>[^/:]+):(?P<api>{Api.GENERATE}|{Api.STREAM_GENERATE})"
_PLACE = r"/v1/projects/[^/]+/locations/[^/]+"
_PATHS: tuple[tuple[tuple[Vendor, ...], re.Pattern[str]], ...] = (
    ((Vendor.GEMINI,), re.compile(rf"/v1(?:beta)?/{_GOOGLE}")),
    ((Vendor.ANTHROPIC,), re.compile(rf"/v1/(?P<api>{Api.COUNT_TOKENS}|{Api.MESSAGES})")),
    ((Vendor.OPENAI, Vendor.ANTHROPIC), re.compile(rf"/v1/(?P<api>{_NAMES})")),
    ((Vendor.AZURE, Vendor.BEDROCK), re.compile(rf"/openai/v1/(?P<api>{_NAMES})")),
    ((Vendor.AZURE,), re.compile(rf"/openai/deployments/(?P<model>[^/]+)/(?P<api>{_NAMES})")),
    ((Vendor.GEMINI,), re.compile(rf"/v1beta/openai/(?P<api>{_NAMES})")),
    ((Vendor.VERTEX,), re.compile(rf"{_PLACE}/endpoints/openapi/(?P<api>{_NAMES})")),
    ((Vendor.VERTEX,), re.compile(rf"{_PLACE}/publishers/google/{_GOOGLE}")),
)
"""Whose paths these are: the first vendor's, unless a provider is one of the others."""


def endpoint(path: str, vendor: Vendor | None) -> Endpoint | None:
    """Return what a path without its query means at a provider of that vendor, or at one that speaks all APIs."""
    for vendors, pattern in _PATHS:
        found = pattern.fullmatch(path)
        if found is None or (vendor is not None and vendor not in vendors):
            continue
        named = found.groupdict()
        api = Api.MODELS if named["api"].startswith(f"{Api.MODELS}/") else Api(named["api"])
        return Endpoint(vendor or vendors[0], api, named.get("model") or "")
    return None


_GOOGLE_STATUS = {
    400: "INVALID_ARGUMENT",
    401: "UNAUTHENTICATED",
    403: "PERMISSION_DENIED",
    404: "NOT_FOUND",
    408: "DEADLINE_EXCEEDED",
    413: "INVALID_ARGUMENT",
    429: "RESOURCE_EXHAUSTED",
    500: "INTERNAL",
    503: "UNAVAILABLE",
    504: "DEADLINE_EXCEEDED",
}
_ANTHROPIC_TYPE = {
    400: "invalid_request_error",
    401: "authentication_error",
    403: "permission_error",
    404: "not_found_error",
    413: "request_too_large",
    429: "rate_limit_error",
    504: "timeout_error",
    529: "overloaded_error",
}
_OPENAI_TYPE = {429: "requests"}
_OPENAI_CODE = {401: "invalid_api_key", 429: "rate_limit_exceeded"}
_MESSAGES = {
    400: "The request is not valid.",
    401: "Incorrect API key provided.",
    403: "You are not allowed to do this.",
    404: "There is nothing here.",
    413: "The request is too large.",
    429: "Rate limit reached for requests.",
    500: "The server had an error while processing your request.",
    503: "The engine is currently overloaded, please try again later.",
    529: "Overloaded",
}


def error(where: Endpoint, status: int, message: str = "", code: str | None = None, param: str | None = None) -> Any:
    """Return the body, as JSON, with which a vendor's API refuses or fails."""
    text = message or _MESSAGES.get(status, "Something went wrong.")
    if where.api in (Api.MESSAGES, Api.COUNT_TOKENS):
        kind = code or _ANTHROPIC_TYPE.get(status, "api_error" if status >= 500 else "invalid_request_error")
        return {"type": "error", "error": {"type": kind, "message": text}, "request_id": "req_test"}
    if where.vendor in (Vendor.GEMINI, Vendor.VERTEX):
        found = {"error": {"code": status, "message": text, "status": code or _GOOGLE_STATUS.get(status, "UNKNOWN")}}
        # Those of their OpenAI-compatible endpoints are arrays.
        return found if where.api in (Api.GENERATE, Api.STREAM_GENERATE) else [found]
    kind = _OPENAI_TYPE.get(status, "server_error" if status >= 500 else "invalid_request_error")
    return {
        "error": {"message": text, "type": kind, "param": param, "code": code or _OPENAI_CODE.get(status)},
    }


def shown_key(where: Endpoint, headers: dict[str, str], query: dict[str, str]) -> str:
    """Return the key that a request shows in the place where this API looks for it, or an empty text."""
    bearer = headers.get("authorization", "").removeprefix("Bearer ").strip()
    if where.api in (Api.MESSAGES, Api.COUNT_TOKENS):
        return headers.get("x-api-key", "") or bearer
    if where.vendor is Vendor.GEMINI and where.api in (Api.GENERATE, Api.STREAM_GENERATE):
        return headers.get("x-goog-api-key", "") or query.get("key", "")
    if where.vendor is Vendor.AZURE:
        return headers.get("api-key", "") or bearer
    return bearer
