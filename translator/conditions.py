"""Conditions of objects, as Kubernetes has them, without times: those belong to whoever writes them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import lru_cache
from typing import Any, Final, NamedTuple

from translator.api_group import GROUP
from translator.outcome import Problem

MOST_CHARACTERS: Final = 32768
"""The longest message of a condition that the API server takes."""

RULES_OVERLAP: Final = f"{GROUP}/RulesOverlap"
"""The condition of a route of which some match gets no requests, since another rule has an equal one."""

NO_ENDPOINTS: Final = f"{GROUP}/NoEndpoints"
"""The condition of a route with a backend that has no endpoints; its reference is resolved all the same."""

POLICY_AFFECTED: Final = f"{GROUP}/PolicyAffected"
"""The condition of an object, or of a listener, that policies have as a target (GEP-713)."""

NO_EFFECT: Final = f"{GROUP}/NoEffect"
"""The condition of a policy some of whose fields have no effect where it is, although they are valid."""

HINTS: Final = (RULES_OVERLAP, NO_ENDPOINTS, NO_EFFECT)
"""Conditions of what is served as it is written; they are there only while they are True."""


class Condition(NamedTuple):
    """One condition: its type, whether it holds (True, False or Unknown), and why."""

    type: str
    status: str
    reason: str
    message: str

    @lru_cache(maxsize=1024)  # noqa: B019 (a condition is a value)
    def json(self, generation: int | None) -> dict[str, Any]:
        """Give the condition as the API server holds it; `generation` is that of the object that was looked at.

        Most conditions are those of many objects, which share the result: nobody changes it.
        """
        observed = {} if generation is None else {"observedGeneration": generation}
        return {"type": self.type, "status": self.status, "reason": self.reason, "message": self.message, **observed}


ObservedCondition = tuple[Condition, int]
"""A condition, and the generation of the object that was looked at."""


def verdict(type_: str, problems: Iterable[Problem], good: str, message: str) -> Condition:
    """Make a condition that is True with reason `good` unless one of `problems` is of its type, then False with theirs.

    Of several problems the first gives the reason, and all of them the message.
    """
    found = [each for each in problems if each.condition == type_]
    if not found:
        return Condition(type_, "True", good, message)
    return Condition(type_, "False", found[0].reason, bounded([each.message for each in found]))


def bounded(messages: list[str], most: int = MOST_CHARACTERS) -> str:
    """Join messages, within the size that the API server takes for a condition."""
    text = " ".join(dict.fromkeys(messages))
    return text if len(text) <= most else text[: most - 1] + "…"


def resolved_refs(problems: Iterable[Problem]) -> Condition:
    """Return the condition ResolvedRefs of an object, or of a part of it, with these problems."""
    return verdict("ResolvedRefs", problems, "ResolvedRefs", "All references are resolved.")


Status = dict[str, Any]
"""The `status` of an object in its JSON form."""


def own_status(problems: Sequence[Problem], accepted: str, generation: int | None) -> Status:
    """Return the status of an object by itself: Accepted and ResolvedRefs.

    Args:
        problems: its problems.
        accepted: the message of Accepted without problems.
        generation: its `metadata.generation`; None or 0 where it has none, as in files.
    """
    found = (verdict("Accepted", problems, "Accepted", accepted), resolved_refs(problems))
    return {"conditions": [each.json(generation or 1) for each in found]}
