"""What of requests chooses an endpoint, by TrafficPolicies (`hashPolicies`), where a backend's load balancer hashes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Final

from headgate_proto.envoy.config.route.v3.route_components_pb2 import Route
from translator.envoy.hooks import RouteHook
from translator.extension import Extension, FilterOutcome, PolicyContext, PolicyUnit, RuleCheck
from translator.extensions.hash_messages import write_hash_policy
from translator.ir.http import RouteMatch, Rule, RuleSetting
from translator.ir.listener import ListenerContext
from translator.objects.headgate.forwarding import HashPolicy
from translator.objects.headgate.trafficpolicy import TrafficPolicy
from translator.outcome import Outcome


@dataclass(frozen=True, slots=True)
class HashPolicies(RuleSetting, RouteHook):
    """The parts of requests of which the hash is made."""

    forwarding: ClassVar[bool] = True
    policies: tuple[HashPolicy, ...]

    def apply_to_route(self, route: Route, origin: ListenerContext, match: RouteMatch) -> None:
        """Write the ``HashPolicy``s."""
        for each in self.policies:
            write_hash_policy(route.route.hash_policy.add(), each)


def read(context: PolicyContext) -> FilterOutcome:
    """Read the effective list."""
    found = context.effective.value
    assert isinstance(found, tuple)
    return Outcome((HashPolicies(found),) if found else ())


NO_HASH: Final = "spec.hashPolicies has no effect: no load balancer of its backends chooses endpoints by a hash"


def check(settings: tuple[RuleSetting, ...], rule: Rule) -> RuleCheck:
    """Note that no load balancer of a rule uses the hash."""
    backends = [each.backend for each in rule.backends if each.backend is not None]
    hashes = any(setting.hashes for each in backends for setting in each.settings)
    return RuleCheck(note=NO_HASH if settings and backends and not hashes else "")


EXTENSION = Extension(
    "hash policies", units=(PolicyUnit(TrafficPolicy, "hash_policies", read, HashPolicies, check=check),)
)
