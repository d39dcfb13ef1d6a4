"""Strings in languages that Envoy interprets: substitution formats, and expressions in CEL."""

from collections.abc import Callable
from typing import Annotated, Final

from pydantic import AfterValidator, StringConstraints
from pydantic_core import PydanticCustomError

from translator.languages import cel
from translator.languages.formats import check_format

FORMAT_CHARACTERS: Final = 8192
"""The greatest size of a format."""


def _checked(check: Callable[[str], str | None]) -> AfterValidator:
    def validate(text: str) -> str:
        if problem := check(text):
            raise PydanticCustomError("language", "{problem}", {"problem": problem})
        return text

    return AfterValidator(validate)


def _one_line(text: str) -> str | None:
    return "must be one line" if set(text) & set("\0\r\n") else None


Format = Annotated[str, StringConstraints(min_length=1, max_length=FORMAT_CHARACTERS), _checked(check_format)]
"""A substitution format of Envoy's, such as ``%REQ(:PATH)% is not here``; it may have several lines."""

HeaderFormat = Annotated[
    str, StringConstraints(min_length=1, max_length=4096), _checked(_one_line), _checked(check_format)
]
"""A substitution format for the value of a header."""

Condition = Annotated[str, StringConstraints(min_length=1, max_length=cel.MAX_BYTES), _checked(cel.check)]
"""A condition in CEL, such as ``request.headers['x-env'] == 'test'``."""

Attribute = Annotated[str, StringConstraints(min_length=1, max_length=256), _checked(cel.check)]
"""An attribute of requests or responses, such as ``source.address``: an expression in CEL."""
