"""Which tools agents may call: the unit `mcp` of TrafficPolicies.

Requests are read by Envoy's ``mcp`` filter, checked by ``rbac``, and lists of tools have only those that the agent may
call. Both go by the same rules: `rbac` in Envoy's matcher, lists in a script.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, ClassVar, Final

from headgate_proto.envoy.extensions.filters.http.rbac.v3.rbac_pb2 import RBAC
from headgate_proto.xds.type.matcher.v3.matcher_pb2 import Matcher
from translator.envoy.ai.mcp_filters import (
    calls,
    is_call,
    list_filter,
    pattern_of_lua,
    protocol_filter,
    request_filter,
    settles,
    unreadable,
)
from translator.envoy.filter_entries import FilterEntry, SlotFilter
from translator.envoy.hooks import FilterHook
from translator.envoy.http_filters import AGENTS
from translator.envoy.predicates import Predicate, all_of, any_of, decision, negated
from translator.extension import TABLE, Extension, FilterOutcome, PolicyContext, PolicyUnit, RuleCheck
from translator.extensions.jwt_providers import PAYLOAD, effective_metadata_keys
from translator.extensions.mcp_oauth import PROVIDER, AgentTokens, misplaced
from translator.extensions.mcp_oauth import read as read_oauth
from translator.extensions.mcp_servers import NamedServer, ToServers
from translator.extensions.rbac_conditions import claim_path, header_matches, token_matches
from translator.ir.http import Rule, RuleSetting
from translator.objects.headgate.authorization import JWTPrincipal
from translator.objects.headgate.mcppolicies import McpPolicy, McpRule
from translator.objects.headgate.trafficpolicy import TrafficPolicy
from translator.outcome import Outcome, Problem
from translator.policies.effective import effective
from translator.refs import Ref

JWT_AUTH: Final = "jwt_auth"
REQUEST_WEIGHT: Final = 400
PROTOCOL_WEIGHT: Final = 300
RULES_WEIGHT: Final = 200
LIST_WEIGHT: Final = 100


@dataclass(frozen=True, slots=True)
class AgentsCheck(RuleSetting, FilterHook):
    """Requests have to be of the protocol, and to call tools that they may.

    Attributes:
        found: what the policy says.
        policy: the policy, for access logs.
        keys: for each rule, where the claims that it asks for are in the metadata of requests; "" if it asks for none.
        place: among those that are enforced in addition to what more specific policies say; None for these.
    """

    alpha: ClassVar[bool] = True
    found: McpPolicy
    policy: Ref
    keys: tuple[str, ...] = ()
    place: int | None = None

    def filter_configs(self) -> Iterator[FilterEntry]:
        """Yield the filters: requests are read once, and each setting has rules of its own."""
        own = "" if self.place is None else f".{self.place}"
        yield SlotFilter(AGENTS, "headgate.mcp.request", request_filter(), REQUEST_WEIGHT)
        yield SlotFilter(AGENTS, "headgate.mcp", protocol_filter(), PROTOCOL_WEIGHT)
        rules = RBAC()
        rules.matcher.CopyFrom(self._matcher())
        yield SlotFilter(AGENTS, f"headgate.mcp.rules{own}", rules, RULES_WEIGHT)
        yield SlotFilter(AGENTS, f"headgate.mcp.list{own}", list_filter(self._list_context()), LIST_WEIGHT)

    @property
    def _rules(self) -> tuple[McpRule, ...]:
        return self.found.authorization.rules_ if self.found.authorization is not None else ()

    def _matcher(self) -> Matcher:
        made, tools = Matcher(), self.found.tools
        self._decide(made, "unreadable", unreadable(), False)
        if tools is not None and tools.deny is not None:
            self._decide(made, "tools", calls(tools.deny), False)
        if tools is not None and tools.allow is not None:
            self._decide(made, "tools", all_of((is_call(), negated(calls(tools.allow)))), False)
        for place, (rule, key) in enumerate(zip(self._rules, self.keys, strict=True)):
            self._decide(made, f"rule-{place}", _conditions(rule, key), rule.action == "Allow")
        if self._rules:
            self._decide(made, "settling", settles(), True)
        made.on_no_match.CopyFrom(decision(self._name("default"), not self._rules))
        return made

    def _name(self, what: str) -> str:
        return f"mcp/{self.policy.namespace}/{self.policy.name}/{what}"

    def _decide(self, made: Matcher, what: str, predicate: Predicate, allow: bool) -> None:
        entry = made.matcher_list.matchers.add()
        entry.predicate.CopyFrom(predicate)
        entry.on_match.CopyFrom(decision(self._name(what), allow))

    def _list_context(self) -> dict[str, Any]:
        tools = self.found.tools
        made: dict[str, Any] = {
            "deny": _patterns(tools.deny if tools is not None else None),
            "rules": [_told(rule, key) for rule, key in zip(self._rules, self.keys, strict=True)],
            "default": not self._rules,
        }
        if tools is not None and tools.allow is not None:
            made["allow"] = _patterns(tools.allow)
        return made


def _patterns(found: tuple[str, ...] | None) -> list[str]:
    return [pattern_of_lua(each) for each in found or ()]


def _conditions(rule: McpRule, key: str) -> Predicate:
    """Return whether all conditions of a rule hold; one without any always does."""
    found: list[Predicate] = []
    if rule.tools is not None:
        found.append(calls(rule.tools))
    if key:
        found += token_matches(_token(rule), key)
    found += [header_matches(each, rule.action == "Deny") for each in rule.headers or ()]
    return all_of(found) if found else any_of((settles(), negated(settles())))


def _token(rule: McpRule) -> JWTPrincipal:
    return JWTPrincipal.model_construct(provider=rule.provider or "", claims=rule.claims, scopes=rule.scopes)


def _told(rule: McpRule, key: str) -> dict[str, Any]:
    """Return what the script is told of a rule."""
    made: dict[str, Any] = {
        "allows": rule.action == "Allow",
        "claims": [
            {"path": list(claim_path(each)), "listed": each.value_type == "StringArray", "values": list(each.values)}
            for each in rule.claims or ()
        ],
        "scopes": list(rule.scopes or ()),
        "headers": [{"name": each.name.lower(), "values": list(each.values)} for each in rule.headers or ()],
    }
    return made | ({"key": key} if key else {}) | ({"tools": _patterns(rule.tools)} if rule.tools is not None else {})


def read(context: PolicyContext) -> FilterOutcome:
    """Read the effective checks of agents."""
    found = context.effective.value
    assert isinstance(found, McpPolicy)
    if found.disable is not None:
        return Outcome(())
    tokens: FilterOutcome = Outcome(())
    known = _providers(context)
    if found.oauth is not None:
        if known:
            text = f"{context.field}.oauth: jwtAuth is effective there too, and both verify tokens; disable that."
            return Outcome(None, (Problem("Accepted", "Invalid", text),))
        known, tokens = {PROVIDER: PAYLOAD}, read_oauth(context, found.oauth)
        if tokens.value is None:
            return tokens
    rules = found.authorization.rules_ if found.authorization is not None else ()
    keys, faults = [], []
    for place, each in enumerate(rules):
        key = _key(each, known)
        if key is None:
            field = f"{context.field}.authorization.rules[{place}]"
            faults.append(Problem("Accepted", "Invalid", f"{field}{_fault(each, known)}"))
        else:
            keys.append(key)
    if faults:
        return Outcome(None, tuple(faults))
    check = AgentsCheck(found, context.origin(""), tuple(keys), context.place)
    return Outcome((*(tokens.value or ()), check), tokens.problems)


def _asks_token(rule: McpRule) -> bool:
    return rule.provider is not None or rule.claims is not None or rule.scopes is not None


def _providers(context: PolicyContext) -> dict[str, str]:
    found = effective(context.db, context.stack, JWT_AUTH)
    return effective_metadata_keys(context.db, found, "spec.jwtAuth") if found.value is not None else {}


def _key(rule: McpRule, known: dict[str, str]) -> str | None:
    """Return where the claims are that a rule asks for, "" if it asks for none; None if that is nowhere."""
    if not _asks_token(rule):
        return ""
    if rule.provider is None:
        return next(iter(known.values())) if len(known) == 1 else None
    return known.get(rule.provider)


def _fault(rule: McpRule, known: dict[str, str]) -> str:
    has = f"it has {', '.join(known)}" if known else "there is none"
    if rule.provider is not None:
        return f".provider: {rule.provider} is no provider of the jwtAuth that is effective there ({has})."
    if not known:
        return ": asks for a token, and no jwtAuth is effective there; add one."
    return f": names no provider, and the jwtAuth that is effective there has several ({has}); name one."


def check(settings: tuple[RuleSetting, ...], rule: Rule) -> RuleCheck:
    """Note metadata that are not served, and patterns that match no tool of several servers, which begin with these."""
    if fault := misplaced(settings, rule):
        return RuleCheck(note=fault)
    servers = [_servers_of(each.settings) for each in rule.backends]
    if not servers or not all(servers):
        return RuleCheck()
    prefixes = sorted({f"{server.name}__" for found in servers for server in found})
    for each in settings:
        for field, pattern in _all_patterns(each.found) if isinstance(each, AgentsCheck) else ():
            if not any(_may_begin(pattern, prefix) for prefix in prefixes):
                return RuleCheck(note=NO_TOOL.format(field=field, pattern=pattern, prefix=prefixes[0]))
    return RuleCheck()


NO_TOOL: Final = (
    "spec.mcp.{field} matches no tool: the names of tools begin with those of their servers; "
    "write {prefix}{pattern}, or *__{pattern} for all servers"
)


def _servers_of(settings: tuple[RuleSetting, ...]) -> tuple[NamedServer, ...]:
    return next((each.servers for each in settings if isinstance(each, ToServers)), ())


def _all_patterns(found: McpPolicy) -> Iterator[tuple[str, str]]:
    """Yield all patterns, each with its field."""
    tools = found.tools
    lists = {"tools.deny": tools.deny, "tools.allow": tools.allow} if tools is not None else {}
    rules = found.authorization.rules_ if found.authorization is not None else ()
    lists |= {f"authorization.rules[{place}].tools": each.tools for place, each in enumerate(rules)}
    for field, patterns in lists.items():
        for place, pattern in enumerate(patterns or ()):
            yield f"{field}[{place}]", pattern


def _may_begin(pattern: str, prefix: str) -> bool:
    """Return whether a name that matches may begin so."""
    head, star, _ = pattern.partition("*")
    return head.startswith(prefix) or (bool(star) and prefix.startswith(head))


EXTENSION = Extension(
    "MCP",
    units=(
        PolicyUnit(
            TrafficPolicy,
            "mcp",
            read,
            (AgentsCheck, AgentTokens),
            closed=True,
            inherit=TABLE,
            enforced_beside=True,
            check=check,
        ),
    ),
)
"""The unit `mcp` of TrafficPolicies."""
