"""Bugs in the status of a Gateway: a condition reports them beside all that still holds."""

from __future__ import annotations

from translator.conditions import Condition, Status


def with_bug(status: Status, bug: str, generation: int) -> Status:
    """Return the status of a Gateway, of which not all can be computed, with the condition Programmed saying so.

    Args:
        status: as it is without; what could not be computed is as it was last.
        bug: which, as `QueryError.bug` says.
        generation: the Gateway's.
    """
    text = f"A bug in Headgate, please report it: {bug}. What it concerns is served as it was before."
    told = Condition("Programmed", "False", "Pending", text).json(generation)
    conditions = [each for each in status.get("conditions", ()) if each["type"] != told["type"]]
    return {**status, "conditions": [*conditions, told]}
