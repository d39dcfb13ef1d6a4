"""The subscription of a client to one type: a small state machine, the same for both variants of the protocol.

Source: "How the client specifies what resources to return" and "Unsubscribing From Resources".
"""

from collections.abc import Iterable

from xds.resources.collection import collection, is_glob

WILDCARD = "*"


class Subscription:
    """The names that a client subscribes to, on one stream, of one type.

    It begins untouched. A first request without names means everything, as does the name ``*`` (the legacy and the
    explicit wildcard). Once a name was given, `*` among them, an empty set means nothing.

    Attributes:
        names: The names subscribed to one by one, globs among them.
        globs: Those that stand for a collection (`xds.resources.collection`).
        wildcard: Whether the client wants whatever the server thinks it needs.
    """

    __slots__ = ("_legacy", "globs", "names", "wildcard")

    def __init__(self) -> None:
        """Begin with no request seen."""
        self.names: frozenset[str] = frozenset()
        self.globs: frozenset[str] = frozenset()
        self.wildcard = False
        self._legacy = True

    def covers(self, name: str) -> bool:
        """Tell whether the client wants the resource of that name."""
        return self.wildcard or name in self.names or (bool(self.globs) and collection(name) in self.globs)

    def among(self, names: Iterable[str]) -> frozenset[str]:
        """Return those of some names that the client wants."""
        if self.wildcard:
            return frozenset(names)
        return self.names.intersection(names) if not self.globs else frozenset(filter(self.covers, names))

    def expand(self, asked: frozenset[str], names: Iterable[str]) -> frozenset[str]:
        """Return names that were asked for, and in the place of globs their members among some names, if there are any.

        A glob without members stays: the client is told that it does not exist.
        """
        globs = asked & self.globs
        if not globs:
            return asked
        members = {name: within for name in names if (within := collection(name)) in globs and name != within}
        return asked.difference(members.values()).union(members)

    def replace(self, names: Iterable[str]) -> None:
        """Take the full list of a state-of-the-world request.

        "If the client sends a request but has never explicitly subscribed to any resource names, the server should
        treat that identically to the client having explicitly subscribed to *."
        """
        wanted = frozenset(names)
        self.change(wanted, () if self._legacy and not wanted else (self.names | {WILDCARD}) - wanted)

    def change(self, subscribe: Iterable[str], unsubscribe: Iterable[str] = ()) -> None:
        """Take the changes of an incremental request; phantom unsubscriptions are ignored.

        A legacy wildcard goes on when names are added ("continuing the existing subscription to * and adding").
        """
        added, removed = frozenset(subscribe), frozenset(unsubscribe)
        if added or removed:
            self._legacy = False
            self.names = (self.names - removed | added) - {WILDCARD}
            self.globs = frozenset(filter(is_glob, self.names))
        self.wildcard = self._legacy or WILDCARD in added or (self.wildcard and WILDCARD not in removed)
