"""Formats and conditions as fields of objects."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import TypeAdapter, ValidationError

from translator.objects.headgate.expressions import Condition, Format, HeaderFormat


@pytest.mark.parametrize(
    ("kind", "text"),
    [
        (Format, "%PROTOCOL%\nat 100%%"),
        (HeaderFormat, "%REQ(:PATH):32%"),
        (Condition, "request.path == '/a' &&\n  request.method in ['GET', 'HEAD']"),
    ],
)
def test_valid_strings_stay_as_they_are(kind: Any, text: str) -> None:
    """A valid format or condition is taken as it is written."""
    assert TypeAdapter(kind).validate_python(text) == text


@pytest.mark.parametrize(
    ("kind", "text", "message"),
    [
        (Format, "%NOPE%", "%NOPE%: there is no command NOPE"),
        (Format, "a" * 8193, "String should have at most 8192 characters"),
        (HeaderFormat, "a\nb", "must be one line"),
        (HeaderFormat, "100%", "'%': '%' begins a command: write %% for one '%'"),
        (Condition, "request.path ==\n nope", "line 2, column 2: there is no nope: "),
    ],
)
def test_invalid_strings_say_what_is_wrong(kind: Any, text: str, message: str) -> None:
    """The error of an invalid format or condition is what the check of its language says."""
    with pytest.raises(ValidationError) as raised:
        TypeAdapter(kind).validate_python(text)
    assert raised.value.errors()[0]["msg"].startswith(message)
