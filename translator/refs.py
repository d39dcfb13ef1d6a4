"""The name by which one object is known everywhere in the translator."""

from typing import NamedTuple


class Ref(NamedTuple):
    """Names one object: its kind, its namespace ("" for a cluster-scoped kind) and its name.

    The version is not part of it: the v1 and the v1beta1 form of an object are one object.
    """

    kind: str
    namespace: str
    name: str

    def __str__(self) -> str:
        """As people write it: "HTTPRoute default/shop", "GatewayClass headgate"."""
        return f"{self.kind} {self.namespace}/{self.name}" if self.namespace else f"{self.kind} {self.name}"


class ListenerRef(NamedTuple):
    """Names a listener: the object that has it, which is a Gateway or a ListenerSet, and its name there."""

    owner: Ref
    name: str

    def __str__(self) -> str:
        """As people write it: "listener https of Gateway shop/web"."""
        return f"listener {self.name} of {self.owner}"
