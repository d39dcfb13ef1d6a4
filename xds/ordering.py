"""Make before break: in which order a client is sent what changed.

Source: "Eventual consistency considerations". Clusters come first, then endpoints; what refers to a cluster waits until
that very cluster is accepted; what is gone is removed once nothing that the client may still use refers to it, and
a little later, as proxies hand configuration to their workers after they accepted it. The waiting is by resource, so
that a cluster which cannot warm holds back only what needs it, and none is without a deadline.

A listener that is removed or replaced lives on until its connections are drained, which no client reports. What it
alone used stays for as long as that may take. An Envoy that is done earlier unsubscribes from the listener's routes,
and then what only they refer to goes, too.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from xds.held import possibly
from xds.resource import Reference, Resource
from xds.substream import Substream
from xds.types import (
    CLUSTER,
    ENDPOINT,
    EXTENSION_CONFIG,
    LISTENER,
    ROUTE,
    RUNTIME,
    SCOPED_ROUTE,
    SECRET,
    VIRTUAL_HOST,
)

Substreams = Mapping[str, Substream]

ORDER = (CLUSTER, ENDPOINT, SECRET, LISTENER, EXTENSION_CONFIG, SCOPED_ROUTE, ROUTE, VIRTUAL_HOST, RUNTIME)
"""In which order types are looked at; other types come after them."""

WAITING = frozenset({LISTENER, EXTENSION_CONFIG, SCOPED_ROUTE, ROUTE, VIRTUAL_HOST})
"""Types whose resources wait for the clusters they refer to."""

RENEWED = {CLUSTER: frozenset({ENDPOINT, SECRET})}
"""Types whose resources are sent again, though unchanged, when a resource which refers to them changes.

"Warming of Cluster is completed only when a new ClusterLoadAssignment response is supplied by management server even
though there is no change in endpoints" ("Resource warming").
"""

REFERRING = {
    CLUSTER: WAITING,
    ENDPOINT: frozenset({CLUSTER}),
    SECRET: frozenset({CLUSTER, LISTENER}),
    ROUTE: frozenset({LISTENER, SCOPED_ROUTE}),
    VIRTUAL_HOST: frozenset({ROUTE}),
    EXTENSION_CONFIG: frozenset({LISTENER}),
}
"""Which types may refer to a type: what is asked of a client's resources whose content is not known."""


@dataclass(frozen=True, slots=True)
class Pace:
    """How long a client is waited for.

    Attributes:
        ack_deadline: Seconds for which anything waits for an answer of the client, before it is sent nevertheless.
        removal_delay: Seconds between the moment in which nothing refers to a resource any more and its removal.
        drain: Seconds for which a listener that was removed or replaced may use what it did; Envoy's ``--drain-time-s``
            or more.
    """

    ack_deadline: float = 5.0
    removal_delay: float = 1.0
    drain: float = 600.0


def in_order(substreams: Substreams) -> Iterator[Substream]:
    """Yield the substreams in the order in which they are to be served."""
    yield from (substreams[url] for url in ORDER if url in substreams)
    yield from (each for url, each in substreams.items() if url not in ORDER)


def may_send(substream: Substream, now: float, pace: Pace) -> bool:
    """Tell whether a response may be sent: one is outstanding by type, unless the client is overdue.

    Envoy withholds the answer to a CDS response while a cluster warms, and still takes the next one: without the
    deadline a cluster that never warms would stop all later ones.
    """
    waits_for = substream.outstanding.newest
    return waits_for is None or now >= waits_for.sent + pace.ack_deadline


def ready(substream: Substream, substreams: Substreams, now: float, pace: Pace) -> dict[str, Resource]:
    """Return the new and changed resources of a type that may be sent now.

    Everything may be sent once something was held back for `Pace.ack_deadline`.
    """
    upserts = substream.upserts()
    free = upserts
    if upserts and substream.type_url in WAITING:
        free = _unblocked(upserts, substreams)
    if len(free) == len(upserts):
        substream.blocked_since = None
        return upserts
    if substream.blocked_since is None:
        substream.blocked_since = now
    if now < substream.blocked_since + pace.ack_deadline:
        return free
    substream.blocked_since = None
    return upserts


def _unblocked(upserts: dict[str, Resource], substreams: Substreams) -> dict[str, Resource]:
    """Return those resources whose clusters, and whose clusters' endpoints, the client has accepted."""
    clusters, endpoints = substreams.get(CLUSTER), substreams.get(ENDPOINT)
    if clusters is None or not (awaited := _unsettled(clusters) | (_unsettled(endpoints) if endpoints else set())):
        return upserts
    known = clusters.target or {}

    def waits(needs: frozenset[Reference]) -> bool:
        if not needs.isdisjoint(awaited):
            return True
        used = (known.get(need.name) for need in needs if need.type_url == CLUSTER) if endpoints else ()
        return any(cluster is not None and not cluster.references.isdisjoint(awaited) for cluster in used)

    return {name: each for name, each in upserts.items() if not waits(each.references)}


def _unsettled(substream: Substream) -> set[Reference]:
    return {Reference(substream.type_url, name) for name in substream.unsettled()}


def removable(substream: Substream, substreams: Substreams, now: float, pace: Pace) -> list[str]:
    """Return the names that may be removed from the client now.

    A listener goes together with those that take its place, as Envoy lets a new one take over the address of a
    removed one within a response. Anything else goes when nothing that the client may still use refers to it.
    """
    gone = substream.gone()
    unknown = [name for name in gone if substream.held(name) is None]
    if substream.batches or not gone:
        substream.unused_since.clear()
        return [] if substream.batches else unknown
    if substream.type_url == LISTENER:
        return unknown if substream.blocked_since is not None else gone
    used = _in_use(substream.type_url, substreams)
    if used is not None and LISTENER in substreams:
        used.update(_drained(substream.type_url, substreams[LISTENER], now, pace))
    since = substream.unused_since
    free = set() if used is None else {name for name in gone if name not in used}.difference(unknown)
    substream.unused_since = {name: since.get(name, now) for name in free}
    return unknown + [name for name, idle in substream.unused_since.items() if now >= idle + pace.removal_delay]


def _in_use(type_url: str, substreams: Substreams) -> set[str] | None:
    """Return the names of a type that a client's outdated resources refer to; None if that cannot be known."""
    used: set[str] = set()
    for substream in substreams.values():
        may_refer = substream.type_url in REFERRING.get(type_url, ())
        for held in substream.stale():
            for each in possibly(held):
                if isinstance(each, Resource):
                    used.update(need.name for need in each.references if need.type_url == type_url)
                elif may_refer:
                    return None
    return used


def _drained(type_url: str, listeners: Substream, now: float, pace: Pace) -> Iterator[str]:
    """Yield the names of a type that listeners use which are being drained; forget those that are done."""
    listeners.draining = tuple(each for each in listeners.draining if now < each[1] + pace.drain)
    for needs, _ in listeners.draining:
        yield from (need.name for need in needs if need.type_url == type_url)


def deadline(substreams: Substreams, now: float, pace: Pace) -> float | None:
    """Return the time at which something that waits now may be sent though the client says nothing; None if never."""
    times: list[float] = []
    for each in substreams.values():
        waits_for = each.outstanding.newest
        answered = waits_for.sent + pace.ack_deadline if waits_for else now
        if answered > now and (each.owed or each.upserts()):
            times.append(answered)
        if each.blocked_since is not None:
            times.append(max(answered, each.blocked_since + pace.ack_deadline))
        if each.unused_since:
            times.append(max(answered, min(each.unused_since.values()) + pace.removal_delay))
    draining = substreams[LISTENER].draining if LISTENER in substreams else ()
    if draining and any(each.gone() for each in substreams.values()):
        times += [end for _, since in draining if (end := since + pace.drain) > now]
    return min(times, default=None)
