"""`rateLimit.local` at routes of connections: how many may be opened (Envoy's network filter ``local_ratelimit``)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from headgate_proto.envoy.config.listener.v3.listener_components_pb2 import Filter
from headgate_proto.envoy.extensions.filters.network.local_ratelimit.v3.local_rate_limit_pb2 import LocalRateLimit
from translator.envoy.hooks import NetworkFilterHook
from translator.extensions.buckets import write_bucket
from translator.ir.l4 import L4Chain, L4Setting
from translator.objects.headgate.locallimit import LocalRateLimit as LocalLimits
from translator.objects.headgate.locallimit import RateBucket

FILTER: Final = "envoy.filters.network.local_ratelimit"
STAT_PREFIX: Final = "connections"
"""The last part of the names of the filter's statistics, after ``local_rate_limit``."""
OF_CONNECTIONS: Final = "token_bucket"
"""The field that is for connections too."""


@dataclass(frozen=True, slots=True)
class ConnectionLimit(L4Setting, NetworkFilterHook):
    """Closes connections of a route for which its bucket has no token."""

    bucket: RateBucket

    def network_filters(self, chain: L4Chain) -> Iterator[Filter]:
        """Yield the filter; all chains of a route share the bucket, those of before an update too."""
        limit = LocalRateLimit(stat_prefix=STAT_PREFIX, share_key="/".join((*(chain.route or ()), chain.rule)))
        write_bucket(limit.token_bucket, self.bucket)
        made = Filter(name=FILTER)
        made.typed_config.Pack(limit, deterministic=True)
        yield made


def connection_limits(found: LocalLimits) -> tuple[L4Setting, ...]:
    """Return the limit of connections, if there is one."""
    return () if found.token_bucket is None else (ConnectionLimit(found.token_bucket),)


def of_requests(found: LocalLimits) -> tuple[str, ...]:
    """Return the names of the fields that are set and concern requests only."""
    names = ((name, info.alias or name) for name, info in type(found).model_fields.items() if name != OF_CONNECTIONS)
    return tuple(alias for name, alias in names if getattr(found, name) is not None)
