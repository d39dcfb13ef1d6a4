"""`rateLimit` of TrafficPolicies: how many requests and connections may come."""

from typing import Annotated

from pydantic import Field

from translator.objects.headgate.globallimit import GlobalRateLimit
from translator.objects.headgate.locallimit import LocalRateLimit
from translator.objects.headgate.quota import RateLimitQuota
from translator.objects.schema.base import Fields
from translator.objects.schema.merging import ATOMIC


class RateLimits(Fields):
    """Limits of requests, which hold beside each other."""

    local: Annotated[LocalRateLimit | None, ATOMIC] = None
    """Limits that each proxy holds by itself."""
    global_: Annotated[GlobalRateLimit | None, Field(alias="global")] = None
    """Limits that all proxies hold together, by a rate limit service."""
    quota: Annotated[RateLimitQuota | None, ATOMIC] = None
    """Shares of a limit that a service assigns to each proxy."""
