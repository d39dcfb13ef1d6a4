"""Kubernetes quantities, such as 512Mi (apimachinery, `resource.Quantity`)."""

from __future__ import annotations

import re
from collections.abc import Mapping
from decimal import Decimal
from typing import Final

_QUANTITY: Final = re.compile(r"(\d{1,20}(?:\.\d{0,20})?|\.\d{1,20})([EPTGMK]i|[EPTGMkm]|[eE]\d{1,2})?")
_POWERS: Final = "KMGTPE"
_FACTORS: Final[Mapping[str, Decimal]] = {
    "": Decimal(1),
    "m": Decimal("0.001"),
    "k": Decimal(1000),
    **{each: Decimal(1000) ** power for power, each in enumerate(_POWERS, 1) if each != "K"},
    **{f"{each}i": Decimal(1024) ** power for power, each in enumerate(_POWERS, 1)},
}


def whole(quantity: object) -> int | None:
    """Return a quantity as an integer, rounded down; None if it is invalid or 0."""
    found = _QUANTITY.fullmatch(str(quantity)) if isinstance(quantity, str | int | float) else None
    if found is None or isinstance(quantity, bool):
        return None
    suffix = found[2] or ""
    factor = _FACTORS.get(suffix) or Decimal(10) ** int(suffix[1:])
    return int(Decimal(found[1]) * factor) or None
