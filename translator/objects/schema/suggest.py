"""The word that somebody perhaps meant."""

from collections.abc import Iterable
from difflib import get_close_matches


def closest(word: object, choices: Iterable[str], likeness: float = 0.6) -> str | None:
    """Return the choice that looks most like the word, case aside; None if none comes near.

    Args:
        word: what was written.
        choices: what may have been meant.
        likeness: how much alike they must be at least, from 0 to 1.
    """
    by_lower = {choice.lower(): choice for choice in choices}
    # A bound on what is compared, which takes the square of its length.
    close = get_close_matches(str(word).lower()[:64], by_lower, n=1, cutoff=likeness)
    return by_lower[close[0]] if close else None
