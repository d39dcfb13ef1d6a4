"""A kind of policy whose units use the forms of filters that policies have, each with an effect that clients see."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

from google.protobuf.json_format import ParseDict

from headgate_proto.envoy.extensions.filters.http.composite.v3.composite_pb2 import (
    Composite,
    CompositePerRoute,
    ExecuteFilterAction,
)
from headgate_proto.envoy.extensions.filters.http.local_ratelimit.v3.local_rate_limit_pb2 import LocalRateLimit
from headgate_proto.envoy.extensions.filters.http.lua.v3.lua_pb2 import Lua
from headgate_proto.envoy.extensions.filters.http.rbac.v3.rbac_pb2 import RBACPerRoute
from translator.envoy.filter_entries import FilterConfig, FilterEntry, SlotFilter
from translator.envoy.hooks import FilterHook
from translator.envoy.http_filters import AUTHORIZATION, BEFORE_ROUTE, FILTERS, LOCAL_RATE_LIMIT
from translator.extension import TABLE, Extension, FilterOutcome, PolicyContext, PolicyUnit
from translator.extensions import EXTENSIONS
from translator.ir.http import RuleSetting
from translator.kinds import PolicyKind, Registry
from translator.objects.gateway_api.policy import Policy, PolicySpec
from translator.objects.headgate.types import Disableable
from translator.outcome import Outcome, Problem
from translator.registry import registry

CHAIN = "probe"
LIMIT = 2
"""How many requests the chain lets through."""


class Probe(Disableable):
    """The value of a unit."""

    value: str | None = None


class ProbePolicySpec(PolicySpec):
    """The units."""

    limit: Probe | None = None
    """Has requests count against the one bucket of the proxy."""
    key: Probe | None = None
    """Lets requests with this value of ``x-key`` in; ``broken`` cannot be built, Envoy would refuse ``refused``."""
    move: Probe | None = None
    """Moves requests to another path, and has their route chosen anew."""


class ProbePolicy(Policy):
    """A policy with these units."""

    kind = "ProbePolicy"
    group = "probe.example.com"
    versions = ("v1",)
    plural = "probepolicies"
    spec: ProbePolicySpec


def _chains() -> Composite:
    made = Composite()
    bucket = {"max_tokens": LIMIT, "tokens_per_fill": 1, "fill_interval": "3600s"}
    every = {"default_value": {"numerator": 100}}
    limit = ParseDict(
        {"stat_prefix": CHAIN, "token_bucket": bucket, "filter_enabled": every, "filter_enforced": every},
        LocalRateLimit(),
    )
    made.named_filter_chains[CHAIN].typed_config.add(name="limit").typed_config.Pack(limit)
    return made


@dataclass(frozen=True, slots=True)
class Limit(RuleSetting, FilterHook):
    """Counts against the bucket of the named chain."""

    def filter_configs(self) -> Iterator[FilterEntry]:
        """Yield the name of the chain."""
        made = CompositePerRoute()
        action = made.matcher.on_no_match.action
        action.name = CHAIN
        action.typed_config.Pack(ExecuteFilterAction(filter_chain_name=CHAIN))
        yield FilterConfig(LOCAL_RATE_LIMIT, made)


@dataclass(frozen=True, slots=True)
class Key(RuleSetting, FilterHook):
    """Asks for a header."""

    value: str

    def filter_configs(self) -> Iterator[FilterEntry]:
        """Yield the rule."""
        header = {"name": "x-key", "string_match": {"exact": self.value}}
        policy = {"permissions": [{"header": header}], "principals": [] if self.value == "refused" else [{"any": True}]}
        rules = {"rbac": {"rules": {"action": "ALLOW", "policies": {"key": policy}}}}
        yield FilterConfig(AUTHORIZATION, ParseDict(rules, RBACPerRoute()))


@dataclass(frozen=True, slots=True)
class Move(RuleSetting, FilterHook):
    """Rewrites the path, and clears the route cache."""

    path: str

    def filter_configs(self) -> Iterator[FilterEntry]:
        """Yield a script."""
        made = Lua()
        code = f'function envoy_on_request(handle) handle:headers():replace(":path", "{self.path}") end'
        made.default_source_code.inline_string = code
        yield SlotFilter(BEFORE_ROUTE, "move", made)


def _read(make: Any) -> Any:
    def read(context: PolicyContext) -> FilterOutcome:
        found = context.effective.value
        if found.disable is not None:
            return Outcome(())
        if found.value == "broken":
            return Outcome(None, (Problem("Accepted", "Invalid", f"{context.field}.value: it is broken."),))
        return Outcome((make(found.value),))

    return read


PROBE = Extension(
    "probe",
    policies=(PolicyKind(ProbePolicy, closed=True),),
    units=(
        PolicyUnit(ProbePolicy, "limit", _read(lambda _: Limit()), Limit, inherit=TABLE),
        PolicyUnit(ProbePolicy, "key", _read(Key), Key, closed=True, inherit=TABLE),
        PolicyUnit(ProbePolicy, "move", _read(Move), Move, inherit=TABLE),
    ),
)


def with_probe() -> Registry:
    """Return the registry with this kind, in which the list of filters has the named chain."""
    filters = tuple(replace(each, config=_chains) if each.name == LOCAL_RATE_LIMIT else each for each in FILTERS)
    others = (each for each in EXTENSIONS if each.http_filters != FILTERS)
    return registry((Extension("filters", http_filters=filters), *others, PROBE))
