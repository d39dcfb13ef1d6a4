"""What `headgate run` says of files and objects: each thing once, in plain words, and never a flood."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import structlog

from headgate.statuses import News
from translator.refs import Ref
from watchers.diagnostic import Diagnostic
from watchers.folder import Change

#: Of what happens at once, so many things are told one by one.
MAX_LINES = 20

log = structlog.stdlib.get_logger("headgate")


def tell_edits(change: Change) -> None:
    """Tells which objects were read anew."""
    if change.edits:
        edited = [f"{each.ref} is gone" if each.object is None else str(each.ref) for each in change.edits]
        rest = len(edited) - MAX_LINES
        log.info("Read changes", objects=edited[:MAX_LINES] + ([f"and {rest} more"] if rest > 0 else []))


def tell_problems(change: Change) -> None:
    """Tells what is wrong in files now, and in which of them nothing is wrong any more."""
    for each in change.raised[:MAX_LINES]:
        _at(each)(str(each))
    _tell_rest(change.raised)
    wrong = {each.place.file for each in change.raised}
    mended = dict.fromkeys(each.place.file for each in change.settled if each.severity == "error")
    for file in list(mended)[:MAX_LINES]:
        if file not in wrong:
            log.info(f"{file}: mended")


def tell_news(news: list[News], place: Callable[[Ref], str]) -> None:
    """Tells which conditions have changed.

    Args:
        news: the changes.
        place: gives "file:line" of an object, or "".
    """
    for each in news[:MAX_LINES]:
        say = log.info if each.good or each.reason == "Pending" else log.warning
        at = place(each.ref)
        say(each.text, **({"at": at} if at else {}))
    _tell_rest(news)


def _at(problem: Diagnostic) -> Callable[[str], None]:
    say: Callable[[str], None] = log.error if problem.severity == "error" else log.warning
    return say


def _tell_rest(things: Sequence[object]) -> None:
    if len(things) > MAX_LINES:
        log.warning(f"And {len(things) - MAX_LINES} more; `headgate status` shows them all")
