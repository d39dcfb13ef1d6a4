"""The subscription of a client to one type: a small state machine, the same for both variants of the protocol.

Source: "How the client specifies what resources to return" and "Unsubscribing From Resources".
"""

from collections.abc import Iterable

from xds.protocol.shared_names import shared
from xds.resources.collection import XDSTP, collection, is_glob

WILDCARD = "*"


class Subscription:
    """The names that a client subscribes to, on one stream, of one type.

    A first request without names subscribes to everything (the legacy wildcard), as does the name ``*`` (the explicit
    wildcard). Once the client has given a name, ``*`` included, an empty list subscribes to nothing.

    Attributes:
        names: The names subscribed to one by one, globs among them.
        globs: The names that stand for a collection (`xds.resources.collection`).
        wildcard: Whether the client subscribes to all resources that the server has for it.
    """

    __slots__ = ("_legacy", "globs", "names", "wildcard")

    def __init__(self) -> None:
        """Start before the first request."""
        self.names: frozenset[str] = frozenset()
        self.globs: frozenset[str] = frozenset()
        self.wildcard = False
        self._legacy = True

    def covers(self, name: str) -> bool:
        """Return whether the client subscribes to a name."""
        return self.wildcard or name in self.names or (bool(self.globs) and collection(name) in self.globs)

    def among(self, names: Iterable[str]) -> frozenset[str]:
        """Return those of some names that the client subscribes to."""
        if self.wildcard:
            return frozenset(names)
        return self.names.intersection(names) if not self.globs else frozenset(filter(self.covers, names))

    def expand(self, requested: frozenset[str], names: Iterable[str]) -> frozenset[str]:
        """Return requested names, with each glob replaced by its members among some names.

        A glob without members stays, and is reported to the client as non-existent.
        """
        globs = requested & self.globs
        if not globs:
            return requested
        members = {name: within for name in names if (within := collection(name)) in globs and name != within}
        return requested.difference(members.values()).union(members)

    def replace(self, names: Iterable[str]) -> None:
        """Apply the names of a state-of-the-world request, which are all that the client subscribes to.

        "If the client sends a request but has never explicitly subscribed to any resource names, the server should
        treat that identically to the client having explicitly subscribed to *."
        """
        wanted = frozenset(names)
        self.change(wanted, () if self._legacy and not wanted else (self.names | {WILDCARD}) - wanted)

    def change(self, subscribe: Iterable[str], unsubscribe: Iterable[str] = ()) -> None:
        """Apply the changes of an incremental request; unsubscriptions from other names are ignored.

        A legacy wildcard remains when names are added ("continuing the existing subscription to * and adding").
        """
        added, removed = frozenset(subscribe), frozenset(unsubscribe)
        if added or removed:
            self._legacy = False
            names = self.names - removed | added if self.names else added
            self.names = shared(names - {WILDCARD} if WILDCARD in names else names)
            globs = [each for each in added if each.startswith(XDSTP) and is_glob(each)]
            self.globs = (self.globs - removed).union(globs)
        self.wildcard = self._legacy or WILDCARD in added or (self.wildcard and WILDCARD not in removed)
