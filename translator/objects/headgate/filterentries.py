"""What units of TrafficPolicies have in common that are lists of filters: names, and places among other filters."""

import json
from collections.abc import Iterator
from typing import Annotated, Final, Literal, Protocol, TypeVar

from translator.objects.headgate.responses import MOST_LEVELS, JsonObject, is_json
from translator.objects.schema.base import CelRule, Fields, FieldViolation, raise_violations, repeated
from translator.objects.schema.documentation import Doc
from translator.objects.schema.scalars import Int32

MAX_OBJECT_BYTES: Final = 16 * 1024
"""How long an object may be that a filter gets, as JSON."""
_TOO_LONG: Final = f"must be at most {MAX_OBJECT_BYTES} bytes of JSON"
_TWICE: Final = "is that of an earlier {}: choose another, or remove one of them"


class FilterStage(Fields):
    """Where in the order of Envoy's filters one comes."""

    stage: Annotated[Literal["Fault", "AuthN", "AuthZ", "RateLimit", "Route"] | None, Doc(envoy="the filter_chain")] = (
        None
    )
    """The stage: injected faults, authentication, authorisation, rate limits, or the end of all that. By default
    Route."""
    predicate: Annotated[Literal["Before", "During", "After"] | None, Doc(envoy="the filter_chain")] = None
    """Whether it comes before or after the filters of the stage; During is After, but for Route, where After comes
    behind all changes of headers. By default During."""
    weight: Annotated[Int32 | None, Doc(envoy="the order in the filter_chain")] = None
    """Of several at one place, the one with the highest weight comes first. By default 0."""


class WithName(Protocol):
    """Whatever has a name."""

    @property
    def name(self) -> str:
        """The name; "" if it has none."""


T = TypeVar("T", bound=WithName)


class OneName:
    """A rule of a list: no two of its items have the same name; one may be without a name.

    Attributes:
        rule: the same in CEL, for the spec that has the list.
    """

    def __init__(self, field: str, item: str) -> None:
        """Take the field of the list, as users write it, and what an item is."""
        self._message = _TWICE.format(item)
        self.rule = CelRule(
            f"!has(self.{field}) || self.{field}.all(a, self.{field}.exists_one(b, "
            "(has(a.name) ? a.name : '') == (has(b.name) ? b.name : '')))",
            f"a name {self._message}",
            field,
        )

    def __call__(self, found: tuple[T, ...] | None) -> tuple[T, ...] | None:
        """Return the list.

        Raises:
            ValidationError: two of its items have the same name.
        """
        repetitions = repeated(each.name for each in found or ())
        raise_violations(FieldViolation((index, "name"), self._message) for index in repetitions)
        return found


def ends_all(item: object) -> bool:
    """Return whether an item of such a list switches off all of less specific ones: it has `disable` and no name."""
    return getattr(item, "name", None) == "" and getattr(item, "disable", None) is not None


def object_violations(field: str, found: JsonObject) -> Iterator[FieldViolation]:
    """Yield violations of an object that is too long, too deep, or has numbers that Envoy does not keep.

    Args:
        field: the field that it is the value of, as users write it.
        found: the object.
    """
    if not is_json(found, MOST_LEVELS) or not _has_exact_numbers(found):
        text = f"must be JSON of at most {MOST_LEVELS} levels, with whole numbers up to 2^53: leave some out"
        yield FieldViolation((field,), text)
        return
    size = len(json.dumps(found, ensure_ascii=False).encode())
    if size > MAX_OBJECT_BYTES:
        yield FieldViolation((field,), f"{_TOO_LONG}, not {size}: shorten it")


def _has_exact_numbers(found: object) -> bool:
    if isinstance(found, dict):
        return all(map(_has_exact_numbers, found.values()))
    if isinstance(found, list):
        return all(map(_has_exact_numbers, found))
    return not isinstance(found, int) or abs(found) <= 2**53
