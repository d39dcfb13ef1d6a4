"""A value together with its problems, which travel from where they are found to an object's status."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Generic, NamedTuple, TypeVar

T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)


class Problem(NamedTuple):
    """A user's mistake, as the condition that reports it.

    Attributes:
        condition: the type of the condition that is not as it should be, such as ``ResolvedRefs``.
        reason: its reason, a name of the Gateway API where there is one, such as ``BackendNotFound``.
        message: the field, what is wrong with it and the way out.
    """

    condition: str
    reason: str
    message: str


@dataclass(frozen=True, slots=True)
class Outcome(Generic[T_co]):
    """A result and its problems; the value is what is served all the same."""

    value: T_co
    problems: tuple[Problem, ...] = ()


def not_resolved(reason: str, message: str) -> Outcome[None]:
    """Return that a reference is not resolved, and why."""
    return Outcome(None, (Problem("ResolvedRefs", reason, message),))


def gather(outcomes: Iterable[Outcome[T]]) -> Outcome[tuple[T, ...]]:
    """Make one outcome of many: all values in order, and all problems, each once."""
    values: list[T] = []
    problems: dict[Problem, None] = {}
    for each in outcomes:
        values.append(each.value)
        problems.update(dict.fromkeys(each.problems))
    return Outcome(tuple(values), tuple(problems))
