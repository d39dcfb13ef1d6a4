"""Filters of a provider's cluster: what a request goes through last, on each attempt, once its provider is chosen.

The script is one for all providers, in one virtual machine of a worker; what is a provider's own comes to it in a
header that the filter before writes. Envoy gives scripts of clusters no context of their own.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import cache
from hashlib import blake2b
from typing import Final
from urllib.parse import quote

from google.protobuf.message import Message

from headgate_proto.envoy.config.core.v3.base_pb2 import HeaderValueOption
from headgate_proto.envoy.extensions.filters.http.ai_protocol_manager.v3.ai_protocol_manager_pb2 import (
    AiProtocolManager,
    TokenUsageExtraction,
)
from headgate_proto.envoy.extensions.filters.http.credential_injector.v3.credential_injector_pb2 import (
    CredentialInjector,
)
from headgate_proto.envoy.extensions.filters.http.header_mutation.v3.header_mutation_pb2 import HeaderMutation
from headgate_proto.envoy.extensions.filters.http.lua.v3.lua_pb2 import Lua
from headgate_proto.envoy.extensions.http.injected_credentials.generic.v3.generic_pb2 import Generic
from headgate_proto.envoy.type.ai.v3.llm_protocol_pb2 import LLMProtocol
from translator.envoy.ai import script
from translator.envoy.config_source import sds
from translator.envoy.names import generic_secret_name
from translator.ir.secret import GenericSecret

CONFIG_HEADER: Final = "x-headgate-ai-provider"
"""The header that has what is a provider's own; the script removes it."""
CONFIG: Final = "headgate.ai.provider"
PREPARE: Final = "headgate.ai.prepare"
USAGE: Final = "headgate.ai.usage"
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
    yield PREPARE, _prepare()


@cache
def _prepare() -> Lua:
    text = script("provider")
    made = Lua(shared_vm_id=f"{PREPARE}/{blake2b(text.encode(), digest_size=16).hexdigest()}")
    made.default_source_code.inline_string = text
    return made


def usage(api: LLMProtocol) -> Filter:
    """Return the filter that counts the tokens of answers: they are typed metadata once there are the trailers."""
    made = AiProtocolManager()
    counted = made.response_handling.token_usage
    counted.include_unconfigured_routes = True
    counted.default_llm_protocol = api
    counted.usage_signal = TokenUsageExtraction.SYNTHESIZE_TRAILERS
    return USAGE, made


def credential(secret: GenericSecret, header: str, prefix: str) -> Filter:
    """Return the filter that puts a key, after a prefix, into a header; without one it responds with 401."""
    generic = Generic(header=header, header_value_prefix=prefix)
    generic.credential.CopyFrom(sds(generic_secret_name(secret)))
    made = CredentialInjector(overwrite=True)
    made.credential.name = "envoy.http.injected_credentials.generic"
    made.credential.typed_config.Pack(generic, deterministic=True)
    return CREDENTIAL, made
