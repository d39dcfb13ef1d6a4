"""`rateLimit.quota` of TrafficPolicies: shares of a limit that a service assigns to each proxy (RLQS)."""

from collections.abc import Iterator
from typing import Annotated, ClassVar, Final, Literal

from pydantic import Field

from translator.objects.headgate.clientselectors import TWICE
from translator.objects.headgate.globallimit import Text
from translator.objects.headgate.references import ExtensionReference
from translator.objects.headgate.types import Disableable
from translator.objects.schema.base import CelRule, CheckedFields, FieldViolation, unique
from translator.objects.schema.documentation import Doc
from translator.objects.schema.merging import ATOMIC
from translator.objects.schema.scalars import HeaderName

_ONE: Final = CelRule("has(self.header) != has(self.literal)", "exactly one of header and literal must be set")
_WHOLE: Final = CelRule(
    "has(self.disable) || (has(self.extensionRef) && has(self.buckets))",
    "must have extensionRef and buckets, or disable",
)


class QuotaKey(CheckedFields):
    """A part of the id of a bucket: requests with the same values are in the same bucket."""

    rules: ClassVar[tuple[CelRule, ...]] = (_ONE,)

    key: Text
    """Its key, which no other part has."""
    header: HeaderName | None = None
    """A header of the request. Requests that lack one of them have a bucket together, in which all are `-`."""
    literal: Text | None = None
    """The same text for all requests."""

    def violations(self) -> Iterator[FieldViolation]:
        """Yield a violation unless there is one value."""
        if (self.header is None) == (self.literal is None):
            yield FieldViolation((), _ONE.message)


class RateLimitQuota(Disableable):
    """Shares of a limit that a service assigns to each proxy, which holds it by itself meanwhile."""

    rules: ClassVar[tuple[CelRule, ...]] = (_WHOLE,)

    extension_ref: Annotated[ExtensionReference | None, ATOMIC, Doc(envoy="RateLimitQuotaFilterConfig.rlqs_server")] = (
        None
    )
    """A GatewayExtension with `rateLimitQuota`, which says what service assigns."""
    buckets: Annotated[
        tuple[QuotaKey, ...] | None,
        Field(min_length=1, max_length=16),
        unique("key", TWICE),
        Doc(envoy="RateLimitQuotaBucketSettings.bucket_id_builder"),
    ] = None
    """What tells buckets apart: the parts of their ids."""
    no_assignment: Annotated[
        Literal["Allow", "Deny"] | None, Doc(envoy="RateLimitQuotaBucketSettings.no_assignment_behavior")
    ] = None
    """What becomes of requests of a bucket for which nothing is assigned yet. By default Allow."""

    def violations(self) -> Iterator[FieldViolation]:
        """Yield violations of what is missing."""
        yield from super().violations()
        if self.disable is None:
            for name in ("extension_ref", "buckets"):
                if getattr(self, name) is None:
                    alias = type(self).model_fields[name].alias
                    yield FieldViolation((str(alias),), "is required unless disable is set: add it")
