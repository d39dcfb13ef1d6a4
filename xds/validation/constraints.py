"""The constraints of protoc-gen-validate's rules on one value: numbers, strings, bytes, enums, durations.

`validate/validate.proto` defines the rules; protoc-gen-validate's C++ templates, which Envoy uses, define their
meaning. Three details matter: a pattern must match the whole value, an upper bound below the lower one requires a value
outside, and durations compare by seconds, then nanoseconds.
"""

import operator
import re
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, NamedTuple

from google.protobuf.descriptor import EnumDescriptor
from google.protobuf.duration_pb2 import Duration
from google.protobuf.message import Message
from google.protobuf.timestamp_pb2 import Timestamp

from headgate_proto.validate import validate_pb2

#: The range of google.protobuf.Duration, about 10,000 years.
MAX_DURATION_SECONDS = 315_576_000_000
MAX_NANOS = 999_999_999

#: `validate.KnownRegex`; header names may be pseudo headers such as `:path`.
STRICT_PATTERNS = {
    validate_pb2.HTTP_HEADER_NAME: r"^:?[0-9a-zA-Z!#$%&'*+-.^_|~\x60]+$",
    validate_pb2.HTTP_HEADER_VALUE: r"^[^\x00-\x08\x0A-\x1F\x7F]*$",
}
#: The pattern of both if the rule has `strict: false`.
LENIENT_PATTERN = r"^[^\x00\n\r]*$"

#: Rules that modify other rules, or concern presence; they do not constrain a value themselves.
MODIFIERS = {"ignore_empty", "strict", "required"}
BOUNDS = {"lt", "lte", "gt", "gte"}


class UnknownRuleError(NotImplementedError):
    """Envoy's API uses a rule that this checker does not know; the message names it."""


class Constraint(NamedTuple):
    """One constraint on a value."""

    broken: Callable[[Any], bool]
    text: str
    """The error message, in Envoy's words."""


def constraints(rules: Message, enum: EnumDescriptor | None = None) -> list[Constraint]:
    """Return the constraints of the rules of one type (`validate.StringRules`, `validate.UInt32Rules` …).

    Args:
        rules: The rules. Their constraints take durations and timestamps in the form that `comparable` returns.
        enum: The type of the field, if it is an enum.

    Raises:
        UnknownRuleError: A rule is unknown; none is skipped silently.
    """
    found: list[Constraint] = []
    bounds: dict[str, Any] = {}
    for field, value in rules.ListFields():
        if field.name in BOUNDS:
            bounds[field.name] = value
        elif field.name in MODIFIERS:
            continue
        elif field.name == "well_known_regex":
            strict = rules.strict  # type: ignore[attr-defined]  # only StringRules has well_known_regex
            found.append(_matches(STRICT_PATTERNS[value] if strict else LENIENT_PATTERN))
        elif field.name == "defined_only":
            found += [_defined(enum)] if value and enum else []
        elif field.name in LENGTHS:
            unit = "bytes" if isinstance(rules, validate_pb2.BytesRules) else "characters"
            found.append(_length(*LENGTHS[field.name], value, unit))
        elif field.name in MAKERS:
            found.append(MAKERS[field.name](value))
        else:
            raise UnknownRuleError(f"{rules.DESCRIPTOR.full_name}.{field.name}")
    return found + _within(bounds)


def comparable(value: Any) -> Any:
    """Return a duration or timestamp as (seconds, nanoseconds), which compare as in Envoy; other values unchanged."""
    return (value.seconds, value.nanos) if isinstance(value, Duration | Timestamp) else value


def is_out_of_range(duration: tuple[int, int]) -> bool:
    """Return whether (seconds, nanoseconds) is out of the range of google.protobuf.Duration."""
    seconds, nanos = duration
    return abs(seconds) > MAX_DURATION_SECONDS or abs(nanos) > MAX_NANOS


def _show(value: Any) -> str:
    if isinstance(value, Duration | Timestamp):
        return value.ToJsonString()
    return str(value).lower() if isinstance(value, bool) else str(value)


def _matches(pattern: str) -> Constraint:
    # RE2's classes are ASCII; fullmatch because C++ calls RE2::FullMatch.
    matches = re.compile(pattern, re.ASCII).fullmatch
    return Constraint(lambda value: matches(value) is None, f'value does not match regex pattern "{pattern}"')


def _defined(enum: EnumDescriptor) -> Constraint:
    known = frozenset(enum.values_by_number)
    return Constraint(lambda value: value not in known, "value must be one of the defined enum values")


def _list(values: Sequence[Any]) -> tuple[frozenset[Any], str]:
    return frozenset(map(comparable, values)), f"[{' '.join(map(_show, values))}]"


def _one_of(values: Sequence[Any]) -> Constraint:
    allowed, text = _list(values)
    return Constraint(lambda value: value not in allowed, f"value must be in list {text}")


def _none_of(values: Sequence[Any]) -> Constraint:
    forbidden, text = _list(values)
    return Constraint(lambda value: value in forbidden, f"value must not be in list {text}")


def _equal(wanted: Any) -> Constraint:
    return Constraint(partial(operator.ne, comparable(wanted)), f"value must equal {_show(wanted)}")


def _utf8_length(value: str) -> int:
    return len(value) if value.isascii() else len(value.encode())


#: By rule, the comparison that breaks a length, and its message; `len` counts code points of strings, bytes of bytes.
LENGTHS: dict[str, tuple[Callable[[int, int], bool], str]] = {
    "len": (operator.ne, "value must be"),
    "min_len": (operator.lt, "value length must be at least"),
    "max_len": (operator.gt, "value length must be at most"),
}


def _length(broken: Callable[[int, int], bool], words: str, size: int, unit: str) -> Constraint:
    return Constraint(lambda value: broken(len(value), size), f"{words} {size} {unit}")


#: The constraints of all other rules, by name.
MAKERS: dict[str, Callable[[Any], Constraint]] = {
    "const": _equal,
    "in": _one_of,
    "not_in": _none_of,
    "pattern": _matches,
    "len_bytes": lambda n: Constraint(lambda v: _utf8_length(v) != n, f"value length must be {n} bytes"),
    "min_bytes": lambda n: Constraint(lambda v: _utf8_length(v) < n, f"value length must be at least {n} bytes"),
    "max_bytes": lambda n: Constraint(lambda v: _utf8_length(v) > n, f"value length must be at most {n} bytes"),
    "prefix": lambda s: Constraint(lambda v: not v.startswith(s), f"value does not have prefix {s!r}"),
    "suffix": lambda s: Constraint(lambda v: not v.endswith(s), f"value does not have suffix {s!r}"),
    "contains": lambda s: Constraint(lambda v: s not in v, f"value does not contain substring {s!r}"),
    "not_contains": lambda s: Constraint(lambda v: s in v, f"value contains substring {s!r}"),
}


def _within(bounds: dict[str, Any]) -> list[Constraint]:
    """Return the constraint of `gt` or `gte` together with `lt` or `lte`; NaN passes, as in C++."""
    low = _bound(bounds, "gt", operator.ge, "greater than")
    low = low or _bound(bounds, "gte", operator.gt, "greater than or equal to")
    high = _bound(bounds, "lt", operator.le, "less than")
    high = high or _bound(bounds, "lte", operator.lt, "less than or equal to")
    if low is None or high is None:
        return [constraint for constraint in (low, high) if constraint]
    too_low, too_high = low.broken, high.broken
    least, most = (next(bounds[name] for name in names if name in bounds) for names in (("gt", "gte"), ("lt", "lte")))
    if comparable(most) > comparable(least):
        opening, closing = "(" if "gt" in bounds else "[", ")" if "lt" in bounds else "]"
        text = f"value must be inside range {opening}{_show(least)}, {_show(most)}{closing}"
        return [Constraint(lambda value: too_low(value) or too_high(value), text)]
    opening, closing = "[" if "lt" in bounds else "(", "]" if "gt" in bounds else ")"
    text = f"value must be outside range {opening}{_show(most)}, {_show(least)}{closing}"
    return [Constraint(lambda value: too_high(value) and too_low(value), text)]


def _bound(bounds: dict[str, Any], name: str, broken: Callable[[Any, Any], bool], words: str) -> Constraint | None:
    if name not in bounds:
        return None
    return Constraint(partial(broken, comparable(bounds[name])), f"value must be {words} {_show(bounds[name])}")
