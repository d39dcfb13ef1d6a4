"""Filters of a provider's cluster: what a request goes through last, on each attempt, once its provider is chosen.

The script is one for all providers, in one virtual machine of a worker; what is a provider's own comes to it in a
header that the filter before writes. Envoy gives scripts of clusters no context of their own.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache
from typing import Final
from urllib.parse import quote

from google.protobuf.message import Message

from headgate_proto.envoy.config.core.v3.base_pb2 import HeaderValueOption
from headgate_proto.envoy.extensions.filters.http.ai_protocol_manager.v3.ai_protocol_manager_pb2 import (
    AiProtocolManager,
    AiProtocolManagerPerRoute,
    TokenUsageExtraction,
)
from headgate_proto.envoy.extensions.filters.http.header_mutation.v3.header_mutation_pb2 import HeaderMutation
from headgate_proto.envoy.extensions.filters.http.lua.v3.lua_pb2 import Lua
from headgate_proto.envoy.extensions.http.ai_filters.transcoder.v3.transcoder_pb2 import Transcoder
from headgate_proto.envoy.type.ai.v3.llm_protocol_pb2 import LLMProtocol
from translator.envoy.ai import script
from translator.envoy.injected_secret import credential_injector, generic_credential
from translator.envoy.lua_filter import lua_filter
from translator.ir.ai import ClientApi
from translator.ir.secret import GenericSecret

CONFIG_HEADER: Final = "x-headgate-ai-provider"
"""The header that has what is a provider's own; the script removes it."""
CONFIG: Final = "headgate.ai.provider"
PREPARE: Final = "headgate.ai.prepare"
TOKENS: Final = "headgate.ai.tokens"
PLACE: Final = "headgate.ai.path"
CREDENTIAL: Final = "headgate.ai.credential"

Filter = tuple[str, Message]


def configured(values: Sequence[tuple[str, str]]) -> Iterator[Filter]:
    """Yield the filters that have a request be what its provider takes.

    Args:
        values: what is the provider's own, by the names that the script knows; one of several values more than once.
    """
    text = "&".join(f"{name}={quote(value, safe='')}" for name, value in values)
    made = HeaderMutation()
    appended = made.mutations.request_mutations.add().append
    appended.header.key = CONFIG_HEADER
    appended.header.value = text.replace("%", "%%")  # of a format
    appended.append_action = HeaderValueOption.OVERWRITE_IF_EXISTS_OR_ADD
    yield CONFIG, made
    yield PREPARE, _script(PREPARE, "provider_json", "provider")


@lru_cache(maxsize=8)
def _script(name: str, *files: str) -> Lua:
    return lua_filter(name, "\n".join(map(script, files)), of_cluster=True)


def usage(api: int) -> Filter:
    """Return the filter that counts the tokens of answers: they are typed metadata once there are the trailers.

    Args:
        api: the API of the answers, an ``LLMProtocol``.
    """
    made = AiProtocolManager()
    counted = made.response_handling.token_usage
    counted.include_unconfigured_routes = True
    counted.default_llm_protocol = api  # type: ignore[assignment]
    counted.usage_signal = TokenUsageExtraction.SYNTHESIZE_TRAILERS
    return TOKENS, made


def translator(api: int) -> Iterator[Filter]:
    """Yield the filters that translate requests into a provider's API, answers back, and count tokens.

    What the client's API is, routes say (`translates`). Envoy then gives the request the vendor's usual path; the
    filter behind puts the provider's own prefix in the place of its first element.

    Args:
        api: the API of the provider, an ``LLMProtocol``.
    """
    made = AiProtocolManager()
    made.request_handling.SetInParent()
    made.response_handling.token_usage.usage_signal = TokenUsageExtraction.SYNTHESIZE_TRAILERS
    for request, response in ((Transcoder.TO_IR, Transcoder.FROM_IR), (Transcoder.FROM_IR, Transcoder.TO_IR)):
        one = made.filters.add(name="envoy.http.ai_filters.transcoder").typed_config
        one.Pack(Transcoder(request_handling=request, response_handling=response), deterministic=True)
    yield translator_name(api), made
    yield PLACE, _script(PLACE, "provider_path")


def translator_name(api: int) -> str:
    """Return the name of the filter that translates into an API, under which it finds what routes say."""
    return f"headgate.ai.to.{LLMProtocol.Name(api).lower()}"


def translates(client: ClientApi, api: int) -> AiProtocolManagerPerRoute:
    """Return what a route says of the API of its clients, for the filter that translates into that of a provider."""
    made = AiProtocolManagerPerRoute()
    made.request.llm_protocol = PROTOCOLS[client]
    made.response.llm_protocol = api  # type: ignore[assignment]
    return made


PROTOCOLS: Final[Mapping[ClientApi, LLMProtocol]] = {
    ClientApi.OPENAI: LLMProtocol.OPENAI_CHAT_COMPLETIONS,
    ClientApi.ANTHROPIC: LLMProtocol.ANTHROPIC_MESSAGES,
}
"""The APIs of clients, as Envoy calls them."""


def credential(secret: GenericSecret, header: str, prefix: str) -> Filter:
    """Return the filter that puts a key, after a prefix, into a header; without one it responds with 401."""
    return CREDENTIAL, credential_injector(generic_credential(secret, header, prefix))
