"""The HTTP filters of every connection manager: a fixed list, so that no policy changes a listener.

All are disabled but the guard: a route, or what it inherits, enables those that it configures. A filter that is
disabled costs requests nothing.
"""

from __future__ import annotations

from typing import Final

from google.protobuf.message import Message

from headgate_proto.envoy.extensions.compression.brotli.compressor.v3.brotli_pb2 import Brotli
from headgate_proto.envoy.extensions.compression.gzip.compressor.v3.gzip_pb2 import Gzip
from headgate_proto.envoy.extensions.compression.zstd.compressor.v3.zstd_pb2 import Zstd
from headgate_proto.envoy.extensions.filters.http.api_key_auth.v3.api_key_auth_pb2 import ApiKeyAuth
from headgate_proto.envoy.extensions.filters.http.bandwidth_limit.v3.bandwidth_limit_pb2 import BandwidthLimit
from headgate_proto.envoy.extensions.filters.http.basic_auth.v3.basic_auth_pb2 import BasicAuth
from headgate_proto.envoy.extensions.filters.http.buffer.v3.buffer_pb2 import Buffer
from headgate_proto.envoy.extensions.filters.http.composite.v3.composite_pb2 import Composite
from headgate_proto.envoy.extensions.filters.http.compressor.v3.compressor_pb2 import Compressor
from headgate_proto.envoy.extensions.filters.http.cors.v3.cors_pb2 import Cors
from headgate_proto.envoy.extensions.filters.http.csrf.v3.csrf_pb2 import CsrfPolicy
from headgate_proto.envoy.extensions.filters.http.fault.v3.fault_pb2 import HTTPFault
from headgate_proto.envoy.extensions.filters.http.filter_chain.v3.filter_chain_pb2 import FilterChainConfig
from headgate_proto.envoy.extensions.filters.http.header_mutation.v3.header_mutation_pb2 import HeaderMutation
from headgate_proto.envoy.extensions.filters.http.jwt_authn.v3.config_pb2 import JwtAuthentication
from headgate_proto.envoy.extensions.filters.http.oauth2.v3.oauth_pb2 import OAuth2
from headgate_proto.envoy.extensions.filters.http.rbac.v3.rbac_pb2 import RBAC
from headgate_proto.envoy.extensions.filters.http.set_metadata.v3.set_metadata_pb2 import Config as SetMetadata
from headgate_proto.envoy.extensions.filters.http.stateful_session.v3.stateful_session_pb2 import StatefulSession
from translator.envoy.http_filter import HttpFilter, Stage
from translator.envoy.transformation import refusing_filter

MARK: Final = "headgate.mark"
BANDWIDTH_LIMIT: Final = "envoy.filters.http.bandwidth_limit"
COMPRESS_ZSTD: Final = "headgate.compress.zstd"
COMPRESS_BROTLI: Final = "headgate.compress.brotli"
COMPRESS_GZIP: Final = "headgate.compress.gzip"
CUSTOM_RESPONSE: Final = "headgate.custom_response"
CLOSED: Final = "headgate.closed"
BEFORE_FAULT: Final = "headgate.slot.before_fault"
FAULT: Final = "envoy.filters.http.fault"
CORS: Final = "envoy.filters.http.cors"
CSRF: Final = "envoy.filters.http.csrf"
ACL: Final = "headgate.acl"
ACL_ENFORCED: Final = "headgate.acl.enforced"
LOCAL_RATE_LIMIT_EARLY: Final = "headgate.local_rate_limit.early"
DECOMPRESS: Final = "headgate.decompress"
WAF: Final = "headgate.waf"
BEFORE_AUTHN: Final = "headgate.slot.before_authn"
OAUTH2: Final = "envoy.filters.http.oauth2"
OAUTH2_TOKENS: Final = "headgate.oauth2.tokens"
JWT: Final = "headgate.jwt"
BASIC_AUTH: Final = "envoy.filters.http.basic_auth"
API_KEY_AUTH: Final = "envoy.filters.http.api_key_auth"
BEFORE_AUTHZ: Final = "headgate.slot.before_authz"
EXT_AUTHZ: Final = "headgate.ext_authz"
RBAC_ENFORCED: Final = "headgate.rbac.enforced"
AUTHORIZATION: Final = "envoy.filters.http.rbac"
AI: Final = "headgate.ai"
AGENTS: Final = "headgate.agents"
BEFORE_RATE_LIMIT: Final = "headgate.slot.before_rate_limit"
LOCAL_RATE_LIMIT: Final = "headgate.local_rate_limit"
RATE_LIMIT: Final = "headgate.rate_limit"
QUOTA: Final = "headgate.quota"
ADMISSION: Final = "headgate.admission"
BEFORE_ROUTE: Final = "headgate.slot.before_route"
BUFFER: Final = "envoy.filters.http.buffer"
TRANSFORMATION: Final = "headgate.transformation"
LUA: Final = "headgate.lua"
EXT_PROC: Final = "headgate.ext_proc"
WASM: Final = "headgate.wasm"
DYNAMIC_MODULES: Final = "headgate.dynamic_modules"
HEADER_MUTATION: Final = "envoy.filters.http.header_mutation"
STATEFUL_SESSION: Final = "envoy.filters.http.stateful_session"
CREDENTIALS: Final = "headgate.credentials"
BACKEND: Final = "headgate.backend"
AI_USAGE: Final = "headgate.ai.usage"
AFTER_ROUTE: Final = "headgate.slot.after_route"
GUARD: Final = "headgate.guard"

NOBODY: Final = "nobody:{SHA}2jmj7l5rSw0yVb/vlWAYkK/YBwk="
"""The user without which Envoy takes no basic_auth filter: every route that enables it has users of its own."""

SMALLEST_BUFFER: Final = 1
"""Envoy takes no buffer filter without a size: every route that enables it has its own."""


UNCOMPRESSIBLE: Final = (204, 205, 206, 304)
"""Statuses of responses that no compressor may touch.

Parts of a whole (206) are put together by their places in what was not compressed (RFC 9110, 14.4). The others have no
body, where a filter before gave the status too: a compressor would send the frame of its format after the headers.
"""


def _compressor(name: str, library: Message, choose_first: bool) -> Compressor:
    # Browsers name gzip first; of equal preferences the first of the list with choose_first is taken.
    made = Compressor(choose_first=choose_first)
    made.response_direction_config.uncompressible_response_codes.extend(UNCOMPRESSIBLE)
    made.compressor_library.name = name
    made.compressor_library.typed_config.Pack(library, deterministic=True)
    return made


def _basic_auth() -> BasicAuth:
    made = BasicAuth()
    made.users.inline_string = NOBODY
    return made


def _buffer() -> Buffer:
    made = Buffer()
    made.max_request_bytes.value = SMALLEST_BUFFER
    return made


def _csrf() -> CsrfPolicy:
    made = CsrfPolicy()
    made.filter_enabled.default_value.numerator = 0
    return made


FILTERS: Final = (
    HttpFilter(Stage.MARK, MARK, SetMetadata),
    HttpFilter(Stage.BANDWIDTH_LIMIT, BANDWIDTH_LIMIT, lambda: BandwidthLimit(stat_prefix="bandwidth_limit")),
    HttpFilter(Stage.COMPRESS_ZSTD, COMPRESS_ZSTD, lambda: _compressor("zstd", Zstd(), True)),
    HttpFilter(Stage.COMPRESS_BROTLI, COMPRESS_BROTLI, lambda: _compressor("brotli", Brotli(), True)),
    HttpFilter(Stage.COMPRESS_GZIP, COMPRESS_GZIP, lambda: _compressor("gzip", Gzip(), False)),
    # In a slot: Envoy's filter would try the responses of a route first, and then those that the route inherits.
    HttpFilter(Stage.CUSTOM_RESPONSE, CUSTOM_RESPONSE, FilterChainConfig),
    HttpFilter(Stage.CLOSED, CLOSED, HTTPFault),
    HttpFilter(Stage.BEFORE_FAULT, BEFORE_FAULT, FilterChainConfig),
    HttpFilter(Stage.FAULT, FAULT, HTTPFault),
    HttpFilter(Stage.CORS, CORS, Cors),
    HttpFilter(Stage.CSRF, CSRF, _csrf),
    HttpFilter(Stage.ACL, ACL, RBAC),
    # In slots: each level of Gateway, ListenerSet and listener may have one of its own, and all have to allow.
    HttpFilter(Stage.ACL_ENFORCED, ACL_ENFORCED, FilterChainConfig),
    HttpFilter(Stage.LOCAL_RATE_LIMIT_EARLY, LOCAL_RATE_LIMIT_EARLY, Composite, discovered=True),
    HttpFilter(Stage.DECOMPRESS, DECOMPRESS, FilterChainConfig),
    HttpFilter(Stage.WAF, WAF, FilterChainConfig),
    HttpFilter(Stage.BEFORE_AUTHN, BEFORE_AUTHN, FilterChainConfig),
    HttpFilter(Stage.OAUTH2, OAUTH2, OAuth2),
    # Apart from the next one, so that a route may have both, and each must pass.
    HttpFilter(Stage.OAUTH2_TOKENS, OAUTH2_TOKENS, JwtAuthentication, discovered=True),
    HttpFilter(Stage.JWT, JWT, JwtAuthentication, discovered=True),
    HttpFilter(Stage.BASIC_AUTH, BASIC_AUTH, _basic_auth),
    HttpFilter(Stage.API_KEY_AUTH, API_KEY_AUTH, ApiKeyAuth),
    HttpFilter(Stage.BEFORE_AUTHZ, BEFORE_AUTHZ, FilterChainConfig),
    HttpFilter(Stage.EXT_AUTHZ, EXT_AUTHZ, FilterChainConfig),
    # In slots: Envoy calls the filters for AI alpha, so they are only in routes that need them.
    HttpFilter(Stage.AI, AI, FilterChainConfig),
    HttpFilter(Stage.RBAC_ENFORCED, RBAC_ENFORCED, FilterChainConfig),
    HttpFilter(Stage.RBAC, AUTHORIZATION, RBAC),
    HttpFilter(Stage.AGENTS, AGENTS, FilterChainConfig),
    HttpFilter(Stage.BEFORE_RATE_LIMIT, BEFORE_RATE_LIMIT, FilterChainConfig),
    HttpFilter(Stage.LOCAL_RATE_LIMIT, LOCAL_RATE_LIMIT, Composite, discovered=True),
    HttpFilter(Stage.RATE_LIMIT, RATE_LIMIT, FilterChainConfig),
    HttpFilter(Stage.QUOTA, QUOTA, FilterChainConfig),
    HttpFilter(Stage.ADMISSION, ADMISSION, Composite, discovered=True),
    HttpFilter(Stage.BEFORE_ROUTE, BEFORE_ROUTE, FilterChainConfig),
    HttpFilter(Stage.BUFFER, BUFFER, _buffer),
    HttpFilter(Stage.TRANSFORMATION, TRANSFORMATION, refusing_filter, discovered=True),
    HttpFilter(Stage.LUA, LUA, FilterChainConfig),
    HttpFilter(Stage.EXT_PROC, EXT_PROC, FilterChainConfig),
    HttpFilter(Stage.WASM, WASM, Composite, discovered=True),
    HttpFilter(Stage.DYNAMIC_MODULES, DYNAMIC_MODULES, Composite, discovered=True),
    HttpFilter(Stage.HEADER_MUTATION, HEADER_MUTATION, HeaderMutation),
    HttpFilter(Stage.STATEFUL_SESSION, STATEFUL_SESSION, StatefulSession),
    HttpFilter(Stage.CREDENTIALS, CREDENTIALS, FilterChainConfig),
    HttpFilter(Stage.BACKEND, BACKEND, FilterChainConfig),
    HttpFilter(Stage.AI_USAGE, AI_USAGE, FilterChainConfig),
    HttpFilter(Stage.AFTER_ROUTE, AFTER_ROUTE, FilterChainConfig),
    # Does nothing where no route gives it rules.
    HttpFilter(Stage.GUARD, GUARD, RBAC, disabled=False),
)
"""The filters, but for the router."""

BEHIND_CORS: Final = frozenset(
    each.name for each in FILTERS if each.stage is Stage.CSRF or Stage.BEFORE_AUTHN <= each.stage <= Stage.BEFORE_ROUTE
)
"""The filters that ask who it is and how often, which preflights do not reach: they carry no credentials."""
