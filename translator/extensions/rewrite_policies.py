"""Rewrites of Host and path by TrafficPolicies (`hostRewrite`, `appendXForwardedHost`, `urlRewrite`).

What a rule or one of its backends rewrites by itself stays as it is, unless a policy is enforced.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar, Final

from headgate_proto.envoy.config.route.v3.route_components_pb2 import Route, RouteAction
from headgate_proto.envoy.type.matcher.v3.regex_pb2 import RegexMatchAndSubstitute
from translator.envoy.hooks import RouteHook
from translator.extension import Extension, FilterOutcome, PolicyContext, PolicyUnit, RuleCheck
from translator.extensions.host_rewrite import set_host
from translator.ir.backend import Backend
from translator.ir.http import RouteMatch, Rule, RuleSetting
from translator.ir.listener import ListenerContext
from translator.languages.regex import check_regex, check_substitution
from translator.objects.gateway_api.filters import HTTPURLRewriteFilter
from translator.objects.gateway_api.rules import RouteRule
from translator.objects.headgate.headers import HostRewrite, RegexRewrite, UrlRewrite
from translator.objects.headgate.trafficpolicy import TrafficPolicy
from translator.objects.schema.scalars import is_ip_address
from translator.outcome import Outcome, Problem

PATH_FIELDS: Final = ("prefix_rewrite", "regex_rewrite", "path_rewrite", "path_rewrite_policy")
"""The fields of a ``RouteAction`` of which Envoy takes one only."""


@dataclass(frozen=True, slots=True)
class Substitution:
    """A replacement of the matches of a regular expression."""

    pattern: str
    substitution: str

    def write(self, message: RegexMatchAndSubstitute) -> None:
        """Write it."""
        message.pattern.regex = self.pattern
        message.substitution = self.substitution


@dataclass(frozen=True, slots=True)
class RewriteHost(RuleSetting, RouteHook):
    """The Host that policies give requests: the backend's name if all others are empty."""

    forwarding: ClassVar[bool] = True
    header: str = ""
    literal: str = ""
    path: Substitution | None = None
    enforced: bool = False

    @property
    def is_auto(self) -> bool:
        """Whether it is the backend's name."""
        return not (self.literal or self.header or self.path)

    @property
    def is_final(self) -> bool:
        """It is written where nobody else writes it, or over that."""
        return True

    def apply_to_route(self, route: Route, origin: ListenerContext, match: RouteMatch) -> None:
        """Write the ``RouteAction``'s host rewrite."""
        action = route.route
        if self.enforced:
            for each in action.weighted_clusters.clusters:
                each.ClearField("host_rewrite_literal")
        elif action.WhichOneof("host_rewrite_specifier"):
            return
        if self.literal:
            set_host(action, self.literal)
        elif self.header:
            action.host_rewrite_header = self.header
        elif self.path is not None:
            self.path.write(action.host_rewrite_path_regex)
        else:
            action.auto_host_rewrite.value = True


@dataclass(frozen=True, slots=True)
class ForwardedHost(RuleSetting, RouteHook):
    """The Host of requests before it was rewritten, in the header X-Forwarded-Host."""

    forwarding: ClassVar[bool] = True

    def apply_to_route(self, route: Route, origin: ListenerContext, match: RouteMatch) -> None:
        """Write the ``RouteAction``'s field."""
        route.route.append_x_forwarded_host = True


@dataclass(frozen=True, slots=True)
class RewritePath(RuleSetting, RouteHook):
    """The path that policies give requests."""

    forwarding: ClassVar[bool] = True
    path: Substitution
    enforced: bool = False

    @property
    def is_final(self) -> bool:
        """It is written where nobody else writes it, or over that."""
        return True

    def apply_to_route(self, route: Route, origin: ListenerContext, match: RouteMatch) -> None:
        """Write the ``RouteAction``'s ``regex_rewrite``."""
        written = [each for each in PATH_FIELDS if _is_set(route.route, each)]
        if written and not self.enforced:
            return
        for each in written:
            route.route.ClearField(each)
        self.path.write(route.route.regex_rewrite)


def _is_set(action: RouteAction, field: str) -> bool:
    return any(each.name == field for each, _ in action.ListFields())


def read_host(context: PolicyContext) -> FilterOutcome:
    """Read the effective rewrite of Host."""
    found = context.effective.value
    assert isinstance(found, HostRewrite)
    if found.disable is not None or _is_own(context):
        return Outcome(())
    path = _substitution(context, "pathRegex", found.path_regex)
    if path.problems:
        return Outcome(None, path.problems)
    enforced = bool(context.effective.enforced)
    return Outcome((RewriteHost(found.header or "", found.literal or "", path.value, enforced),))


def read_forwarded_host(context: PolicyContext) -> FilterOutcome:
    """Read whether backends are told the Host of before."""
    return Outcome((ForwardedHost(),) if context.effective.value else ())


def read_path(context: PolicyContext) -> FilterOutcome:
    """Read the effective rewrite of the path."""
    found = context.effective.value
    assert isinstance(found, UrlRewrite)
    if _is_own(context):
        return Outcome(())
    path = _substitution(context, "pathRegex", found.path_regex)
    if path.problems:
        return Outcome(None, path.problems)
    return Outcome((RewritePath(path.value, bool(context.effective.enforced)),) if path.value is not None else ())


def _is_own(context: PolicyContext) -> bool:
    """Return whether the effective value is what a rule says by itself, which its own settings write."""
    return any(each.kind != context.kind for each in context.effective.origins.values())


def _substitution(context: PolicyContext, field: str, found: RegexRewrite | None) -> Outcome[Substitution | None]:
    if found is None:
        return Outcome(None)
    path = f"{context.field}.{field}"
    if fault := check_regex(found.pattern):
        return Outcome(None, (Problem("Accepted", "Invalid", f"{path}.pattern: {fault}."),))
    if fault := check_substitution(found.pattern, found.substitution):
        return Outcome(None, (Problem("Accepted", "Invalid", f"{path}.substitution: {fault}."),))
    return Outcome(Substitution(found.pattern, found.substitution))


NO_NAME: Final = (
    "spec.hostRewrite.auto: none of its backends is found by DNS, so Host has no name to become, and stays as it is; "
    "refer to a Service of type ExternalName, or use literal"
)


def check_host(settings: tuple[RuleSetting, ...], rule: Rule) -> RuleCheck:
    """Refuse the name of the backend where no backend of a rule has one."""
    backends = [each.backend for each in rule.backends if each.backend is not None]
    auto = any(isinstance(each, RewriteHost) and each.is_auto for each in settings)
    return RuleCheck(NO_NAME if auto and backends and not any(map(_is_named, backends)) else "")


def _is_named(backend: Backend) -> bool:
    return any(not is_ip_address(each.address) for each in backend.named)


def own_host(rule: RouteRule[Any]) -> HostRewrite | None:
    """Return the Host that filters of a rule itself set."""
    hosts = [each.member.hostname for each in rule.filters if isinstance(each.member, HTTPURLRewriteFilter)]
    for each in rule.filters:
        modifier = each.request_header_modifier
        hosts += [found.value for found in modifier.set if found.name.lower() == "host"] if modifier else []
    given = [each for each in hosts if each is not None]
    return HostRewrite.model_construct(literal=given[-1]) if given else None


AS_THE_RULE_SAYS: Final = RegexRewrite.model_construct(pattern="the path that the rule matches", substitution="its own")
"""What stands for the rewrite of a rule itself, which is none by a regular expression."""


def own_path(rule: RouteRule[Any]) -> UrlRewrite | None:
    """Return whether a filter of a rule itself rewrites the path, as a value that is merged with those of policies."""
    filters = (each.member for each in rule.filters)
    rewrites = any(isinstance(each, HTTPURLRewriteFilter) and each.path is not None for each in filters)
    return UrlRewrite.model_construct(path_regex=AS_THE_RULE_SAYS) if rewrites else None


EXTENSION = Extension(
    "rewrites by policies",
    units=(
        PolicyUnit(TrafficPolicy, "host_rewrite", read_host, RewriteHost, own=own_host, check=check_host),
        PolicyUnit(TrafficPolicy, "append_x_forwarded_host", read_forwarded_host, ForwardedHost),
        PolicyUnit(TrafficPolicy, "url_rewrite", read_path, RewritePath, own=own_path),
    ),
)
