"""The units of TrafficPolicies against foreign pages: CORS, and forged requests (CSRF)."""

from collections.abc import Iterator
from typing import Annotated, ClassVar, Final

from pydantic import Field

from translator.objects.gateway_api.filters import HTTPCORSFilter
from translator.objects.headgate.types import Disable, Disableable, Share, StringMatch
from translator.objects.schema.base import CelRule, CheckedFields, FieldViolation
from translator.objects.schema.documentation import Doc
from translator.objects.schema.merging import ATOMIC

_SCHEME: Final = "://"
_NO_SCHEME: Final = (
    "is compared with the host of an origin, and its port if it names one, like shop.example.com:8443: leave out the "
    "scheme"
)


class CORSPolicy(HTTPCORSFilter, CheckedFields):
    """Which pages of other origins may make requests, as a CORS filter of a rule says it."""

    rules: ClassVar[tuple[CelRule, ...]] = (
        CelRule(
            "!has(self.disable) || !(has(self.allowOrigins) || has(self.allowCredentials) || has(self.allowMethods) || "
            "has(self.allowHeaders) || has(self.exposeHeaders) || has(self.maxAge))",
            "disable must not be set together with other fields: remove it, or these",
        ),
    )

    disable: Annotated[Disable | None, ATOMIC] = None
    """Switches off what less specific policies say here; no other field may be beside it."""

    def violations(self) -> Iterator[FieldViolation]:
        """Yield a violation if it is switched off and set at once."""
        others = sorted(self.model_fields_set - {"disable"})
        if self.disable is not None and others:
            aliases = ", ".join(type(self).model_fields[each].alias or each for each in others)
            yield FieldViolation(("disable",), f"must not be set together with {aliases}: remove one of them")


class OriginMatch(StringMatch):
    """Compares the host of an origin, and its port if it names one."""

    rules: ClassVar[tuple[CelRule, ...]] = (
        *StringMatch.rules,
        CelRule(
            "![" + ", ".join(f"has(self.{each}) && self.{each}.contains('://')" for each in StringMatch.MEMBERS) + "]"
            ".exists(x, x)",
            _NO_SCHEME,
        ),
    )

    def violations(self) -> Iterator[FieldViolation]:
        """Yield a violation of an origin with a scheme, which none would equal."""
        yield from super().violations()
        for name in self.MEMBERS:
            if _SCHEME in (getattr(self, name) or ""):
                yield FieldViolation((name,), _NO_SCHEME)


class CSRFPolicy(Disableable):
    """Refuses requests that change something (POST, PUT, DELETE, PATCH) from pages of other hosts, with 403.

    The host of the header Origin, or of Referer where there is none, has to be that of the request, or one of those
    named here; a request with neither header is refused too.
    """

    percentage_enabled: Annotated[Share | None, Doc(envoy="CsrfPolicy.filter_enabled")] = None
    """The share of the requests that is checked: a whole number of percent, or a string like '0.5%'. By default 100."""
    percentage_shadowed: Annotated[Share | None, Doc(envoy="CsrfPolicy.shadow_enabled")] = None
    """The share of the requests of which it is only counted whether they would be refused, of those that are not
    checked. By default 0."""
    additional_origins: Annotated[
        tuple[OriginMatch, ...] | None, Field(max_length=16), Doc(envoy="CsrfPolicy.additional_origins")
    ] = None
    """Other hosts whose pages may make such requests. Each is compared with the host of the origin, and its port if it
    names one, without the scheme."""
