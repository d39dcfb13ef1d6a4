"""The matches of children: which of them are inside a match of the parent, and what they are there. Pure."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from typing import Final

from translator.ir.http import EXPRESSION, PathKind, Rank, RouteMatch, ValueMatch
from translator.languages.regex import grouped, quoted

EVERYTHING: Final = RouteMatch()
"""The match of a rule without matches, which the API server writes out."""
MOST_MATCHES: Final = 1024
"""The matches of one rule of a child that it has by one path from a Gateway."""
MOST_DELEGATING: Final = 128
"""The same of a rule that delegates itself: its matches multiply with those of its children."""


def matches_inside(
    parents: Iterable[RouteMatch], children: Iterable[RouteMatch], relative: bool, most: int = MOST_MATCHES
) -> tuple[RouteMatch, ...]:
    """Return the matches of a child's rule that serve inside a parent's rule, each once; one too many if there are.

    Args:
        parents: the matches of the parent's rule, whose paths are prefixes.
        children: those of the child's.
        relative: whether paths of the child follow the parent's, and it inherits the rest of the match.
        most: how many there may be.
    """
    inside = _joined if relative else _inside
    known = tuple(children)
    if known == (EVERYTHING,):
        return tuple(dict.fromkeys(parents))
    found: dict[RouteMatch, None] = {}
    for parent in parents:
        for child in known:
            if (made := inside(parent, child)) is not None:
                found[made] = None
            if len(found) > most:
                return tuple(found)
    return tuple(found)


def is_any_inside(parent: RouteMatch, children: Iterable[RouteMatch], relative: bool) -> bool:
    """Return whether some of the matches of a child's rule is inside one of its parent's."""
    inside = _joined if relative else _inside
    known = tuple(children)
    return known == (EVERYTHING,) or any(inside(parent, each) is not None for each in known)


def is_any_below(paths: tuple[str, ...], parent: RouteMatch) -> bool:
    """Return whether some of many paths, which are sorted, is inside the prefix of a parent's match."""
    prefix = _prefix(parent)
    for least in (prefix, f"{prefix}/"):
        place = bisect_left(paths, least)
        if place < len(paths) and is_below(paths[place], prefix):
            return True
    return False


def _inside(parent: RouteMatch, child: RouteMatch) -> RouteMatch | None:
    """Return a child's match, if it is one of requests that the parent's matches; None if it is not."""
    if (parent.method and child.method != parent.method) or (parent.model and child.model != parent.model):
        return None
    regex = child.path_kind is PathKind.REGEX
    if child.path_kind is PathKind.CONNECT or not (regex or is_below(child.path, _prefix(parent))):
        return None  # mostly so: it is asked first
    own = {(each.name.lower(), *each[1:]) for each in child.headers}
    if not own.issuperset((each.name.lower(), *each[1:]) for each in parent.headers):
        return None
    if not set(child.query).issuperset(parent.query):
        return None
    return replace(child, within=_prefix(parent)) if regex else child


def is_below(path: str, prefix: str) -> bool:
    """Return whether a path is a prefix, which ends without a slash, or one below it: of whole elements."""
    return path == prefix or path.startswith(f"{prefix}/")


def _prefix(match: RouteMatch) -> str:
    return match.path.rstrip("/")


def _joined(parent: RouteMatch, child: RouteMatch) -> RouteMatch | None:
    """Return a child's match below the parent's path, with the rest of the parent's match."""
    if child.path_kind is PathKind.CONNECT:
        return None
    prefix, within, rank = _prefix(parent), "", None
    if child.path_kind is PathKind.REGEX:
        path, within = f"{quoted(prefix)}{grouped(child.path)}", prefix
        rank = Rank(EXPRESSION, -len(prefix) - len(child.path), not (parent.method or child.method))
    else:
        path = f"{prefix}{child.path}" if child.path != "/" else prefix or "/"
    return RouteMatch(
        child.path_kind,
        path,
        tuple(_united(parent.headers, child.headers, str.lower)),
        tuple(_united(parent.query, child.query, str)),
        parent.method or child.method,
        rank=rank,
        within=within,
        model=parent.model or child.model,
    )


def _united(
    parent: tuple[ValueMatch, ...], child: tuple[ValueMatch, ...], name: Callable[[str], str]
) -> Iterator[ValueMatch]:
    """Yield the parent's values, then those of the child with other names."""
    known = {name(each.name) for each in parent}
    yield from parent
    yield from (each for each in child if name(each.name) not in known)
