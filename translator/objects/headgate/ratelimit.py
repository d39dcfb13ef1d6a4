"""`rateLimit` of TrafficPolicies: how many requests and connections may come."""

from typing import Annotated

from translator.objects.headgate.locallimit import LocalRateLimit
from translator.objects.schema.base import Fields
from translator.objects.schema.merging import ATOMIC


class RateLimits(Fields):
    """Limits of requests, which hold beside each other."""

    local: Annotated[LocalRateLimit | None, ATOMIC] = None
    """Limits that each proxy holds by itself."""
