"""The members of Backends: each is declared by its module, and read where a Backend is resolved."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from translator.db import Db
from translator.ir.backend import Backend, BackendEndpoint
from translator.outcome import Outcome
from translator.refs import Ref


@dataclass(frozen=True, slots=True)
class BackendMember:
    """A member of the spec of Backends.

    Attributes:
        name: its name in the model.
        read: takes the database, the Backend and the member; returns the backend that it is, without policies, and
            what is wrong with it: problems whose messages begin with the path below the member. None instead of a
            backend if requests to it are refused.
        endpoints: takes the same, returns its endpoints; None if the cluster finds them by itself.
        own_policies: whether `read` applies the policies for backends: not all that it is made of has those of the
            Backend.
        connections: takes the member, returns whether connections that are no requests may be forwarded to it.
    """

    name: str
    read: Callable[[Db, Ref, Any], Outcome[Backend | None]]
    endpoints: Callable[[Db, Ref, Any], tuple[BackendEndpoint, ...]] | None = None
    connections: Callable[[Any], bool] = lambda _: False
    own_policies: bool = False
