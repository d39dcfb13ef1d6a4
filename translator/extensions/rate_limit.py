"""The unit `rateLimit` of TrafficPolicies: limits of requests, each of which holds beside the others."""

from __future__ import annotations

from translator.extension import TABLE, Extension, FilterOutcome, PolicyContext, PolicyUnit
from translator.extensions.connection_limit import connection_limits, of_requests
from translator.extensions.local_rate_limit import LocalLimit, is_by_route, read_local
from translator.ir.l4 import L4Setting
from translator.objects.headgate.ratelimit import RateLimits
from translator.objects.headgate.trafficpolicy import TrafficPolicy
from translator.outcome import Outcome, gather


def read(context: PolicyContext) -> FilterOutcome:
    """Read the effective limits."""
    found = context.effective.value
    assert isinstance(found, RateLimits)
    read = gather((read_local(context, found.local),))
    return Outcome(tuple(setting for settings in read.value for setting in settings), read.problems)


def by_place(found: RateLimits) -> bool:
    """Return whether each route has limits of its own."""
    return found.local is not None and is_by_route(found.local)


def connections(found: RateLimits) -> tuple[L4Setting, ...]:
    """Return the limit of connections."""
    return connection_limits(found.local) if found.local is not None else ()


def request_fields(found: RateLimits) -> tuple[str, ...]:
    """Return the paths of what concerns requests only."""
    return tuple(f"local.{each}" for each in of_requests(found.local)) if found.local is not None else ()


EXTENSION = Extension(
    "rate limits",
    units=(
        PolicyUnit(
            TrafficPolicy,
            "rate_limit",
            read,
            LocalLimit,
            inherit=TABLE,
            by_place=by_place,
            connections=connections,
            request_fields=request_fields,
        ),
    ),
)
