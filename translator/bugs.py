"""What a bug means for the status of a Gateway: it is told where its owner looks, beside all that still holds."""

from __future__ import annotations

from typing import Any

from translator.conditions import Condition
from translator.query import QueryError

Status = dict[str, Any]

MOST_CHARACTERS = 256


def words(bug: QueryError) -> str:
    """Say which bug it is; not in its own words, which may hold anything."""
    cause = type(bug.__cause__).__name__
    return f"{bug.cell[:MOST_CHARACTERS]}: {cause}"


def with_bug(status: Status, bug: str, generation: int) -> Status:
    """Return the status of a Gateway, of which not all can be computed, with the condition Programmed saying so.

    Args:
        status: as it is without; what could not be computed is as it was last.
        bug: `words` of it.
        generation: the Gateway's.
    """
    text = f"A bug in Headgate, please report it: {bug}. What it concerns is served as it was before."
    told = Condition("Programmed", "False", "Pending", text).json(generation)
    conditions = [each for each in status.get("conditions", ()) if each["type"] != told["type"]]
    return {**status, "conditions": [*conditions, told]}
