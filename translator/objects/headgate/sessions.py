"""The unit `sessionPersistence` of TrafficPolicies, with the fields of a rule's own (GEP-1619)."""

from collections.abc import Iterator
from typing import Annotated, ClassVar

from translator.objects.gateway_api.rules import SessionPersistence
from translator.objects.headgate.types import Disable
from translator.objects.schema.base import CelRule, FieldViolation
from translator.objects.schema.merging import ATOMIC
from translator.objects.schema.scalars import Boolean


class SessionPersistencePolicy(SessionPersistence):
    """Keeps the requests of a session at one endpoint, by a cookie or a header.

    Each backend has a cookie of its own, whose name is that given and a hash of the backend.
    """

    rules: ClassVar[tuple[CelRule, ...]] = (
        CelRule(
            "!has(self.disable) || !(has(self.type) || has(self.cookie) || has(self.header) || "
            "has(self.absoluteTimeout) || has(self.strict))",
            "disable must not be set together with other fields: remove it, or these",
        ),
        CelRule("has(self.disable) || has(self.cookie) != has(self.header)", "either cookie or header must be set"),
        CelRule(
            "!has(self.header) || (has(self.type) && self.type == 'Header')", "type must be Header where header is set"
        ),
        CelRule("!has(self.cookie) || !has(self.type) || self.type == 'Cookie'", "type must be Cookie beside cookie"),
        CelRule(
            "!has(self.cookie) || !has(self.cookie.lifetimeType) || self.cookie.lifetimeType != 'Permanent' || "
            "has(self.absoluteTimeout)",
            "absoluteTimeout is required when the cookie's lifetimeType is Permanent",
        ),
    )

    strict: Boolean | None = None
    """Whether requests whose endpoint is gone are refused with 503, in place of getting another endpoint. By default
    false."""
    disable: Annotated[Disable | None, ATOMIC] = None
    """Switches off what less specific policies say here; no other field may be beside it."""

    def violations(self) -> Iterator[FieldViolation]:
        """Yield violations of settings that do not fit each other, or are beside `disable`."""
        if self.disable is None:
            yield from super().violations()
        elif others := sorted(self.model_fields_set - {"disable"}):
            aliases = ", ".join(type(self).model_fields[each].alias or each for each in others)
            yield FieldViolation(("disable",), f"must not be set together with {aliases}: remove one of them")
