"""Types of fields that several kinds of Headgate's own have in common."""

from __future__ import annotations

import re
from collections.abc import Iterator
from fractions import Fraction
from typing import Annotated, Any, ClassVar, Final

from pydantic import AfterValidator, Field, PlainValidator, StringConstraints, WithJsonSchema
from pydantic_core import PydanticCustomError

from translator.objects.schema.base import (
    CelRule,
    CheckedFields,
    Fields,
    FieldViolation,
    exactly_one,
    raise_violations,
)
from translator.objects.schema.documentation import Doc, TypeName
from translator.objects.schema.merging import ATOMIC
from translator.objects.schema.scalars import Boolean

MILLIONTHS_OF_PERCENT: Final = 10_000
"""A percent, in millionths of the whole."""

_PERCENT: Final = re.compile(r"([0-9]{1,3})(?:\.([0-9]{1,4}))?%")


def _share(value: object) -> int:
    if isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= 100:
        return value * MILLIONTHS_OF_PERCENT
    if isinstance(value, str) and (found := _PERCENT.fullmatch(value)):
        millionths = int(found[1]) * MILLIONTHS_OF_PERCENT + int((found[2] or "").ljust(4, "0"))
        if millionths <= 100 * MILLIONTHS_OF_PERCENT:
            return millionths
    raise PydanticCustomError(
        "share", "must be a share: a whole number from 0 to 100, or a string like '0.25%', with up to four decimals"
    )


def int_or_string(rule: str, message: str) -> WithJsonSchema:
    """Return the schema of a type whose values are whole numbers or strings that fulfil a rule in CEL."""
    rules = [{"rule": rule, "message": message}]
    return WithJsonSchema({"x-kubernetes-int-or-string": True, "x-kubernetes-validations": rules, "maxLength": 32})


Share = Annotated[
    int,
    PlainValidator(_share),
    int_or_string(
        "type(self) == int ? self >= 0 && self <= 100"
        " : self.matches('^(100([.]0{1,4})?|[0-9]{1,2}([.][0-9]{1,4})?)%$')",
        "must be a share: a whole number from 0 to 100, or a string like '0.25%', with up to four decimals",
    ),
]
"""A share of requests, held in millionths: a whole number of percent, or a string like ``"0.25%"``."""

_QUANTITY: Final = re.compile(r"([0-9]{1,16})(?:\.([0-9]{1,9}))?(m|k|M|G|T|P|E|Ki|Mi|Gi|Ti|Pi|Ei)?")
_SUFFIXES: Final = {
    "": Fraction(1),
    "m": Fraction(1, 1000),
    **{suffix: Fraction(1000) ** power for power, suffix in enumerate("kMGTPE", 1)},
    **{f"{suffix}i": Fraction(1024) ** power for power, suffix in enumerate("KMGTPE", 1)},
}
MAX_QUANTITY: Final = 2**32 - 1


def _quantity(value: object) -> int:
    text = str(value) if isinstance(value, int) and not isinstance(value, bool) else value
    if isinstance(text, str) and (found := _QUANTITY.fullmatch(text)):
        number = Fraction(f"{found[1]}.{found[2] or 0}") * _SUFFIXES[found[3] or ""]
        if number <= MAX_QUANTITY and number.denominator == 1:
            return int(number)
    raise PydanticCustomError(
        "quantity", "must be a whole number of bytes up to 4294967295, as a quantity, like 64Ki, 10Mi or 1000"
    )


Quantity = Annotated[
    int,
    PlainValidator(_quantity),
    int_or_string(
        "type(self) == int ? self >= 0"
        " : self.matches('^[0-9]{1,16}([.][0-9]{1,9})?(m|k|M|G|T|P|E|Ki|Mi|Gi|Ti|Pi|Ei)?$')",
        "must be a quantity of bytes, like 64Ki, 10Mi or 1000",
    ),
]
"""A number of bytes in the form of Kubernetes' quantities, held as a whole number up to 4294967295."""

_SOME_BYTES: Final = CelRule(
    "type(self) == int ? self > 0 : !self.matches('^[0.]+[a-zA-Z]*$')", "must be at least 1 byte: set a size"
)


def _some_bytes(size: int | None) -> int | None:
    if size == 0:
        raise_violations([FieldViolation((), _SOME_BYTES.message)])
    return size


_some_bytes.rules = (_SOME_BYTES,)  # type: ignore[attr-defined]  # for custom resource definitions
OptionalSize = Annotated[Quantity | None, AfterValidator(_some_bytes)]
"""A number of bytes that is not 0, or none."""

StatusCode = Annotated[int, Field(strict=True, ge=200, le=599)]
"""A status of a final response."""

Regex = Annotated[str, StringConstraints(min_length=1, max_length=1024), TypeName("regular expression")]
"""A regular expression of RE2; it is compiled where it is read."""


class Disable(Fields):
    """Switches off what less specific policies ask for; it is written ``{}``."""


class Disableable(CheckedFields):
    """A unit that ``disable: {}`` switches off, which excludes all other fields."""

    rules: ClassVar[tuple[CelRule, ...]] = ()
    beside_disable: ClassVar[frozenset[str]] = frozenset()
    """The fields that may be beside ``disable``: those that say what is switched off."""

    disable: Annotated[Disable | None, ATOMIC, Doc(envoy="the setting is left out, the filter is disabled")] = None
    """Switches off what less specific policies say here; no other field may be beside it."""

    @classmethod
    def __pydantic_init_subclass__(cls, **kwargs: Any) -> None:
        """Add the rule to those of a subclass, which knows the fields."""
        super().__pydantic_init_subclass__(**kwargs)
        excluded = cls.model_fields.keys() - {"disable", *cls.beside_disable}
        others = [info.alias or name for name, info in cls.model_fields.items() if name in excluded]
        given = " || ".join(f"has(self.{each})" for each in others)
        message = f"must not be set together with {', '.join(others)}: remove one of them"
        if others:
            cls.rules = (CelRule(f"!has(self.disable) || !({given})", message, "disable"), *cls.rules)

    def violations(self) -> Iterator[FieldViolation]:
        """Yield a violation if it is switched off and set at once."""
        beside = {"disable", *self.beside_disable}
        others = [name for name in type(self).model_fields if name not in beside and getattr(self, name) is not None]
        if self.disable is not None and others:
            aliases = ", ".join(type(self).model_fields[each].alias or each for each in others)
            yield FieldViolation(("disable",), f"must not be set together with {aliases}: remove one of them")


class StringMatch(CheckedFields):
    """Compares a text with exactly one of its members."""

    rules: ClassVar[tuple[CelRule, ...]] = (
        exactly_one(
            "exact",
            "prefix",
            "suffix",
            "contains",
            "regex",
            message="exactly one of exact, prefix, suffix, contains and regex must be set",
        ),
    )

    exact: Annotated[str, StringConstraints(min_length=1, max_length=1024)] | None = None
    """The whole text."""
    prefix: Annotated[str, StringConstraints(min_length=1, max_length=1024)] | None = None
    """How it begins."""
    suffix: Annotated[str, StringConstraints(min_length=1, max_length=1024)] | None = None
    """How it ends."""
    contains: Annotated[str, StringConstraints(min_length=1, max_length=1024)] | None = None
    """What is somewhere in it."""
    regex: Regex | None = None
    """A regular expression of RE2 for the whole text."""
    ignore_case: Boolean | None = None
    """Whether upper and lower case are the same; not together with `regex`, which may begin with ``(?i)``."""

    MEMBERS: ClassVar[tuple[str, ...]] = ("exact", "prefix", "suffix", "contains", "regex")

    @property
    def member(self) -> tuple[str, str]:
        """The member that is set, and its text."""
        return next((name, value) for name in self.MEMBERS if (value := getattr(self, name)) is not None)

    def violations(self) -> Iterator[FieldViolation]:
        """Yield a violation unless exactly one member is set."""
        given = [name for name in self.MEMBERS if getattr(self, name) is not None]
        if len(given) != 1:
            found = f"; set are: {', '.join(given)}" if given else ""
            yield FieldViolation((), f"must have exactly one of {', '.join(self.MEMBERS)}{found}")
        if self.regex is not None and self.ignore_case:
            yield FieldViolation(("ignoreCase",), "must not be set together with regex: begin that with (?i)")


def given(value: Fields, *names: str) -> dict[str, Any]:
    """Return those of the fields that are set and not null, by their names."""
    return {name: found for name in names if (found := getattr(value, name)) is not None}
