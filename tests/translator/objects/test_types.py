"""Types of fields that Headgate's own kinds have in common."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import TypeAdapter, ValidationError

from translator.objects.headgate.types import MAX_QUANTITY, Disableable, Quantity, Share, StringMatch


@pytest.mark.parametrize(
    ("given", "millionths"),
    [(0, 0), (1, 10_000), (100, 1_000_000), ("0.25%", 2_500), ("100%", 1_000_000), ("0.0001%", 1), ("7%", 70_000)],
)
def test_a_share_is_counted_in_millionths(given: object, millionths: int) -> None:
    """A whole number is a percentage, and a string may have four decimals."""
    assert TypeAdapter(Share).validate_python(given) == millionths


@pytest.mark.parametrize("given", [-1, 101, 0.5, True, "1", "100.0001%", "0.00001%", "%", "", None, [1]])
def test_what_is_no_share(given: object) -> None:
    """Anything else is refused, with what a share looks like."""
    with pytest.raises(ValidationError, match="must be a share: a whole number from 0 to 100"):
        TypeAdapter(Share).validate_python(given)


@pytest.mark.parametrize(
    ("given", "number"),
    [(0, 0), ("64Ki", 65_536), ("10Mi", 10 << 20), ("1.5Ki", 1536), ("2k", 2000), ("1000m", 1), (MAX_QUANTITY,) * 2],
)
def test_a_quantity_is_a_number_of_bytes(given: object, number: int) -> None:
    """It is written as Kubernetes writes quantities, and has a largest value."""
    assert TypeAdapter(Quantity).validate_python(given) == number
    with pytest.raises(ValidationError, match="must be a whole number of bytes up to 4294967295"):
        TypeAdapter(Quantity).validate_python(MAX_QUANTITY + 1)


@pytest.mark.parametrize("given", [-1, 1.5, True, "1.5", "4Gi", "1m", "Ki", "", "10 Mi", None])
def test_what_is_no_quantity(given: object) -> None:
    """Anything else is refused, with what a quantity looks like."""
    with pytest.raises(ValidationError, match="like 64Ki, 10Mi or 1000"):
        TypeAdapter(Quantity).validate_python(given)


@pytest.mark.parametrize(
    "given", [{}, {"exact": "a", "prefix": "b"}, {"exact": ""}, {"regex": "a", "ignoreCase": True}]
)
def test_a_string_match_has_one_member(given: Any) -> None:
    """It compares in one way; a regular expression says itself whether case counts."""
    with pytest.raises(ValidationError):
        StringMatch.model_validate(given)
    assert StringMatch.model_validate({"suffix": ".com"}).member == ("suffix", ".com")


class Unit(Disableable):
    """A unit that can be switched off."""

    size: int | None = None


def test_a_unit_is_set_or_switched_off() -> None:
    """Both at once would leave open which holds."""
    assert Unit.model_validate({"disable": {}}).disable is not None
    assert Unit.model_validate({"size": 1, "disable": None}).size == 1
    with pytest.raises(ValidationError):
        Unit.model_validate({"disable": {}, "size": 1})
