"""Which delivery of each Gateway's configuration counts: one that is about the snapshot which is published.

A status is made at once when an object changes, its snapshot is acknowledged a moment later. Until then, what was told
last stands, for the generation that it was told of: nothing counts as programmed before its ACK, and a change that
takes no time does not make a Gateway pending.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace

from translator.inputs import GatewaySyncStatus
from translator.objects.gateway_api.gateway import Gateway
from translator.refs import Ref
from xds import Snapshot


class Acknowledged:
    """What was heard of the proxies of each Gateway, and what of it counts."""

    def __init__(self, tell: Callable[[Ref, GatewaySyncStatus | None], None]) -> None:
        """Know nothing; `tell` takes the delivery that counts of a Gateway, None where there is none."""
        self._tell = tell
        self._heard: dict[Ref, GatewaySyncStatus] = {}
        self._changed: set[Ref] = set()
        self._awaiting: set[Ref] = set()
        self._overdue: set[Ref] = set()

    @property
    def awaiting(self) -> frozenset[Ref]:
        """The Gateways whose proxies have not answered what is published for them."""
        return frozenset(self._awaiting)

    def hear(self, gateway: Ref, delivery: GatewaySyncStatus) -> None:
        """Take how far the configuration of a Gateway has come."""
        if delivery == GatewaySyncStatus():
            self._heard.pop(gateway, None)
        else:
            self._heard[gateway] = delivery
        self._changed.add(gateway)

    def overdue(self, gateway: Ref) -> None:
        """Take that the proxies of a Gateway were waited for long enough: it is to be told that they are."""
        if gateway in self._awaiting:
            self._overdue.add(gateway)
            self._changed.add(gateway)

    def touch(self, gateway: Ref) -> None:
        """Take that the snapshot of a Gateway or its generation may have changed."""
        if gateway in self._heard:
            self._changed.add(gateway)

    def judge(self, gateways: Mapping[Ref, object], snapshots: Mapping[Ref, Snapshot], held: set[Ref]) -> bool:
        """Tell what counts now; return whether there was anything to look at.

        Args:
            gateways: the newest of each.
            snapshots: what is published of them, or about to be.
            held: those of which the snapshot is not that of the newest; what was told of them last stands.
        """
        judged = self._changed - held
        for gateway in judged:
            self._judge(gateway, gateways.get(gateway), snapshots.get(gateway))
        self._changed -= judged
        return bool(judged)

    def _judge(self, gateway: Ref, found: object, snapshot: Snapshot | None) -> None:
        heard = self._heard.get(gateway)
        self._awaiting.discard(gateway)
        if not isinstance(found, Gateway) or heard is None or not heard.clients or heard.snapshot is None:
            self._overdue.discard(gateway)
            self._tell(gateway, heard)
            return
        about = replace(
            heard,
            snapshot=None,
            generation=found.metadata.generation,
            listeners=frozenset(each.name for each in found.spec.listeners),
        )
        if heard.all_acked and snapshot is not None and heard.snapshot == snapshot.version:
            self._overdue.discard(gateway)
            self._tell(gateway, about)
        elif gateway in self._overdue:
            self._tell(gateway, replace(about, all_acked=False))
        else:
            self._awaiting.add(gateway)
