"""Log lines about files, objects and conditions: one for each change, and a bounded number at a time."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

import structlog

from headgate.observability.logging import about
from headgate.reporting.conditions import ConditionChange
from translator.refs import Ref
from watchers.diagnostics import Diagnostic
from watchers.files.store import FileStoreChange

#: Most log lines about changes that occur together; the others are summarised.
MAX_LINES = 20

log = structlog.stdlib.get_logger("headgate")


def log_edits(change: FileStoreChange) -> None:
    """Log the changed objects."""
    if change.edits:
        edited = [f"{each.ref} is gone" if each.object is None else str(each.ref) for each in change.edits]
        rest = len(edited) - MAX_LINES
        log.info("Read changes", objects=edited[:MAX_LINES] + ([f"and {rest} more"] if rest > 0 else []))


def log_diagnostics(change: FileStoreChange) -> None:
    """Log diagnostics that appeared or were resolved, but not those that moved to another line."""
    raised, settled = _by_words(change.appeared), _by_words(change.resolved)
    wrong = [each for key, each in raised.items() if key not in settled]
    for each in wrong[:MAX_LINES]:
        say: Callable[..., None] = log.error if each.severity == "error" else log.warning
        say(str(each), **_fields(each))
    _tell_rest(wrong)
    fixed = [each for key, each in settled.items() if key not in raised]
    for each in fixed[:MAX_LINES]:
        subject = f"{each.ref}: " if each.ref else ""
        log.info(f"{each.place.file}: resolved: {subject}{each.message}", **_fields(each))
    if len(fixed) > MAX_LINES:
        log.info(f"And {len(fixed) - MAX_LINES} more problems are resolved")


def log_cluster_diagnostics(appeared: Iterable[Diagnostic], resolved: Iterable[Diagnostic]) -> None:
    """Log diagnostics of a cluster that appeared or were resolved."""
    for each in appeared:
        (log.error if each.severity == "error" else log.warning)(str(each))
    for each in resolved:
        log.info(f"Resolved: {each}")


def _by_words(diagnostics: Iterable[Diagnostic]) -> dict[tuple[object, ...], Diagnostic]:
    return {(each.place.file, each.severity, each.ref, each.message): each for each in diagnostics}


def _fields(problem: Diagnostic) -> dict[str, str | int]:
    return {**about(problem.ref), "file": problem.place.file, "line": problem.place.line}


def log_changes(changes: list[ConditionChange], place: Callable[[Ref], str]) -> None:
    """Log changes of conditions.

    Args:
        changes: the changes.
        place: returns "file:line" of an object, or "".
    """
    for each in changes[:MAX_LINES]:
        say = log.info if each.good or each.reason == "Pending" else log.warning
        at = place(each.ref)
        reason = {"reason": each.reason} if each.reason else {}
        say(each.text, **about(each.ref), **reason, **({"at": at} if at else {}))
    _tell_rest(changes)


def _tell_rest(things: Sequence[object]) -> None:
    if len(things) > MAX_LINES:
        log.warning(f"And {len(things) - MAX_LINES} more; `headgate status` shows them all")
