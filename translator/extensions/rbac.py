"""Authorisation of requests, connections and datagrams: the unit `rbac` of TrafficPolicies."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from headgate_proto.envoy.extensions.filters.http.rbac.v3.rbac_pb2 import RBAC, RBACPerRoute
from headgate_proto.xds.type.matcher.v3.matcher_pb2 import Matcher
from translator.envoy.filter_entries import FilterConfig, FilterEntry, SlotFilter
from translator.envoy.hooks import FilterHook
from translator.envoy.http_filters import AUTHORIZATION, BEFORE_AUTHZ, RBAC_ENFORCED
from translator.envoy.predicates import any_of, decision
from translator.extension import TABLE, Extension, FilterOutcome, Needed, PolicyContext, PolicyUnit
from translator.extensions.jwt_providers import effective_metadata_keys
from translator.extensions.rbac_conditions import conditions, expression, filters
from translator.extensions.rbac_connections import connection_faults, connections
from translator.ir.http import RuleSetting
from translator.languages import cel
from translator.languages.regex import check_regex
from translator.objects.headgate.authorization import Authorization, AuthorizationRule, JWTPrincipal
from translator.objects.headgate.trafficpolicy import TrafficPolicy
from translator.outcome import Outcome, Problem
from translator.policies.effective import effective
from translator.refs import Ref

UNKNOWN_YET: Final = frozenset({"response", "upstream"})
"""What is not known of a request that is not let in yet."""
JWT_AUTH: Final = "jwt_auth"
DEFAULT: Final = "default"


@dataclass(frozen=True, slots=True)
class Authorize(RuleSetting, FilterHook):
    """Which requests are let in.

    Attributes:
        found: what the policy says.
        policy: the policy, for access logs.
        place: among those that are enforced in addition to what more specific policies say; None for these.
        keys: by the names of providers of tokens, where their claims are in the metadata of requests.
    """

    found: Authorization
    policy: Ref
    place: int | None = None
    keys: tuple[tuple[str, str], ...] = ()

    def filter_configs(self) -> Iterator[FilterEntry]:
        """Yield the ``RBAC`` filter, and those before it that look at what matchers do not know."""
        own = "own" if self.place is None else str(self.place)
        before = dict(each for rule in self.found.rules_ or () for each in filters(rule))
        for name, each in before.items():
            yield SlotFilter(BEFORE_AUTHZ, f"rbac.{own}.{name}", each)
        made = self._filter()
        if self.place is None:
            yield FilterConfig(AUTHORIZATION, RBACPerRoute(rbac=made))
        else:
            yield SlotFilter(RBAC_ENFORCED, f"rbac.{self.place}", made, weight=-self.place)

    def _filter(self) -> RBAC:
        made = RBAC()
        if self.found.shadow:
            made.shadow_rules_stat_prefix = "shadow_"
            made.shadow_matcher.CopyFrom(self._matcher())
        else:
            made.matcher.CopyFrom(self._matcher())
        return made

    def _matcher(self) -> Matcher:
        made, found = Matcher(), self.found
        if found.policy is not None:
            allows = found.action == "Allow"
            entry = made.matcher_list.matchers.add()
            each = [expression(condition, not allows) for condition in found.policy.match_expressions]
            entry.predicate.CopyFrom(any_of(each))
            entry.on_match.CopyFrom(self._decision("policy", allows))
            made.on_no_match.CopyFrom(self._decision(DEFAULT, not allows))
            return made
        for place, rule in enumerate(found.rules_ or ()):
            entry = made.matcher_list.matchers.add()
            entry.predicate.CopyFrom(conditions(rule, dict(self.keys)))
            entry.on_match.CopyFrom(self._decision(rule.name or f"rule-{place}", rule.action == "Allow"))
        made.on_no_match.CopyFrom(self._decision(DEFAULT, found.default_action == "Allow"))
        return made

    def _decision(self, name: str, allow: bool) -> Matcher.OnMatch:
        return decision(f"rbac/{self.policy.namespace}/{self.policy.name}/{name}", allow)


def read(context: PolicyContext) -> FilterOutcome:
    """Read an effective authorisation."""
    found = context.effective.value
    assert isinstance(found, Authorization)
    if found.disable is not None:
        return Outcome(())
    keys = _claims(context) if any(map(_token, found.rules_ or ())) else {}
    problems = [Problem("Accepted", "Invalid", f"{context.field}.{each}.") for each in _faults(found, keys)]
    if problems:
        return Outcome(None, tuple(problems))
    return Outcome((Authorize(found, context.origin(""), context.place, tuple(sorted(keys.items()))),))


def _claims(context: PolicyContext) -> Mapping[str, str]:
    """Return where the claims of tokens are in the metadata of requests, by the names of their providers."""
    found = effective(context.db, context.stack, JWT_AUTH)
    return effective_metadata_keys(context.db, found, "spec.jwtAuth") if found.value is not None else {}


def _token(rule: AuthorizationRule) -> JWTPrincipal | None:
    return rule.principal.jwt if rule.principal is not None else None


def _faults(found: Authorization, keys: Mapping[str, str]) -> Iterator[str]:
    if found.policy is not None:
        for place, each in enumerate(found.policy.match_expressions):
            yield from _unknown(each, f"policy.matchExpressions[{place}]")
    for place, rule in enumerate(found.rules_ or ()):
        yield from _faults_of(rule, f"rules[{place}]")
        token = _token(rule)
        if token is not None and token.provider not in keys:
            known = f"it has {', '.join(keys)}" if keys else "there is none"
            field = f"rules[{place}].principal.jwt.provider"
            yield f"{field}: {token.provider} is no provider of the jwtAuth that is effective there ({known})"


def _faults_of(rule: AuthorizationRule, field: str) -> Iterator[str]:
    if rule.cel is not None:
        yield from _unknown(rule.cel, f"{field}.cel")
    path = rule.operation.path if rule.operation is not None else None
    if path is not None and path.regex is not None and (fault := check_regex(path.regex)):
        yield f"{field}.operation.path.regex: {fault}"
    principal = rule.principal
    for place, each in enumerate(principal.headers or () if principal is not None else ()):
        if each.name.lower() == "host":
            yield f"{field}.principal.headers[{place}].name: Host is no header here: use operation.hosts"


def needs(settings: tuple[RuleSetting, ...]) -> Needed | None:
    """Return that only listeners that look it up know where a client is."""
    rules = (rule for each in settings if isinstance(each, Authorize) for rule in each.found.rules_ or ())
    places = any(rule.principal is not None and rule.principal.geo is not None for rule in rules)
    return Needed("http_settings.geo_ip", "lets nobody in by a place, and denies everybody,") if places else None


def _unknown(condition: str, field: str) -> Iterator[str]:
    """Yield that a condition asks for what is not known yet: it could never hold."""
    for each in sorted(cel.roots(condition) & UNKNOWN_YET):
        yield f"{field}: {each} is not known before a request is let in: use what the request says"


EXTENSION = Extension(
    "authorisation",
    units=(
        PolicyUnit(
            TrafficPolicy,
            "rbac",
            read,
            Authorize,
            closed=True,
            inherit=TABLE,
            connections=connections,
            connection_faults=connection_faults,
            enforced_beside=True,
            needs=needs,
        ),
    ),
)
