"""`rateLimit.local` of TrafficPolicies: limits that each proxy holds by itself (Envoy's ``local_ratelimit``)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from headgate_proto.envoy.config.core.v3.base_pb2 import HeaderValueOption
from headgate_proto.envoy.config.route.v3.route_components_pb2 import RateLimit
from headgate_proto.envoy.extensions.common.ratelimit.v3 import ratelimit_pb2
from headgate_proto.envoy.extensions.filters.http.local_ratelimit.v3 import local_rate_limit_pb2
from headgate_proto.envoy.type.v3.http_status_pb2 import StatusCode
from translator.envoy.filter_entries import FilterEntry
from translator.envoy.fractions import write_share
from translator.envoy.hooks import FilterHook
from translator.envoy.http_filters import LOCAL_RATE_LIMIT, LOCAL_RATE_LIMIT_EARLY
from translator.envoy.named_chains import named_chain
from translator.extension import PolicyContext
from translator.extensions.buckets import write_bucket
from translator.extensions.client_selectors import selector_entries, selector_problems
from translator.extensions.state_place import StatefulSetting, state_place
from translator.ir.http import MILLION
from translator.objects.headgate.locallimit import LocalRateLimit, LocalRule
from translator.objects.headgate.rates import SECONDS
from translator.outcome import Outcome, Problem

STAT_PREFIX: Final = "local_rate_limit"
"""What the names of the filter's statistics begin with."""
MOST_VALUES: Final = 10_000
"""The most buckets of values of a policy that are kept; of more, those that were used last."""
RULE: Final = "rule"
"""The key of the first entry of each descriptor: the name of the rule."""
MEMBER: Final = "local"
"""The path of the limits below the unit."""


@dataclass(frozen=True, slots=True)
class LocalLimit(StatefulSetting, FilterHook):
    """Limits of requests; their state are buckets.

    Attributes:
        limits: what policies say.
    """

    limits: LocalRateLimit

    def filter_configs(self) -> Iterator[FilterEntry]:
        """Yield the chain, unless each route has one of its own and this is none."""
        if not self.place.is_open:
            early = self.limits.phase == "BeforeAuth"
            name = LOCAL_RATE_LIMIT_EARLY if early else LOCAL_RATE_LIMIT
            yield from named_chain(name, self.place.name, local_rate_limit(self.limits))


def local_rate_limit(found: LocalRateLimit) -> local_rate_limit_pb2.LocalRateLimit:
    """Write limits as the configuration of the filter."""
    made = local_rate_limit_pb2.LocalRateLimit(stat_prefix=STAT_PREFIX, rate_limited_as_resource_exhausted=True)
    for fraction, share in (
        (made.filter_enabled, found.percent_enabled),
        (made.filter_enforced, found.percent_enforced),
    ):
        write_share(fraction.default_value, MILLION if share is None else share)
    if found.token_bucket is not None:
        write_bucket(made.token_bucket, found.token_bucket)
    if found.limits:
        # The bucket of all requests is for those that no rule selects.
        made.always_consume_default_token_bucket.value = False
        made.max_dynamic_descriptors.value = MOST_VALUES
    for rule in found.limits or ():
        _write_rule(rule, made.descriptors.add(), made.rate_limits.add())
    if found.status_code is not None:
        made.status.code = found.status_code  # type: ignore[assignment]  # a number of the enum
    for header in found.response_headers or ():
        option = made.response_headers_to_add.add(append_action=HeaderValueOption.OVERWRITE_IF_EXISTS_OR_ADD)
        option.header.key, option.header.value = header.name, header.value.replace("%", "%%")
    if found.x_rate_limit_headers == "DraftVersion03":
        made.enable_x_ratelimit_headers = ratelimit_pb2.DRAFT_VERSION_03
    made.local_rate_limit_per_downstream_connection = bool(found.per_connection)
    return made


def _write_rule(rule: LocalRule, descriptor: ratelimit_pb2.LocalRateLimitDescriptor, rate_limit: RateLimit) -> None:
    """Write a rule: what makes a descriptor of a request that it selects, and the bucket of that descriptor."""
    name = rate_limit.actions.add().generic_key
    name.descriptor_key, name.descriptor_value = RULE, rule.name
    descriptor.entries.add(key=RULE, value=rule.name)
    for each in selector_entries(rule.client_selectors or ()):
        rate_limit.actions.append(each.action)
        descriptor.entries.add(key=each.key, value=each.value or "")
    if rule.token_bucket is not None:
        write_bucket(descriptor.token_bucket, rule.token_bucket)
    elif rule.limit is not None:
        descriptor.token_bucket.max_tokens = rule.limit.requests
        descriptor.token_bucket.tokens_per_fill.value = rule.limit.requests
        descriptor.token_bucket.fill_interval.seconds = SECONDS[rule.limit.unit]
    descriptor.shadow_mode = bool(rule.shadow)


def read_local(context: PolicyContext, found: LocalRateLimit | None) -> Outcome[tuple[LocalLimit, ...]]:
    """Read the effective limits; none of them holds where one is wrong."""
    if found is None or found.disable is not None:
        return Outcome(())
    problems = tuple(
        problem
        for place, rule in enumerate(found.limits or ())
        for problem in selector_problems(
            rule.client_selectors or (), f"{context.field}.{MEMBER}.rules[{place}].clientSelectors"
        )
    )
    if (status := found.status_code) is not None and status not in StatusCode.values():
        text = f"{status} is no status that Envoy responds with; use another, like 429."
        problems = (*problems, Problem("Accepted", "Invalid", f"{context.field}.{MEMBER}.statusCode: {text}"))
    if problems:
        return Outcome((), problems)
    return Outcome((LocalLimit(state_place(context, MEMBER, is_by_route(found)), found),))


def is_by_route(found: LocalRateLimit) -> bool:
    """Return whether each route has buckets of its own, wherever a policy is attached."""
    return found.scope == "Route" and found.disable is None
