"""Collections: the resources whose names have the same prefix, up to the last slash.

The collection of ``a/b/c`` is ``a/b/*``, and ``*`` contains all names. Three kinds of reference name a collection: a
route configuration refers to the virtual hosts (VHDS) whose names start with its own and a slash, a listener with
scoped routes to all scopes (SRDS), and a locality to its endpoints (LEDS). Clients subscribe to a collection by an
``xdstp:`` URL that ends in ``/*`` (CNCF xDS proposal TP1, "Glob collections").
"""

from __future__ import annotations

from collections.abc import Collection, Iterable

EVERYTHING = "*"
XDSTP = "xdstp://"


def collection(name: str) -> str:
    """Return the collection of a name; it includes the context parameters of a URL."""
    path, mark, parameters = name.partition("?") if name.startswith(XDSTP) else (name, "", "")
    parent, slash, _ = path.rpartition("/")
    return f"{parent}/*{mark}{parameters}" if slash else EVERYTHING


def is_glob(name: str) -> bool:
    """Return whether a subscribed name is that of a collection."""
    return name.startswith(XDSTP) and collection(name) == name


def includes(names: Collection[str], name: str) -> bool:
    """Return whether some names include a name or one of its collections."""
    return name in names or collection(name) in names or EVERYTHING in names


def by_collection(names: Iterable[str]) -> dict[str, list[str]]:
    """Return the names by collection, and all of them under ``*``."""
    found: dict[str, list[str]] = {EVERYTHING: []}
    for name in names:
        found[EVERYTHING].append(name)
        if (within := collection(name)) != EVERYTHING:
            found.setdefault(within, []).append(name)
    return found
