"""Whether anybody needs at once what a replica evaluates: connected clients, or its own writes as leader."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from xds import Client, Observer


class Demand(Observer):
    """Tells when edits may wait to be evaluated together, because nobody would see the difference.

    Args:
        always: whether there is demand without clients, too: while a replica leads, or where there is only one.

    Attributes:
        raised: set when a client connects, or by `raise_now`; the evaluator clears it.
    """

    def __init__(self, always: Callable[[], bool] = lambda: True) -> None:
        self.raised = asyncio.Event()
        self._always = always
        self._clients = 0

    @property
    def exists(self) -> bool:
        """Whether there is a client, or demand without one."""
        return self._clients > 0 or self._always()

    def raise_now(self) -> None:
        """Have edits that wait evaluated at once."""
        self.raised.set()

    def opened(self, client: Client) -> None:
        """Take that a client has connected."""
        self._clients += 1
        self.raised.set()

    def closed(self, client: Client) -> None:
        """Take that a client has gone."""
        self._clients -= 1
