"""The conditions of rules of `rbac`, as predicates of Envoy's matcher.

What cannot be told for sure must not allow, and may deny: a header that is sent twice, a path that servers read in
several ways, a method that a header overrides. So the predicates of a rule depend on its action.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from hashlib import blake2b
from typing import Final

from headgate_proto.envoy.config.rbac.v3.rbac_pb2 import RBAC as Rules
from headgate_proto.envoy.config.rbac.v3.rbac_pb2 import Policy
from headgate_proto.envoy.extensions.filters.http.rbac.v3.rbac_pb2 import RBAC
from headgate_proto.envoy.extensions.rbac.principals.mtls_authenticated.v3.mtls_authenticated_pb2 import Config
from headgate_proto.envoy.extensions.transport_sockets.tls.v3.common_pb2 import SubjectAltNameMatcher
from headgate_proto.envoy.type.matcher.v3.value_pb2 import ValueMatcher
from translator.envoy.cel import cel_denial, cel_matcher
from translator.envoy.predicates import (
    Predicate,
    all_of,
    any_of,
    header,
    literals,
    metadata,
    negated,
    quoted,
    source,
)
from translator.extensions.rbac_geo import place
from translator.languages import cel
from translator.objects.headgate.authorization import (
    AuthorizationRule,
    ClaimMatch,
    HeaderValues,
    JWTPrincipal,
    MTLSPrincipal,
    Operation,
    PathMatch,
    Principal,
)

OVERRIDES: Final = ("x-http-method-override", "x-http-method", "x-method-override")
"""The headers by which clients ask many a framework for another method than that of the request."""
CLAIMS: Final = "envoy.filters.http.jwt_authn"
RESULTS: Final = "envoy.filters.http.rbac"
ALLOWED: Final = "allowed"
SCOPE_CLAIMS: Final = ("scope", "scp")

AMBIGUOUS: Final = r"[^?]*/\.{0,2};.*"
"""Paths with a segment that is empty, ``.`` or ``..`` to servers that take off what follows a semicolon."""
PATHS: Final = frozenset({"path", "url_path"})
PARAMETERS: Final = "(?:;[^/?]*)?"
QUERY: Final = r"(?:\?.*)?"


def conditions(rule: AuthorizationRule, keys: Mapping[str, str]) -> Predicate:
    """Return whether all conditions of a rule hold.

    Args:
        rule: the rule.
        keys: by the names of providers of tokens, where their claims are in the metadata of requests.
    """
    denies = rule.action == "Deny"
    found: list[Predicate] = []
    if rule.principal is not None and rule.principal.client_cidrs is not None:
        found.append(source(rule.principal.client_cidrs))
    if rule.operation is not None:
        found += _operation(rule.operation, denies)
    if rule.principal is not None:
        found += _principal(rule.principal, keys, denies)
    if rule.cel is not None:
        found.append(expression(rule.cel, denies))
    return all_of(found)


def expression(condition: str, denies: bool) -> Predicate:
    """Return whether a condition in CEL holds; one that cannot be evaluated denies, and does not allow."""
    found = cel_denial(condition) if denies else cel_matcher(condition)
    return _unambiguous(found, denies) if cel.members(condition, "request") & PATHS else found


def _unambiguous(found: Predicate, denies: bool) -> Predicate:
    """Return a predicate on the path that does not allow what servers may read as another path, and does deny it."""
    ambiguous = header(":path", AMBIGUOUS)
    return any_of((found, ambiguous)) if denies else all_of((found, negated(ambiguous)))


def _operation(operation: Operation, denies: bool) -> Iterator[Predicate]:
    if operation.methods is not None:
        yield _method(literals(operation.methods), denies)
    if operation.hosts is not None:
        hosts = "|".join(map(_host, operation.hosts))
        yield header(":authority", rf"(?i)(?:{hosts})\.?(?::[0-9]*)?")
    if operation.path is not None:
        yield _path(operation.path, denies)


def _method(methods: str, denies: bool) -> Predicate:
    own = header(":method", methods)
    value = rf"(?i)\s*{methods}\s*"
    if denies:
        listed = rf"(?i)(?:.*,)?\s*{methods}\s*(?:,.*)?"
        return any_of((own, *(header(name, listed) for name in OVERRIDES)))
    others = (negated(all_of((header(name, ".*"), negated(header(name, value))))) for name in OVERRIDES)
    return all_of((own, *others))


def _host(host: str) -> str:
    return rf"[^.:].*\.{quoted(host[2:])}" if host.startswith("*.") else quoted(host)


def _path(path: PathMatch, denies: bool) -> Predicate:
    member, value = path.member
    if member == "regex":
        # Of the path alone: to an expression for the header, a query could look like a path.
        found = _told(path_prefix(value))
    else:
        found = header(":path", path_regex(member, value, bool(path.ignore_case), denies))
    return _unambiguous(found, denies)


def path_regex(member: str, value: str, ignore_case: bool, denies: bool) -> str:
    """Return the regular expression for the header ``:path`` that a match of the path means.

    Args:
        member: exact, prefix, suffix or contains.
        value: the text that the path is compared with.
        ignore_case: whether upper and lower case are the same.
        denies: whether a path means the same with parameters behind its segments (``;a=b``), which many a server takes
            off before it looks at it.
    """
    between = f"{PARAMETERS}/" if denies else "/"
    written = between.join(map(quoted, value.split("/")))
    end = (PARAMETERS if denies else "") + QUERY
    start = "[^?]*" if member in ("suffix", "contains") else ""
    rest = ".*" if member in ("prefix", "contains") else end
    return f"(?{'is' if ignore_case else 's'}){start}{written}{rest}"


def _principal(principal: Principal, keys: Mapping[str, str], denies: bool) -> Iterator[Predicate]:
    for each in principal.headers or ():
        yield header_matches(each, denies)
    if principal.geo is not None:
        yield place(principal.geo, denies)
    if principal.mtls is not None:
        yield _told(certificate_prefix(principal.mtls))
    if principal.jwt is not None:
        yield from token_matches(principal.jwt, keys[principal.jwt.provider])


def header_matches(found: HeaderValues, denies: bool) -> Predicate:
    """Return whether a header has one of some values; of several values none allows, and each denies."""
    values = literals(found.values)
    return header(found.name.lower(), rf"(?s)(?:.*,)?\s*{values}\s*(?:,.*)?" if denies else values)


def token_matches(token: JWTPrincipal, key: str) -> Iterator[Predicate]:
    """Yield what has to hold of a token, whose claims are under a key in the metadata of requests."""
    if not (token.claims or token.scopes):
        present = ValueMatcher(present_match=True)
        yield metadata(CLAIMS, (key, "iss"), present)
    for claim in token.claims or ():
        yield metadata(CLAIMS, (key, *claim_path(claim)), _claim(claim))
    for scope in token.scopes or ():
        listed, written = ValueMatcher(), ValueMatcher()
        listed.list_match.one_of.string_match.exact = scope
        written.string_match.safe_regex.regex = rf"(?:.* )?{re.escape(scope)}(?: .*)?"
        yield any_of([metadata(CLAIMS, (key, name), each) for name in SCOPE_CLAIMS for each in (written, listed)])


def claim_path(claim: ClaimMatch) -> tuple[str, ...]:
    """Return the names that lead to a claim."""
    return claim.path if claim.path is not None else tuple((claim.name or "").split("."))


def _claim(claim: ClaimMatch) -> ValueMatcher:
    made = ValueMatcher()
    one = made.list_match.one_of if claim.value_type == "StringArray" else made
    if len(claim.values) == 1:
        one.string_match.exact = claim.values[0]
        return made
    for each in claim.values:
        one.or_match.value_matchers.add().string_match.exact = each
    return made


def _told(prefix: str) -> Predicate:
    """Return whether one of the filters before has let a request pass."""
    matcher = ValueMatcher()
    matcher.string_match.exact = ALLOWED
    return metadata(RESULTS, (f"{prefix}shadow_engine_result",), matcher)


def filters(rule: AuthorizationRule) -> Iterator[tuple[str, RBAC]]:
    """Yield filters that write into the metadata of requests what matchers do not know; each has a prefix there.

    Matchers know the path with the query only, and subjectAltNames as one text with commas between them, and not
    whether the certificate was validated.
    """
    path = rule.operation.path if rule.operation is not None else None
    if path is not None and path.regex is not None:
        made, policy = _telling(prefix := path_prefix(path.regex))
        policy.principals.add().any = True
        policy.permissions.add().url_path.path.safe_regex.regex = path.regex
        yield prefix, made
    found = rule.principal.mtls if rule.principal is not None else None
    if found is not None:
        made, policy = _telling(prefix := certificate_prefix(found))
        policy.permissions.add().any = True
        kinds = (SubjectAltNameMatcher.URI, SubjectAltNameMatcher.DNS)
        configs = [_san(kind, san) for san in found.sans or () for kind in kinds]
        for each in configs or [Config(any_validated_client_certificate=True)]:
            custom = policy.principals.add().custom
            custom.name = "mtls"
            custom.typed_config.Pack(each, deterministic=True)
        yield prefix, made


def _telling(prefix: str) -> tuple[RBAC, Policy]:
    made = RBAC(shadow_rules_stat_prefix=prefix)
    made.shadow_rules.action = Rules.ALLOW
    return made, made.shadow_rules.policies["condition"]


def path_prefix(regex: str) -> str:
    """Return what the result of the comparison with a path begins with in the metadata of requests."""
    return _prefix("path", regex)


def certificate_prefix(found: MTLSPrincipal) -> str:
    """Return what the result of the comparison with a certificate begins with in the metadata of requests."""
    return _prefix("mtls", repr(found.sans))


def _prefix(kind: str, text: str) -> str:
    return f"{kind}_{blake2b(text.encode(), digest_size=8).hexdigest()}_"


def _san(kind: SubjectAltNameMatcher.SanType, san: str) -> Config:
    made = Config()
    made.san_matcher.san_type = kind
    made.san_matcher.matcher.exact = san
    return made
