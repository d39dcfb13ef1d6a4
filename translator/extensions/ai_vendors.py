"""What each kind of provider of AI is like: where it is, what it speaks, and where it looks for keys."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final, NamedTuple

from headgate_proto.envoy.type.ai.v3.llm_protocol_pb2 import LLMProtocol
from translator.ir.ai import ClientApi
from translator.objects.headgate.aiproviders import AiProvider

OPENAI: Final = int(LLMProtocol.OPENAI_CHAT_COMPLETIONS)
ANTHROPIC: Final = int(LLMProtocol.ANTHROPIC_MESSAGES)
GEMINI: Final = int(LLMProtocol.GEMINI_GENERATE_CONTENT)
AUTHORIZATION: Final = "authorization"
BEARER: Final = "Bearer "
VERSION: Final = ("anthropic-version", "2023-06-01")
"""The version of Anthropic's API that is asked for where clients ask for none."""


@dataclass(frozen=True, slots=True)
class Dialect:
    """How a provider is spoken to for clients of one API.

    Attributes:
        api: what it is sent, an ``LLMProtocol``.
        prefix: what stands before the operation in its paths.
        header: the header where it looks for keys.
        key_prefix: what stands before them there.
        translated: whether requests are translated into its API.
        added: headers that it gets where clients do not send them.
    """

    api: int
    prefix: str
    header: str = AUTHORIZATION
    key_prefix: str = BEARER
    translated: bool = False
    added: tuple[tuple[str, str], ...] = ()


Dialects = tuple[tuple[ClientApi, Dialect], ...]


class Vendor(NamedTuple):
    """A kind of provider, as one of its entries has it.

    Attributes:
        system: what OpenTelemetry calls it (`gen_ai.provider.name`).
        host: where it is; "" if only the user knows.
        dialects: how it is spoken to, by the API of clients; those of other APIs are refused.
    """

    system: str
    host: str
    dialects: Dialects


def vendor(found: AiProvider) -> Vendor:
    """Return what a provider is like."""
    own = found.path_prefix.rstrip("/") if found.path_prefix is not None else None
    system, host = _place(found)
    return Vendor(system, host, tuple(_dialects(found, own)))


def _place(found: AiProvider) -> tuple[str, str]:
    if found.azure is not None:
        return "azure.ai.openai", f"{found.azure.resource}.openai.azure.com"
    if found.anthropic is not None:
        return "anthropic", "api.anthropic.com"
    if found.gemini is not None:
        return "gcp.gemini", "generativelanguage.googleapis.com"
    if found.vertexai is not None:
        region = found.vertexai.region
        return (
            "gcp.vertex_ai",
            "aiplatform.googleapis.com" if region == "global" else f"{region}-aiplatform.googleapis.com",
        )
    if found.bedrock is not None:
        return "aws.bedrock", f"bedrock-runtime.{found.bedrock.region}.amazonaws.com"
    return ("openai", "api.openai.com") if found.openai is not None else ("custom", "")


def _dialects(found: AiProvider, own: str | None) -> Iterator[tuple[ClientApi, Dialect]]:
    if found.anthropic is not None:
        yield from _anthropic(found.native, own)
    elif found.custom is not None and "Anthropic" in found.custom.spoken:
        yield from _custom(found, own)
    elif found.native and (found.gemini is not None or found.vertexai is not None):
        for client in ClientApi:
            yield client, _google(found, own)
    else:
        compatible = Dialect(OPENAI, own if own is not None else _compatible_prefix(found))
        if found.azure is not None and (found.auth is None or found.auth.azure is None):
            compatible = Dialect(OPENAI, compatible.prefix, "api-key", "")
        yield ClientApi.OPENAI, compatible
        if found.native:
            yield (
                ClientApi.ANTHROPIC,
                Dialect(OPENAI, compatible.prefix, compatible.header, compatible.key_prefix, translated=True),
            )


def _anthropic(native: bool, own: str | None) -> Iterator[tuple[ClientApi, Dialect]]:
    prefix = own if own is not None else "/v1"
    yield ClientApi.ANTHROPIC, Dialect(ANTHROPIC, prefix, "x-api-key", "", added=(VERSION,))
    if native:
        yield ClientApi.OPENAI, Dialect(ANTHROPIC, prefix, "x-api-key", "", True, (VERSION,))
    else:
        yield ClientApi.OPENAI, Dialect(OPENAI, prefix)


def _custom(found: AiProvider, own: str | None) -> Iterator[tuple[ClientApi, Dialect]]:
    """Yield the dialects of a server that speaks Anthropic's API, too or only."""
    assert found.custom is not None
    prefix = own if own is not None else "/v1"
    yield ClientApi.ANTHROPIC, Dialect(ANTHROPIC, prefix, added=(VERSION,))
    if "OpenAI" in found.custom.spoken:
        yield ClientApi.OPENAI, Dialect(OPENAI, prefix)
    elif found.native:
        yield ClientApi.OPENAI, Dialect(ANTHROPIC, prefix, translated=True, added=(VERSION,))


def _compatible_prefix(found: AiProvider) -> str:
    """Return what stands before operations of OpenAI's API."""
    if found.azure is not None or found.bedrock is not None:
        return "/openai/v1"
    if found.gemini is not None:
        return "/v1beta/openai"
    if found.vertexai is not None:
        return f"{_location(found)}/endpoints/openapi"
    return "/v1"


def _google(found: AiProvider, own: str | None) -> Dialect:
    if found.vertexai is None:
        return Dialect(GEMINI, own if own is not None else "/v1beta", "x-goog-api-key", "", translated=True)
    return Dialect(GEMINI, own if own is not None else f"{_location(found)}/publishers/google", translated=True)


def _location(found: AiProvider) -> str:
    assert found.vertexai is not None
    return f"/v1/projects/{found.vertexai.project_id}/locations/{found.vertexai.region}"
