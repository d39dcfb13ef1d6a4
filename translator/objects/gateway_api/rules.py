"""What the rules of HTTPRoutes and GRPCRoutes have in common."""

from collections.abc import Iterator
from typing import Annotated, Any, Final, Literal, Protocol, TypeVar

from pydantic import AfterValidator, Field, StrictInt, StringConstraints

from translator.objects.gateway_api.filters import RouteFilter
from translator.objects.gateway_api.references import BackendObjectReference
from translator.objects.schema.base import CheckedFields, Fields, FieldViolation, raise_violations, repeated
from translator.objects.schema.scalars import HeaderName, Milliseconds

MatchT_co = TypeVar("MatchT_co", bound=Fields, covariant=True)

MOST_MATCHES: Final = 128
"""The matches that all rules of a route may have together."""


class BackendRef(BackendObjectReference):
    """A backend, and its share of the requests."""

    weight: Annotated[StrictInt, Field(ge=0, le=1_000_000)] = 1


class FilteredBackendRef(BackendRef):
    """A backend of a rule, and what is done to requests that go there."""

    filters: tuple[RouteFilter, ...] = ()


class CookieConfig(Fields):
    """The cookie that holds a session."""

    name: HeaderName | None = None
    path: Annotated[str, StringConstraints(max_length=1024)] = "/"
    lifetime_type: Literal["Permanent", "Session"] = "Session"


class HeaderConfig(Fields):
    """The header that holds a session."""

    name: HeaderName


class SessionPersistence(CheckedFields):
    """Keeps the requests of a session at one endpoint (GEP-1619, experimental): `absolute_timeout` in milliseconds."""

    absolute_timeout: Milliseconds | None = None
    type: Literal["Cookie", "Header"] = "Cookie"
    cookie: CookieConfig | None = None
    header: HeaderConfig | None = None

    def violations(self) -> Iterator[FieldViolation]:
        """Yield violations of settings that do not fit the type, or lack a lifetime where it is permanent."""
        for name, member in (("Cookie", self.cookie), ("Header", self.header)):
            if member is None and self.type == name:
                yield FieldViolation((name.lower(),), f"is required when type is {name}: add it")
            elif member is not None and self.type != name:
                yield FieldViolation((name.lower(),), f"must not be set when type is {self.type}: remove it")
        if self.cookie and self.cookie.lifetime_type == "Permanent" and self.absolute_timeout is None:
            yield FieldViolation(
                ("absoluteTimeout",), "is required when the cookie's lifetimeType is Permanent: add it"
            )


class RouteRule(Protocol[MatchT_co]):
    """A rule of a route, whose matches are of one class."""

    @property
    def name(self) -> str | None:
        """Its name."""

    @property
    def matches(self) -> tuple[MatchT_co, ...]:
        """Which requests it is for; without any, all of them."""

    @property
    def filters(self) -> tuple[RouteFilter, ...]:
        """What is done to them."""

    @property
    def backend_refs(self) -> tuple[FilteredBackendRef, ...]:
        """Where they go."""

    @property
    def session_persistence(self) -> SessionPersistence | None:
        """Whether sessions keep their endpoint."""


def _rules_violations(rules: tuple[RouteRule[Fields], ...]) -> Iterator[FieldViolation]:
    named = [index for index, rule in enumerate(rules) if rule.name]
    for position in repeated(rules[index].name for index in named):
        yield FieldViolation((named[position], "name"), "is the name of an earlier rule: choose another")
    matches = sum(len(rule.matches) for rule in rules)
    if matches > MOST_MATCHES:
        yield FieldViolation((), f"have {matches} matches in all, and {MOST_MATCHES} are the most: split the route")


def _check_rules(rules: tuple[Any, ...]) -> tuple[Any, ...]:
    if len(rules) > 1:
        raise_violations(_rules_violations(rules))
    return rules


CHECK_RULES: Final = AfterValidator(_check_rules)
"""Refuses a list of rules two of which have one name, or that have more than `MOST_MATCHES` matches."""
