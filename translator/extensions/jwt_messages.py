"""Envoy's ``JwtAuthentication``, made from issuers of tokens."""

from __future__ import annotations

from typing import Final

from google.protobuf.duration_pb2 import Duration

from headgate_proto.envoy.config.route.v3.route_components_pb2 import HeaderMatcher
from headgate_proto.envoy.extensions.filters.http.fault.v3.fault_pb2 import HTTPFault
from headgate_proto.envoy.extensions.filters.http.jwt_authn.v3 import config_pb2
from translator.envoy.durations import whole_seconds
from translator.envoy.names import cluster_name
from translator.extensions.attempts import BACKOFF_FACTOR
from translator.extensions.jwt_providers import Issuer, RemoteKeys, subjects_pattern
from translator.extensions.matchers import write_string_match
from translator.languages.regex import escape
from translator.objects.headgate.jwt import JwtProvider, TokenHeader

AUTHORIZATION: Final = "authorization"
BEARER: Final = "Bearer "
CLOCK_SKEW: Final = 60_000
CACHE: Final = 300_000
REFETCH: Final = 1_000
FETCH_TIMEOUT: Final = 5_000
RETRY_INTERVAL: Final = 1_000
UNAUTHORIZED: Final = 401

_TOKEN: Final = "[-A-Za-z0-9._~+/=]+"


def write_issuer(provider: config_pb2.JwtProvider, issuer: Issuer) -> None:
    """Write an issuer as a ``JwtProvider``."""
    spec = issuer.spec
    provider.issuer = spec.issuer or ""
    provider.audiences.extend(spec.audiences or ())
    subjects = spec.subjects or ()
    if len(subjects) == 1:
        write_string_match(provider.subjects, subjects[0])
    elif subjects:
        provider.subjects.safe_regex.regex = subjects_pattern(subjects)
    provider.require_expiration = spec.require_expiration is not False
    # 0 would be Envoy's default.
    provider.clock_skew_seconds = whole_seconds(spec.clock_skew or CLOCK_SKEW)
    provider.forward = bool(spec.forward_token)
    provider.clear_route_cache = bool(spec.recompute_route)
    provider.payload_in_metadata = issuer.metadata_key
    _write_source(provider, spec)
    for each in spec.claims_to_headers or ():
        added = provider.claim_to_headers.add(header_name=each.header, claim_name=each.name or "")
        for step in each.path or ():
            added.claim_path.add(key=step)
    if isinstance(issuer.keys, RemoteKeys):
        _write_remote(provider.remote_jwks, issuer.keys)
    else:
        provider.local_jwks.inline_string = issuer.keys


def token_headers(spec: JwtProvider) -> tuple[tuple[str, str], ...]:
    """Return the headers that may have a token, each with what stands before it."""
    if spec.token_source is None:
        # Without any place Envoy would look at the parameter access_token of the query too.
        return ((AUTHORIZATION, BEARER),)
    return tuple((each.name.lower(), _prefix(each)) for each in spec.token_source.headers or ())


def _prefix(found: TokenHeader) -> str:
    if found.prefix is not None:
        return found.prefix
    return BEARER if found.name.lower() == AUTHORIZATION else ""


def _spellings(prefix: str) -> tuple[str, ...]:
    """Return how a prefix is written: the names of schemes are the same in lower case (RFC 9110, 11.1)."""
    return (prefix, prefix.lower()) if prefix == BEARER else (prefix,)


def _write_source(provider: config_pb2.JwtProvider, spec: JwtProvider) -> None:
    for name, prefix in token_headers(spec):
        for each in _spellings(prefix):
            provider.from_headers.add(name=name, value_prefix=each)
    if spec.token_source is not None:
        provider.from_params.extend(spec.token_source.query_params or ())
        provider.from_cookies.extend(spec.token_source.cookies or ())


def _write_remote(remote: config_pb2.RemoteJwks, keys: RemoteKeys) -> None:
    spec = keys.spec
    remote.http_uri.uri = keys.url
    remote.http_uri.cluster = cluster_name(keys.backend)
    _write(remote.http_uri.timeout, spec.timeout or FETCH_TIMEOUT)
    _write(remote.cache_duration, spec.cache_duration or CACHE)
    # Requests that come before the keys have them fetched; the listener waits for nobody.
    remote.async_fetch.fast_listener = True
    refetch = spec.async_fetch.failed_refetch_duration if spec.async_fetch is not None else None
    _write(remote.async_fetch.failed_refetch_duration, refetch or REFETCH)
    if spec.retry_policy is not None:
        base = spec.retry_policy.base_interval or RETRY_INTERVAL
        remote.retry_policy.num_retries.value = spec.retry_policy.num_retries
        _write(remote.retry_policy.retry_back_off.base_interval, base)
        longest = spec.retry_policy.max_interval or BACKOFF_FACTOR * base
        _write(remote.retry_policy.retry_back_off.max_interval, longest)


def _write(duration: Duration, milliseconds: int) -> None:
    duration.FromMilliseconds(milliseconds)


def ambiguous(issuers: tuple[Issuer, ...]) -> tuple[HTTPFault, ...]:
    """Return filters that refuse requests with a header of which the backend may read another token than Envoy.

    Envoy takes what follows the first prefix anywhere in a header, of which there may be several, and looks at no other
    spelling of the prefix: a request with ``bearer EVIL, Bearer GOOD`` would be valid, and one with ``BeaReR EVIL``
    would have no token.
    """
    places = dict.fromkeys(place for each in issuers for place in token_headers(each.spec) if place[1].strip())
    return tuple(_refusal(name, prefix) for name, prefix in places)


def _refusal(name: str, prefix: str) -> HTTPFault:
    made = HTTPFault()
    made.abort.http_status = UNAUTHORIZED
    made.abort.percentage.numerator = 100
    word = escape(prefix.strip())
    rest = r"(?:[\s,].*)?" if prefix.endswith(" ") else ".*"
    has, single = made.headers.add(name=name), made.headers.add(name=name, invert_match=True)
    _write_regex(has, rf"(?is)(?:.*[\s,;])?{word}{rest}")
    spellings = "|".join(escape(each.strip()) + (" +" if each.endswith(" ") else "") for each in _spellings(prefix))
    _write_regex(single, f"(?:{spellings}){_TOKEN}")
    return made


def _write_regex(matcher: HeaderMatcher, regex: str) -> None:
    matcher.string_match.safe_regex.regex = regex


def requirement(
    issuers: tuple[Issuer, ...], mode: str, require_all: bool, audiences: tuple[str, ...]
) -> config_pb2.JwtRequirement:
    """Return what tokens a request needs."""
    made = config_pb2.JwtRequirement()
    tokens = [_token(each, audiences) for each in issuers]
    if require_all:
        several = [_or_less([each], mode) for each in tokens]
        if len(several) == 1:
            return several[0]
        made.requires_all.requirements.extend(several)
        return made
    return _or_less(tokens, mode)


def _or_less(tokens: list[config_pb2.JwtRequirement], mode: str) -> config_pb2.JwtRequirement:
    """Return that one of some tokens is needed, or what a mode lets pass without one."""
    less = config_pb2.JwtRequirement()
    if mode == "AllowMissing":
        less.allow_missing.SetInParent()
    elif mode == "AllowMissingOrFailed":
        less.allow_missing_or_failed.SetInParent()
    choices = [*tokens, *([less] if mode != "Strict" else [])]
    if len(choices) == 1:
        return choices[0]
    made = config_pb2.JwtRequirement()
    made.requires_any.requirements.extend(choices)
    return made


def _token(issuer: Issuer, audiences: tuple[str, ...]) -> config_pb2.JwtRequirement:
    made = config_pb2.JwtRequirement()
    if not audiences:
        made.provider_name = issuer.key
        return made
    own = issuer.spec.audiences
    made.provider_and_audiences.provider_name = issuer.key
    # They replace the provider's own.
    made.provider_and_audiences.audiences.extend(each for each in audiences if own is None or each in own)
    return made
