"""The unit `acl` of TrafficPolicies: from which addresses requests are let in."""

from collections import Counter
from collections.abc import Iterator
from typing import Annotated, ClassVar, Final

from pydantic import Field

from translator.objects.headgate.authorization import UNIQUE_NAMES, Action, Cidrs, RuleName, name_violations
from translator.objects.headgate.responses import ResponseHeaders
from translator.objects.headgate.types import Disableable
from translator.objects.schema.base import CelRule, Fields, FieldViolation
from translator.objects.schema.documentation import Doc
from translator.objects.schema.header_names import ChangeableHeader

MOST_LISTS: Final = 64

DenyStatus = Annotated[int, Field(strict=True, ge=400, le=599)]


class AccessListRule(Fields):
    """Ranges of addresses, and what becomes of requests from there."""

    name: Annotated[RuleName | None, Doc(envoy="Action.name")] = None
    """The name of the rule, for responses and access logs."""
    cidrs: Annotated[Cidrs, Doc(envoy="RBAC.matcher: IPMatcher.range_matchers")]
    """The ranges. Of all rules, the narrowest range that has the address of the client decides."""
    action: Annotated[Action, Doc(envoy="Action.action")]
    """What becomes of a request from one of the ranges."""


class DenyResponse(Fields):
    """The response to requests that are refused."""

    status_code: Annotated[DenyStatus | None, Doc(envoy="LocalResponsePolicy.status_code")] = None
    """The status. By default 403."""
    headers: Annotated[ResponseHeaders, Doc(envoy="LocalResponsePolicy.response_headers_to_add")] = None
    """Headers of the response."""
    blocked_by_header_name: Annotated[
        ChangeableHeader | None, Doc(envoy="LocalResponsePolicy.response_headers_to_add")
    ] = None
    """The name of a header that says which rule refused the request: its name, `rule` for one without, or `default`."""


class AccessList(Disableable):
    """Lets in requests by the address of the client, before anything else looks at them.

    What is `enforced` holds in addition to what more specific policies say: all of them have to allow a request.
    """

    rules: ClassVar[tuple[CelRule, ...]] = (
        CelRule("has(self.disable) || has(self.defaultAction)", "defaultAction must be set, or disable"),
        UNIQUE_NAMES,
    )

    default_action: Annotated[Action | None, Doc(envoy="RBAC.matcher.on_no_match")] = None
    """What becomes of requests from addresses that no rule has; required."""
    rules_: Annotated[
        tuple[AccessListRule, ...] | None,
        Field(alias="rules", max_length=MOST_LISTS),
    ] = None
    """Ranges of addresses; their order means nothing."""
    deny_response: DenyResponse | None = None
    """The response to requests that are refused."""

    def violations(self) -> Iterator[FieldViolation]:
        """Yield violations of a list without a default, and of a range that two rules have."""
        yield from super().violations()
        if self.disable is None and self.default_action is None:
            yield FieldViolation((), "must have defaultAction, or disable")
        yield from name_violations(self.rules_)
        seen: Counter[str] = Counter()
        for place, rule in enumerate(self.rules_ or ()):
            for number, each in enumerate(dict.fromkeys(rule.cidrs)):
                seen[each] += 1
                if seen[each] > 1:
                    path = ("rules", place, "cidrs", number)
                    yield FieldViolation(path, f"{each} is in an earlier rule already: remove it from one of them")
