"""Ranges of addresses and whether clients of them are let in; of all ranges, the narrowest that has an address decides.

Pure, and independent of everything else.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from ipaddress import ip_network
from typing import Final, NamedTuple

EVERYWHERE: Final = ("0.0.0.0/0", "::/0")
"""All addresses."""


class Range(NamedTuple):
    """A range of addresses: the width of these, and the length and the value of the prefix that they share."""

    width: int
    length: int
    prefix: int


def narrowest_first(rules: Sequence[tuple[Iterable[str], bool]], default: bool) -> dict[str, bool]:
    """Convert rules of which the first that has an address decides to ranges of which the narrowest does.

    Args:
        rules: ranges of addresses, and whether clients of these are let in.
        default: whether all others are.
    """
    first: dict[Range, int] = {}
    texts: dict[str, Range] = {}
    ordered = (*rules, (EVERYWHERE, default))
    for place, (ranges, _) in enumerate(ordered):
        for text in ranges:
            texts[text] = found = _range(text)
            first.setdefault(found, place)
    return {
        text: ordered[min(first[each] for each in _around(found) if each in first)][1] for text, found in texts.items()
    }


def all_allow(decisions: Sequence[Mapping[str, bool]]) -> dict[str, bool]:
    """Return which clients are let in by all of several maps of ranges; each map has all addresses."""
    if len(decisions) == 1:
        return dict(decisions[0])
    known = [{_range(text): allow for text, allow in found.items()} for found in decisions]
    texts = dict.fromkeys(text for found in decisions for text in found)
    return {text: all(_decision(found, _range(text)) for found in known) for text in texts}


def _decision(known: Mapping[Range, bool], asked: Range) -> bool:
    return next(known[each] for each in _around(asked) if each in known)


def _range(text: str) -> Range:
    network = ip_network(text)
    width, length = network.max_prefixlen, network.prefixlen
    return Range(width, length, int(network.network_address) >> (width - length))


def _around(found: Range) -> Iterator[Range]:
    """Yield the ranges that have all addresses of a range, itself first, the widest last."""
    width, length, prefix = found
    for each in range(length, -1, -1):
        yield Range(width, each, prefix >> (length - each))
