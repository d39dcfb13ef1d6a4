"""Records of sync status: encoding for other replicas, decoding of theirs, and aggregation. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import islice

from translator.inputs import AffectedRoute, AttributedNack, GatewaySyncStatus, StillServed
from translator.refs import Ref
from xds import Nack

Record = list[object]
"""The sync status of a Gateway as JSON values."""

MOST_NACKS, MOST_CHARACTERS, MOST_ROUTES, MOST_RULES = 5, 500, 10, 3
"""The limits of the NACKs in a Gateway's record, which only become text of a condition."""


def encode(status: GatewaySyncStatus) -> Record | None:
    """Encode the sync status of a Gateway for `decode`; return None if it has no proxies."""
    if not status.clients:
        return None
    nacks = [_encode_nack(each) for each in islice(status.nacks, MOST_NACKS)]
    return [status.snapshot or "", status.clients, status.all_acked, nacks]


def decode(record: object) -> GatewaySyncStatus:
    """Decode the record of another replica; return an empty status if it is malformed.

    Records of earlier versions name no snapshot: none of their clients counts as up to date.
    """
    match record:
        case [str(snapshot), int(clients), bool(all_acked), list(records)]:
            nacks = tuple(filter(None, map(_decode_nack, records)))
            return GatewaySyncStatus(clients, all_acked, nacks, snapshot=snapshot)
        case [int(clients), bool(), list()]:
            return GatewaySyncStatus(clients, snapshot="")
    return GatewaySyncStatus()


def _encode_nack(attributed: AttributedNack) -> Record:
    type_url, name, message = attributed.nack
    routes = [
        [*each.route, list(each.rules[:MOST_RULES]), each.served.value, each.generation]
        for each in attributed.routes[:MOST_ROUTES]
    ]
    return [type_url, name, message[:MOST_CHARACTERS], routes]


def _decode_nack(record: object) -> AttributedNack | None:
    match record:
        case [str(type_url), str(name), str(message), list(records)]:
            routes = tuple(filter(None, map(_decode_route, records)))
            return AttributedNack(Nack(type_url, name, message), routes)
    return None


def _decode_route(record: object) -> AffectedRoute | None:
    match record:
        case [str(kind), str(namespace), str(name), list(rules), str(served), int(generation)] if served in _SERVED:
            return AffectedRoute(Ref(kind, namespace, name), tuple(map(str, rules)), StillServed(served), generation)
    return None


_SERVED = frozenset(StillServed)


def aggregate(parts: Iterable[GatewaySyncStatus]) -> GatewaySyncStatus:
    """Aggregate the sync statuses of one Gateway: all is acknowledged if every replica with proxies reports that.

    If the replicas serve different snapshots, nothing counts as acknowledged by all.
    """
    known = [each for each in parts if each.clients]
    if not known:
        return GatewaySyncStatus()
    nacks = dict.fromkeys(_cut(nack) for each in known for nack in each.nacks)  # replicas may report the same NACK
    snapshots = {each.snapshot for each in known}
    all_acked = len(snapshots) == 1 and all(each.all_acked for each in known)
    snapshot = snapshots.pop() if len(snapshots) == 1 else ""
    return GatewaySyncStatus(sum(each.clients for each in known), all_acked, tuple(nacks), snapshot=snapshot)


def _cut(attributed: AttributedNack) -> AttributedNack:
    nack = attributed.nack
    return attributed._replace(nack=nack._replace(message=nack.message[:MOST_CHARACTERS]))
