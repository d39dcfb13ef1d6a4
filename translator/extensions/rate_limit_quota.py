"""Shares of a limit that a service assigns to each proxy (`rateLimit.quota`), in Envoy's protocol RLQS."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Final

from headgate_proto.envoy.extensions.filters.http.rate_limit_quota.v3.rate_limit_quota_pb2 import (
    RateLimitQuotaBucketSettings,
    RateLimitQuotaFilterConfig,
)
from headgate_proto.envoy.type.matcher.v3.http_inputs_pb2 import HttpRequestHeaderMatchInput
from headgate_proto.envoy.type.v3.ratelimit_strategy_pb2 import RateLimitStrategy
from headgate_proto.xds.core.v3.extension_pb2 import TypedExtensionConfig
from headgate_proto.xds.type.matcher.v3.matcher_pb2 import Matcher
from translator.envoy import http_filters
from translator.envoy.filter_entries import FilterEntry, SlotFilter
from translator.envoy.grpc_service import GrpcCall, grpc_service
from translator.envoy.hooks import FilterHook
from translator.extension import FilterOutcome, PolicyContext
from translator.ir.backend import Backend
from translator.ir.http import RuleSetting
from translator.objects.headgate.quota import RateLimitQuota
from translator.objects.headgate.ratelimitproviders import RateLimitQuotaProvider
from translator.outcome import Outcome
from translator.providers import ProviderContext, ProviderKind, provider_of

MEMBER: Final = "rate_limit_quota"
FILTER: Final = "headgate.quota.buckets"
REPORTING_SECONDS: Final = 5
"""How often a proxy reports: so often, whatever it is told (Envoy 1.40)."""
ABSENT: Final = "-"
"""What stands in the id of a bucket for each header of requests that lack one of them."""


@dataclass(frozen=True, slots=True)
class AssignedQuota(RuleSetting, FilterHook):
    """Requests in buckets, for each of which a service assigns a quota.

    Attributes:
        call: how the service is called.
        domain: the domain of the buckets.
        headers: the parts of a bucket's id that are headers: their keys, and the names of the headers.
        literals: the parts that are the same for all requests.
        denies: whether requests of a bucket without an assignment are refused.
    """

    call: GrpcCall
    domain: str
    headers: tuple[tuple[str, str], ...]
    literals: tuple[tuple[str, str], ...]
    denies: bool

    @property
    def backends(self) -> tuple[Backend, ...]:
        """The service."""
        return (self.call.backend,)

    def with_backends(self, change: Callable[[Backend], Backend]) -> AssignedQuota:
        """Change the service."""
        return replace(self, call=self.call.with_backend(change))

    def filter_configs(self) -> Iterator[FilterEntry]:
        """Yield the filter.

        Envoy lets requests pass of which it cannot make an id: those without one of the headers have a bucket together.
        """
        made = RateLimitQuotaFilterConfig(domain=self.domain)
        made.rlqs_server.CopyFrom(grpc_service(self.call))
        others = self._bucket(dict.fromkeys((key for key, _ in self.headers), ABSENT))
        made.bucket_matchers.on_no_match.action.CopyFrom(others)
        if self.headers:
            matcher = made.bucket_matchers.matcher_list.matchers.add()
            several = len(self.headers) > 1  # Envoy takes no list of one
            for _, name in self.headers:
                _write_presence(matcher.predicate.and_matcher.predicate.add() if several else matcher.predicate, name)
            matcher.on_match.action.CopyFrom(self._bucket({}))
        yield SlotFilter(http_filters.QUOTA, FILTER, made)

    def _bucket(self, instead: dict[str, str]) -> TypedExtensionConfig:
        """Return the action that puts a request into a bucket, with texts in place of some of its headers."""
        made = RateLimitQuotaBucketSettings()
        made.reporting_interval.seconds = REPORTING_SECONDS
        rule = RateLimitStrategy.DENY_ALL if self.denies else RateLimitStrategy.ALLOW_ALL
        made.no_assignment_behavior.fallback_rate_limit.blanket_rule = rule
        parts = made.bucket_id_builder.bucket_id_builder
        for key, text in (*self.literals, *instead.items()):
            parts[key].string_value = text
        for key, name in self.headers:
            if key not in instead:
                value = parts[key].custom_value
                value.name = "header"
                value.typed_config.Pack(HttpRequestHeaderMatchInput(header_name=name), deterministic=True)
        action = TypedExtensionConfig(name="bucket")
        action.typed_config.Pack(made, deterministic=True)
        return action


def _write_presence(predicate: Matcher.MatcherList.Predicate, name: str) -> None:
    single = predicate.single_predicate
    single.input.name = "header"
    single.input.typed_config.Pack(HttpRequestHeaderMatchInput(header_name=name), deterministic=True)
    single.value_match.safe_regex.google_re2.SetInParent()
    single.value_match.safe_regex.regex = "(?s).*"


@dataclass(frozen=True, slots=True)
class QuotaProvider:
    """What a GatewayExtension says of a service that assigns quotas."""

    call: GrpcCall
    domain: str


def read_provider(context: ProviderContext) -> Outcome[QuotaProvider | None]:
    """Read the member `rateLimitQuota` of a GatewayExtension."""
    found = context.value
    assert isinstance(found, RateLimitQuotaProvider)
    call = context.grpc(found.grpc_service, "grpcService")
    return Outcome(None if call.value is None else QuotaProvider(call.value, found.domain), call.problems)


def is_closed(found: RateLimitQuota | None) -> bool:
    """Return whether requests are refused while quotas cannot be built: as while none is assigned."""
    return found is not None and found.no_assignment == "Deny"


def read_quota(context: PolicyContext, found: RateLimitQuota | None) -> FilterOutcome:
    """Read the effective quota."""
    if found is None or found.disable is not None:
        return Outcome(())
    assert found.extension_ref is not None
    assert found.buckets is not None
    owner, field = context.origin("quota"), f"{context.field}.quota.extensionRef"
    provider: Outcome[QuotaProvider | None] = provider_of(context.db, owner, found.extension_ref, MEMBER, field)
    if provider.value is None:
        return Outcome(None if is_closed(found) else (), provider.problems)
    headers = tuple((each.key, each.header.lower()) for each in found.buckets if each.header is not None)
    literals = tuple((each.key, each.literal) for each in found.buckets if each.literal is not None)
    return Outcome((AssignedQuota(provider.value.call, provider.value.domain, headers, literals, is_closed(found)),))


PROVIDER: Final = ProviderKind(MEMBER, read_provider)
