"""The unit `rateLimit` of TrafficPolicies: limits of requests, each of which holds beside the others."""

from __future__ import annotations

from typing import Final

from translator.envoy.ai.model_filters import MODEL_HEADER
from translator.envoy.ai.model_settings import ReadHeaderOnly, reads_model
from translator.extension import TABLE, Extension, FilterOutcome, PolicyContext, PolicyUnit, RuleCheck
from translator.extensions import rate_limit_global, rate_limit_quota
from translator.extensions.connection_limit import connection_limits, of_requests
from translator.extensions.local_rate_limit import LocalLimit, is_by_route, read_local
from translator.extensions.rate_limit_global import GlobalLimits, read_global
from translator.extensions.rate_limit_quota import AssignedQuota, read_quota
from translator.ir.http import Rule, RuleSetting
from translator.ir.l4 import L4Setting
from translator.objects.headgate.clientselectors import ClientSelector
from translator.objects.headgate.ratelimit import RateLimits
from translator.objects.headgate.trafficpolicy import TrafficPolicy
from translator.outcome import Outcome, gather


def read(context: PolicyContext) -> FilterOutcome:
    """Read the effective limits: they cannot be built if one of those that fail closed cannot."""
    found = context.effective.value
    assert isinstance(found, RateLimits)
    parts: tuple[FilterOutcome, ...] = (
        read_local(context, found.local),
        read_global(context, found.global_),
        read_quota(context, found.quota),
    )
    read = gather(parts)
    if any(each is None for each in read.value):
        return Outcome(None, read.problems)
    settings = tuple(setting for each in read.value for setting in each or ())
    settings += (ReadHeaderOnly(),) if MODEL_HEADER in _headers(found) else ()
    # A wrong value breaks the unit; a service that is missing, its own part.
    return Outcome(() if any(each.condition == "Accepted" for each in read.problems) else settings, read.problems)


def _headers(found: RateLimits) -> set[str]:
    """Return the names of the headers that limits select requests by."""
    selectors: list[ClientSelector] = []
    for each in (found.local.limits or ()) if found.local is not None else ():
        selectors += each.client_selectors or ()
    for rule in (found.global_.limits or ()) if found.global_ is not None else ():
        selectors += rule.client_selectors or ()
    return {header.name.lower() for each in selectors for header in each.headers or ()}


WITHOUT_MODEL: Final = (
    "spec.rateLimit selects requests by the header X-Gateway-Model-Name, which none of them has there: the model is "
    "read by ModelRoutes, and by HTTPRoutes to AI providers or with a rule that matches the header"
)


def check(settings: tuple[RuleSetting, ...], rule: Rule) -> RuleCheck:
    """Note that limits are of models where no model is read."""
    of_models = any(isinstance(each, ReadHeaderOnly) for each in settings)
    return RuleCheck(note=WITHOUT_MODEL if of_models and not reads_model(rule.settings) else "")


def is_closed(found: object) -> bool:
    """Return whether requests are refused if the limits cannot be built."""
    assert isinstance(found, RateLimits)
    return rate_limit_global.is_closed(found.global_) or rate_limit_quota.is_closed(found.quota)


def by_place(found: RateLimits) -> bool:
    """Return whether each route has limits of its own."""
    return found.local is not None and is_by_route(found.local)


def connections(found: RateLimits) -> tuple[L4Setting, ...]:
    """Return the limit of connections."""
    return connection_limits(found.local) if found.local is not None else ()


def request_fields(found: RateLimits) -> tuple[str, ...]:
    """Return the paths of what concerns requests only."""
    local = tuple(f"local.{each}" for each in of_requests(found.local)) if found.local is not None else ()
    others = {"global": found.global_, "quota": found.quota}
    return (*local, *(name for name, value in others.items() if value is not None))


EXTENSION = Extension(
    "rate limits",
    units=(
        PolicyUnit(
            TrafficPolicy,
            "rate_limit",
            read,
            (LocalLimit, GlobalLimits, AssignedQuota),
            closed=is_closed,
            check=check,
            inherit=TABLE,
            by_place=by_place,
            connections=connections,
            request_fields=request_fields,
        ),
    ),
    providers=(rate_limit_global.PROVIDER, rate_limit_quota.PROVIDER),
)
