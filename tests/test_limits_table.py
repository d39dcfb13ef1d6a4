"""docs/limits.md says of each limit what the code does."""

from __future__ import annotations

import pkgutil
import re
from pathlib import Path
from typing import Any, NamedTuple

import pytest

DOCUMENT = Path(__file__).parents[1] / "docs" / "limits.md"
UNITS = {"": 1, "s": 1, "min": 60, "h": 3600, "KiB": 1 << 10, "MiB": 1 << 20}


class Row(NamedTuple):
    """A row of the table.

    Attributes:
        code: the constant, with its module.
        default: what is documented.
    """

    code: str
    default: str


def rows() -> list[Row]:
    """The rows of all tables that name a constant."""
    lines = DOCUMENT.read_text().splitlines()
    cells = [[each.strip() for each in line.strip("|").split("|")] for line in lines if line.startswith("|")]
    return [Row(each[-1].strip("`"), each[1]) for each in cells if each[-1].startswith("`")]


def value(path: str) -> Any:
    """The value of a constant, or the default of a dataclass's field."""
    holder, _, name = path.rpartition(".")
    found: Any = pkgutil.resolve_name(holder)
    fields = getattr(found, "__dataclass_fields__", {})
    return fields[name].default if name in fields else getattr(found, name)


@pytest.mark.parametrize("row", rows(), ids=lambda row: row.code)
def test_the_default_is_the_codes(row: Row) -> None:
    """A limit's documented default is the value in the code."""
    found = re.fullmatch(r"([0-9.,]+) ?([a-zA-Z]*)", row.default)
    assert found is not None, f"write a number and a unit of {sorted(UNITS)}"
    assert float(found[1].replace(",", "")) * UNITS[found[2]] == value(row.code)
