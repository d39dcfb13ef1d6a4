"""Connections in the intermediate representation that are forwarded as they are, whatever they carry."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import ClassVar

from translator.ir.backend import Backend


class L4Setting:
    """A setting of connections or datagrams: a frozen dataclass that implements hooks of `translator.envoy.hooks`.

    Attributes:
        drops_datagrams: whether it sends some datagrams to the cluster without endpoints.
    """

    __slots__ = ()
    drops_datagrams: ClassVar[bool] = False


@dataclass(frozen=True, slots=True)
class L4Backend:
    """A share of a rule's connections; `backend` is None where the reference is broken: they are closed."""

    backend: Backend | None
    weight: int = 1


@dataclass(frozen=True, slots=True)
class L4Rule:
    """The rule of a route whose connections go to `backends`.

    Attributes:
        name: the rule's name, or its place, for people.
        backends: the backends, in the order of the route.
    """

    name: str
    backends: tuple[L4Backend, ...]

    def with_backends(self, change: Callable[[Backend], Backend]) -> L4Rule:
        """Return the rule with each of its backends changed."""
        changed = (
            each if each.backend is None else replace(each, backend=change(each.backend)) for each in self.backends
        )
        return replace(self, backends=tuple(changed))


@dataclass(frozen=True, slots=True)
class L4Chain:
    """Forwards connections to backends, in proportion to their weights.

    Attributes:
        port: the port of the listener.
        backends: those of a weight above 0; where none of them is a backend, all connections are closed.
        route: the kind, namespace and name of the route that they are of; None without one.
        rule: the name of the rule.
        settings: what shapes the connections besides.
    """

    port: int
    backends: tuple[L4Backend, ...] = ()
    route: tuple[str, str, str] | None = None
    rule: str = ""
    settings: tuple[L4Setting, ...] = ()

    @property
    def reachable(self) -> bool:
        """Whether any connection is forwarded."""
        return any(each.backend is not None for each in self.backends)

    @property
    def broken_share(self) -> bool:
        """Whether some connections are forwarded, and others closed."""
        return self.reachable and any(each.backend is None for each in self.backends)
