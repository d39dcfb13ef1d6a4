"""Messages of validation errors, in the terms of the object's author.

No message shows a value of the object but a misspelt choice, so that none can show a secret.
"""

from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from translator.objects.schema.problem import FieldProblem
from translator.objects.schema.scalars import PATTERNS
from translator.objects.schema.suggest import closest

_KEY: Final = "[key]"
"""What pydantic puts at the end of the path of an error that is about the key of a map."""

_TYPES: Final[Mapping[type, str]] = {
    dict: "an object",
    list: "a list",
    str: "a string",
    bool: "true or false",
    int: "a number",
    float: "a number with a fraction",
    type(None): "empty",
}

_EXPECTED: Final[Mapping[str, str]] = {
    "string_type": "a string",
    "int_type": "a whole number",
    "bool_type": "true or false",
    "tuple_type": "a list",
    "dict_type": "an object of names and values",
    "model_type": "an object with fields",
    "model_attributes_type": "an object with fields",
    "bytes_type": "a string",
}


def problems_of(error: ValidationError) -> Iterator[FieldProblem]:
    """Yield each thing that is wrong, at the place where the user can change it."""
    for details in error.errors(include_url=False):
        path = details["loc"]
        if _follows_from_others(details):
            continue
        if details["type"] == "violations":
            for violation in details["ctx"]["violations"]:
                yield FieldProblem((*path, *violation.path), violation.message)
        elif path and path[-1] == _KEY:
            yield FieldProblem(path[:-1], f"the name {_message(details)}")
        else:
            yield FieldProblem(path, _message(details))


def _follows_from_others(details: ErrorDetails) -> bool:
    """Pydantic counts only the items that are right: a list of one that is wrong would be too short as well."""
    given = details["input"]
    return details["type"] == "too_short" and isinstance(given, list) and len(given) >= details["ctx"]["min_length"]


def _message(details: ErrorDetails) -> str:
    kind = details["type"]
    if kind in _EXPECTED:
        return f"must be {_EXPECTED[kind]}, not {_TYPES.get(type(details['input']), 'this')}{_unquoted(details)}"
    worded = _WORDED.get(kind)
    return worded(details.get("ctx", {}), details["input"]) if worded else details["msg"]


def _unquoted(details: ErrorDetails) -> str:
    quoted = details["type"] == "string_type" and isinstance(details["input"], bool | int | float)
    return ": put it in quotes" if quoted else ""


def _choice(ctx: Mapping[str, Any], given: object) -> str:
    # Pydantic gives the choices as text: 'A', 'B' or 'C'.
    listed = str(ctx["expected"]).replace("'", "")
    choices = listed.replace(" or ", ", ").split(", ")
    if not isinstance(given, str):
        number = isinstance(given, int | float) and not isinstance(given, bool)
        return f"must be {listed}" + (": put it in quotes" if number and str(given) in choices else "")
    close = closest(given, choices)
    return f"must be {listed}, not {given[:64]!r}" + (f"; did you mean {close}?" if close else "")


def _many(number: int, thing: str) -> str:
    return f"{number} {thing}{'' if number == 1 else 's'}"


_WORDED: Final[Mapping[str, Callable[[Mapping[str, Any], object], str]]] = {
    "missing": lambda ctx, given: "is required: add it",
    "literal_error": _choice,
    "string_pattern_mismatch": lambda ctx, given: PATTERNS.get(ctx["pattern"], "has characters that it must not have"),
    "string_too_short": lambda ctx, given: "must not be empty",
    "string_too_long": lambda ctx, given: f"must be at most {_many(ctx['max_length'], 'character')} long: shorten it",
    "too_short": lambda ctx, given: f"must have at least {_many(ctx['min_length'], 'item')}: add one",
    "too_long": lambda ctx, given: f"must have at most {_many(ctx['max_length'], 'item')}: remove some",
    "greater_than_equal": lambda ctx, given: f"must be at least {ctx['ge']}",
    "less_than_equal": lambda ctx, given: f"must be at most {ctx['le']}",
    "string_unicode": lambda ctx, given: "must be valid Unicode",
    "string_sub_type": lambda ctx, given: "must be a string",
}
