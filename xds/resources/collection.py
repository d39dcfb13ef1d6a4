"""Collections: resources that are referred to, or subscribed to, together, by the part of the name they share.

A name's last part is what follows its last slash. The collection of ``a/b/c`` is ``a/b/*``, and ``*`` holds all names.
Three kinds of reference name a collection: a route configuration needs the virtual hosts (VHDS) whose names begin with
its own and a slash, a listener with scoped routes all scopes (SRDS), and a locality its endpoints (LEDS). Clients
subscribe to one by an ``xdstp:`` URL that ends in ``/*`` (CNCF xDS proposal TP1, "Glob collections").
"""

from __future__ import annotations

from collections.abc import Collection, Iterable

EVERYTHING = "*"
XDSTP = "xdstp://"


def collection(name: str) -> str:
    """Return the collection that a name is in; the context parameters of a URL are part of it."""
    path, mark, parameters = name.partition("?") if name.startswith(XDSTP) else (name, "", "")
    parent, slash, _ = path.rpartition("/")
    return f"{parent}/*{mark}{parameters}" if slash else EVERYTHING


def is_glob(name: str) -> bool:
    """Tell whether a name that a client subscribes to stands for a collection."""
    return name.startswith(XDSTP) and collection(name) == name


def includes(names: Collection[str], name: str) -> bool:
    """Tell whether a name, or a collection that it is in, is among some names."""
    return name in names or collection(name) in names or EVERYTHING in names


def by_collection(names: Iterable[str]) -> dict[str, list[str]]:
    """Return the names in each collection, and all under ``*``."""
    found: dict[str, list[str]] = {EVERYTHING: []}
    for name in names:
        found[EVERYTHING].append(name)
        if (within := collection(name)) != EVERYTHING:
            found.setdefault(within, []).append(name)
    return found
