"""The unit `rbac` of TrafficPolicies: which requests and connections are let in."""

from collections.abc import Iterable, Iterator
from typing import Annotated, ClassVar, Final, Literal, Protocol

from pydantic import Field, StringConstraints

from translator.objects.gateway_api.matches import HTTPMethod
from translator.objects.headgate.addresses import Cidr
from translator.objects.headgate.expressions import Condition
from translator.objects.headgate.types import Disableable, StringMatch
from translator.objects.schema.base import CelRule, CheckedFields, Fields, FieldViolation, exactly_one
from translator.objects.schema.documentation import Doc
from translator.objects.schema.scalars import LABEL_VALUE, ONE_LINE, Boolean, Count, HeaderName, Hostname

MOST_RULES: Final = 64
MOST_EXPRESSIONS: Final = 64
MOST_CIDRS: Final = 256
MOST_VALUES: Final = 64

Action = Literal["Allow", "Deny"]
RuleName = Annotated[str, StringConstraints(min_length=1, max_length=63, pattern=LABEL_VALUE)]
"""The name of a rule, which access logs and metrics show."""
Value = Annotated[str, StringConstraints(min_length=1, max_length=1024, pattern=ONE_LINE)]
Values = Annotated[tuple[Value, ...], Field(min_length=1, max_length=MOST_VALUES)]
Cidrs = Annotated[tuple[Cidr, ...], Field(min_length=1, max_length=MOST_CIDRS)]


UNIQUE_NAMES: Final = CelRule(
    "!has(self.rules) || self.rules.all(r, !has(r.name) || "
    "self.rules.filter(x, has(x.name) && x.name == r.name).size() == 1)",
    "no two rules may have one name: choose another",
    "rules",
)


class Named(Protocol):
    """A rule that may have a name."""

    @property
    def name(self) -> str | None:
        """The name."""


def name_violations(rules: Iterable[Named] | None) -> Iterator[FieldViolation]:
    """Yield a violation for each rule with the name of an earlier one."""
    seen = set[str]()
    for place, each in enumerate(rules or ()):
        if each.name in seen:
            yield FieldViolation(("rules", place, "name"), "is the name of an earlier rule: choose another")
        seen |= {each.name} if each.name is not None else set()


class Given(CheckedFields):
    """A struct of which at least one field has to be set."""

    @classmethod
    def __pydantic_init_subclass__(cls, **kwargs: object) -> None:
        """Add the rule to those of a subclass, which knows the fields."""
        super().__pydantic_init_subclass__(**kwargs)
        names = [info.alias or name for name, info in cls.model_fields.items()]
        given = " || ".join(f"has(self.{each})" for each in names)
        cls.rules = (CelRule(given, f"at least one of {', '.join(names)} must be set"), *cls.rules)

    def violations(self) -> Iterator[FieldViolation]:
        """Yield a violation if nothing is set."""
        fields = type(self).model_fields
        if all(getattr(self, each) is None for each in fields):
            names = ", ".join(info.alias or name for name, info in fields.items())
            yield FieldViolation((), f"must have at least one of {names}")


class PathMatch(StringMatch):
    """Compares the path of a request, without its query."""

    rules: ClassVar[tuple[CelRule, ...]] = (
        *StringMatch.rules,
        CelRule(
            "![" + ", ".join(f"has(self.{each}) && self.{each}.contains('?')" for each in StringMatch.MEMBERS[:-1])
            + "].exists(x, x)",
            "is compared with the path only: leave out the query",
        ),
    )  # fmt: skip

    def violations(self) -> Iterator[FieldViolation]:
        """Yield a violation of a text with a query, which no path has."""
        yield from super().violations()
        for name in self.MEMBERS[:-1]:
            if "?" in (getattr(self, name) or ""):
                yield FieldViolation((name,), "is compared with the path only: leave out the query")


class Operation(Given):
    """What a request asks for: all that is given has to match."""

    methods: Annotated[tuple[HTTPMethod, ...] | None, Field(min_length=1, max_length=16)] = None
    """The methods, of which one has to match. A request that asks its backend for another method by a header
    (X-HTTP-Method-Override, X-HTTP-Method, X-Method-Override) is one of both: both have to be here to allow it."""
    path: PathMatch | None = None
    """The path, without the query."""
    hosts: Annotated[tuple[Hostname, ...] | None, Field(min_length=1, max_length=MOST_VALUES)] = None
    """The hosts, without a port, of which one has to match; ``*.example.com`` is each below example.com."""


class ClaimMatch(CheckedFields):
    """A claim of a token."""

    rules: ClassVar[tuple[CelRule, ...]] = (
        CelRule("has(self.name) != has(self.path)", "exactly one of name and path must be set"),
    )

    name: Value | None = None
    """The name of the claim; a dot leads into it: ``realm.role``."""
    path: Annotated[tuple[Value, ...] | None, Field(min_length=1, max_length=8)] = None
    """The names that lead to the claim, one by one, for names with dots."""
    value_type: Literal["String", "StringArray"] | None = None
    """Whether the claim is a text, or a list of texts of which one has to match. By default String."""
    values: Values
    """The values, of which one has to match."""

    def violations(self) -> Iterator[FieldViolation]:
        """Yield a violation unless it is named in one way."""
        if (self.name is None) == (self.path is None):
            yield FieldViolation((), "must have exactly one of name and path")


class JWTPrincipal(Fields):
    """The token of a request, which `jwtAuth` has verified: all that is given has to match."""

    provider: Value
    """The name of a provider of the `jwtAuth` that is effective there."""
    claims: Annotated[tuple[ClaimMatch, ...] | None, Field(max_length=16)] = None
    """Claims, all of which have to match."""
    scopes: Annotated[tuple[Value, ...] | None, Field(max_length=16)] = None
    """Scopes, all of which the claim ``scope`` or ``scp`` has to have."""


class HeaderValues(Fields):
    """A header of a request. Clients may send any: name headers only that something before has verified or set."""

    name: HeaderName
    """The name of the header; upper and lower case are the same."""
    values: Values
    """The values, of which one has to match. Of a header that is sent more than once, each value counts to deny a
    request, and none to allow it."""


class GeoPrincipal(Given):
    """Where the address of a client is, by the databases that a ListenerPolicy names (`geoIP`)."""

    country: Value | None = None
    """The country, by its code in ISO 3166-1."""
    region: Value | None = None
    """The region, by the part of its code in ISO 3166-2 that follows the country: `BY`."""
    city: Value | None = None
    """The name of the city."""
    asn: Count | None = None
    """The number of the autonomous system."""
    isp: Value | None = None
    """The name of the provider."""
    anonymous: Boolean | None = None
    """Whether the client hides behind a VPN, a proxy or the like."""


class MTLSPrincipal(Fields):
    """The certificate of the client, which the listener has validated; one that was not validated is none."""

    sans: Annotated[tuple[Value, ...] | None, Field(min_length=1, max_length=MOST_VALUES)] = None
    """URIs and DNS names, of which one has to be a subjectAltName of the certificate, exactly. Without them any
    certificate that is valid matches."""


class Principal(Given):
    """Who makes a request: all that is given has to match."""

    client_cidrs: Annotated[Cidrs | None, Field(alias="clientCIDRs"), Doc(envoy="RBAC.matcher: SourceIPInput, Ip")] = (
        None
    )
    """Ranges of addresses, one of which has to have that of the client."""
    jwt: Annotated[JWTPrincipal | None, Doc(envoy="RBAC.matcher: DynamicMetadataInput, Metadata")] = None
    """The token of the request."""
    headers: Annotated[tuple[HeaderValues, ...] | None, Field(min_length=1, max_length=16)] = None
    """Headers of the request, all of which have to match."""
    geo: GeoPrincipal | None = None
    """Where the client is."""
    mtls: Annotated[MTLSPrincipal | None, Doc(envoy="mtls_authenticated.Config, RBAC.matcher: Metadata")] = None
    """The certificate of the client."""


class AuthorizationRule(CheckedFields):
    """A rule: if all of its conditions hold, its action decides."""

    rules: ClassVar[tuple[CelRule, ...]] = (
        CelRule(
            "has(self.operation) || has(self.principal) || has(self.cel)",
            "at least one of operation, principal and cel must be set; what no rule matches, defaultAction decides",
        ),
    )

    name: Annotated[RuleName | None, Doc(envoy="Action.name")] = None
    """The name of the rule, for access logs. By default ``rule-`` and its place in the list, from 0."""
    action: Annotated[Action, Doc(envoy="Action.action")]
    """What becomes of a request for which all conditions hold."""
    operation: Annotated[Operation | None, Doc(envoy="RBAC.matcher: HttpRequestHeaderMatchInput")] = None
    """What the request asks for."""
    principal: Annotated[Principal | None, Doc(envoy="RBAC.matcher")] = None
    """Who makes it."""
    cel: Annotated[Condition | None, Doc(envoy="CelMatcher.expr_match.cel_expr_parsed")] = None
    """A condition in CEL. One that cannot be evaluated, such as for a claim that is not there, does not allow, and
    does deny; to deny, a header that is not there counts as empty."""

    def violations(self) -> Iterator[FieldViolation]:
        """Yield a violation of a rule without a condition."""
        if self.operation is None and self.principal is None and self.cel is None:
            yield FieldViolation(
                (),
                "must have at least one of operation, principal and cel; what no rule matches, defaultAction decides",
            )


class ExpressionPolicy(Fields):
    """Conditions in CEL, of which one has to hold."""

    match_expressions: Annotated[
        tuple[Condition, ...],
        Field(min_length=1, max_length=MOST_EXPRESSIONS),
        Doc(envoy="CelMatcher.expr_match.cel_expr_parsed"),
    ]
    """The conditions. One that cannot be evaluated does not allow, and does deny; to deny, a header that is not there
    counts as empty."""


class Authorization(Disableable):
    """Lets in what it allows, and refuses all else: requests with 403; connections are closed, datagrams dropped.

    What is `enforced` holds in addition to what more specific policies say: all of them have to allow a request.
    """

    rules: ClassVar[tuple[CelRule, ...]] = (
        exactly_one("disable", "policy", "rules", message="exactly one of policy, rules and disable must be set"),
        CelRule("has(self.policy) == has(self.action)", "policy and action must be set together, or neither"),
        CelRule(
            "!has(self.defaultAction) || has(self.rules)",
            "must not be set without rules: remove it; beside policy, action decides",
            "defaultAction",
        ),
        UNIQUE_NAMES,
    )

    policy: ExpressionPolicy | None = None
    """Conditions, for all of which `action` says what becomes of a request."""
    action: Annotated[Action | None, Doc(envoy="Action.action")] = None
    """Beside `policy`: Allow lets in the requests for which one of the conditions holds, and no others; Deny refuses
    those, and lets in all others."""
    rules_: Annotated[
        tuple[AuthorizationRule, ...] | None,
        Field(alias="rules", min_length=1, max_length=MOST_RULES),
    ] = None
    """Rules, in their order: the first that matches decides."""
    default_action: Annotated[Action | None, Doc(envoy="RBAC.matcher.on_no_match")] = None
    """What becomes of requests that no rule matches. By default Deny."""
    shadow: Annotated[Boolean | None, Doc(envoy="RBAC.shadow_matcher")] = None
    """Whether it is only counted what would be refused, and written to the metadata of requests. By default false."""

    def violations(self) -> Iterator[FieldViolation]:
        """Yield violations of two forms or none, and of fields of the other form."""
        yield from super().violations()
        yield from name_violations(self.rules_)
        forms = [each for each in (self.disable, self.policy, self.rules_) if each is not None]
        if not forms:
            yield FieldViolation((), "must have exactly one of policy, rules and disable: name rules, or disable")
        elif self.policy is not None and self.rules_ is not None:
            yield FieldViolation((), "must not have both policy and rules: remove one of them")
        if self.disable is None and (self.policy is None) != (self.action is None):
            yield FieldViolation(("action",), "must be set together with policy: add what is missing, or remove it")
        if self.default_action is not None and self.rules_ is None and self.disable is None:
            yield FieldViolation(
                ("defaultAction",), "must not be set without rules: remove it; beside policy, action decides"
            )
