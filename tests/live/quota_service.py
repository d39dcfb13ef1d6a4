"""A service that assigns quotas, in Envoy's protocol RLQS."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field

import grpc

from headgate_proto.envoy.service.rate_limit_quota.v3.rlqs_pb2 import (
    BucketId,
    RateLimitQuotaResponse,
    RateLimitQuotaUsageReports,
)
from headgate_proto.envoy.type.v3.ratelimit_strategy_pb2 import RateLimitStrategy
from tests.live.grpc_server import grpc_server

Bucket = tuple[tuple[str, str], ...]
"""The id of a bucket: keys and values, sorted."""
REPORTS = "envoy.service.rate_limit_quota.v3.RateLimitQuotaService"
NEVER = 86_400


@dataclass
class QuotaService:
    """A service on a loopback port.

    Attributes:
        assign: returns the most requests of a bucket, as a bucket of tokens that is never filled again; None for all.
        seen: the usages that it was told of, by bucket: allowed and denied requests.
    """

    assign: Callable[[dict[str, str]], int | None]
    port: int = 0
    domains: set[str] = field(default_factory=set)
    seen: dict[Bucket, tuple[int, int]] = field(default_factory=dict)
    _news: asyncio.Condition = field(default_factory=asyncio.Condition)

    async def knows(self, count: int) -> None:
        """Wait until it has been told of so many buckets."""
        async with asyncio.timeout(15), self._news:
            await self._news.wait_for(lambda: len(self.seen) >= count)

    async def stream(
        self, reports: AsyncIterator[RateLimitQuotaUsageReports], _: object
    ) -> AsyncIterator[RateLimitQuotaResponse]:
        """Answer each report with assignments of its buckets."""
        domain = ""
        async for report in reports:
            domain = report.domain or domain
            self.domains.add(domain)
            response = RateLimitQuotaResponse()
            for usage in report.bucket_quota_usages:
                bucket = dict(usage.bucket_id.bucket)
                key = tuple(sorted(bucket.items()))
                if key not in self.seen:
                    self._assign(response, usage.bucket_id, bucket)
                allowed, denied = self.seen.get(key, (0, 0))
                self.seen[key] = allowed + usage.num_requests_allowed, denied + usage.num_requests_denied
            if response.bucket_action:
                yield response
            async with self._news:
                self._news.notify_all()

    def _assign(self, response: RateLimitQuotaResponse, bucket_id: BucketId, bucket: dict[str, str]) -> None:
        action = response.bucket_action.add()
        action.bucket_id.CopyFrom(bucket_id)
        assigned = action.quota_assignment_action
        assigned.assignment_time_to_live.seconds = NEVER
        most = self.assign(bucket)
        if most:
            tokens = assigned.rate_limit_strategy.token_bucket
            tokens.max_tokens, tokens.tokens_per_fill.value, tokens.fill_interval.seconds = most, 1, NEVER
        else:
            rule = RateLimitStrategy.ALLOW_ALL if most is None else RateLimitStrategy.DENY_ALL
            assigned.rate_limit_strategy.blanket_rule = rule


@contextlib.asynccontextmanager
async def quota_service(assign: Callable[[dict[str, str]], int | None]) -> AsyncIterator[QuotaService]:
    """Run a service."""
    found = QuotaService(assign)
    handler = grpc.stream_stream_rpc_method_handler(
        found.stream, RateLimitQuotaUsageReports.FromString, RateLimitQuotaResponse.SerializeToString
    )
    async with grpc_server(REPORTS, {"StreamRateLimitQuotas": handler}) as found.port:
        yield found
