"""Children that multiply too much: each path to a child has its matches inside each of its parents'."""

from __future__ import annotations

from typing import Final

from translator.db import Db
from translator.delegation.paths import Path, paths
from translator.engine.query import query
from translator.gateway.attachment import root_bindings
from translator.refs import Ref
from translator.routes.delegated import delegated_rules, parent_matches

MOST_SERVED: Final = 1024
"""The matches of a child, of all its rules and over all of its paths; and so many of parents may lead to it."""

CROWDED: Final = (
    f"has more than {MOST_SERVED} matches over all of the paths that lead to it, or more matches of parents lead "
    "there: delegate to it by fewer rules or matches, or split it"
)
"""The rest of a sentence about such a child."""


@query(firewall=True)
def is_crowded(db: Db, child: Ref) -> bool:
    """Return whether a child is not served, nor what is below it, since it would have more than `MOST_SERVED` matches.

    The paths from routes that are attached to a Gateway count. It is the same whether routes on these are crowded
    themselves: these questions would go in a circle where routes do.
    """
    led = served = 0
    for path in paths(db, child):
        if not root_bindings(db, path[0].parent):
            continue
        led += len(parent_matches(db, path))
        if led > MOST_SERVED:
            return True
        served += sum(len(each.value.matches) for each in delegated_rules(db, child, path))
        if served > MOST_SERVED:
            return True
    return False


def is_cut_off(db: Db, path: Path) -> bool:
    """Return whether a path serves nothing, since one of the children on it is crowded."""
    return any(is_crowded(db, each.parent) for each in path[1:])


def is_unserved(db: Db, child: Ref, path: Path) -> bool:
    """Return whether a child has no routes by a path, where its parent, or one further up, answers with an error."""
    return is_crowded(db, child) or is_cut_off(db, path)
