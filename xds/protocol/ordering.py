"""Make before break: the order in which a client is sent changes.

Source: "Eventual consistency considerations". Clusters come first, then endpoints; what refers to a cluster waits until
that very cluster is accepted; a resource is removed once nothing that the client may still use refers to it, and
a little later, as proxies hand configuration to their workers after they accepted it. The waiting is by resource, so
that a cluster which cannot warm holds back only what needs it, and none is without a deadline.

A listener that is removed or replaced lives on until its connections are drained, which no client reports. What it
alone used stays for as long as that may take. An Envoy that is done earlier unsubscribes from the listener's routes,
and then what only they refer to goes, too.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass

from xds.protocol.dependencies import DEPTHS, in_use, waiting
from xds.protocol.exclusive import groups
from xds.protocol.staging import SUFFIX, unasked
from xds.protocol.substream import Substream
from xds.resources.collection import includes
from xds.resources.resource import Reference, Resource
from xds.resources.snapshot import Snapshot
from xds.resources.types import (
    CLUSTER,
    ENDPOINT,
    EXTENSION_CONFIG,
    LISTENER,
    LOCALITY_ENDPOINT,
    ROUTE,
    RUNTIME,
    SCOPED_ROUTE,
    SECRET,
    VIRTUAL_HOST,
)

Substreams = Mapping[str, Substream]

ORDER = (
    CLUSTER,
    ENDPOINT,
    LOCALITY_ENDPOINT,
    SECRET,
    LISTENER,
    EXTENSION_CONFIG,
    SCOPED_ROUTE,
    ROUTE,
    VIRTUAL_HOST,
    RUNTIME,
)
"""In which order types are looked at; other types come after them."""

WAITING = frozenset({LISTENER, EXTENSION_CONFIG, SCOPED_ROUTE, ROUTE, VIRTUAL_HOST})
"""Types whose resources wait for what they need, at any depth. Envoy itself waits for what a cluster needs."""

RENEWED = {CLUSTER: frozenset({ENDPOINT, SECRET}), LISTENER: frozenset({SCOPED_ROUTE})}
"""Types whose resources are sent again, though unchanged, when a resource which refers to them changes.

"Warming of Cluster is completed only when a new ClusterLoadAssignment response is supplied by management server even
though there is no change in endpoints" ("Resource warming"). Envoy subscribes to scopes but once, and drops those that
come when no listener uses them: a listener that is added later would wait for them in vain.
"""

PRELOADED = {ROUTE: frozenset({VIRTUAL_HOST})}
"""Types whose resources are sent again, though unchanged, when a resource comes to refer to them that did not before.

Envoy subscribes to all virtual hosts, but drops those of route configurations that it does not have yet.
"""

NO_TYPES: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Timeouts:
    """Timeouts of one client, in seconds.

    Attributes:
        ack_deadline: Seconds that a change waits for an ACK or NACK of the client before it is sent regardless.
        removal_delay: Seconds from the last reference to a resource until its removal.
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


def may_send(substream: Substream, now: float, timeouts: Timeouts) -> bool:
    """Tell whether changes may be sent: one response is outstanding by type, unless the client is overdue.

    Envoy withholds the answer to a CDS response while a cluster warms, and still takes the next one: without the
    deadline a cluster that never warms would stop all later ones.
    """
    waits_for = substream.outstanding.newest
    return waits_for is None or now >= waits_for.sent + timeouts.ack_deadline


def ready(
    substream: Substream, substreams: Substreams, snapshot: Snapshot, now: float, timeouts: Timeouts
) -> dict[str, Resource]:
    """Return the new and changed resources of a type that may be sent now.

    Everything may be sent once something was held back for `Timeouts.ack_deadline`.
    """
    upserts = substream.upserts()
    free = upserts
    if upserts and substream.type_url in WAITING:
        blocked = _blocked(substream, upserts, substreams, snapshot)
        free = {name: each for name, each in upserts.items() if name not in blocked}
    if len(free) == len(upserts):
        substream.blocked_since = None
        return upserts
    if substream.blocked_since is None:
        substream.blocked_since = now
    if now < substream.blocked_since + timeouts.ack_deadline:
        return free
    substream.blocked_since = None
    return upserts


def asked(substream: Substream, substreams: Substreams, snapshot: Snapshot) -> dict[str, Resource]:
    """Return what the client asks for and may have although it has not answered the last response of the type.

    What is tried apart, while a culprit is looked for, still waits for its turn. A full response is not sent for it.
    """
    upserts = {} if substream.full_state else substream.asked()
    if upserts and substream.type_url in WAITING:
        blocked = _blocked(substream, upserts, substreams, snapshot)
        return {name: each for name, each in upserts.items() if name not in blocked}
    return upserts


def _blocked(
    substream: Substream, upserts: Mapping[str, Resource], substreams: Substreams, snapshot: Snapshot
) -> set[str]:
    """Return the names of what has to wait, and of what changes only together with it."""
    waits = _waiting(substream, upserts, substreams, snapshot)
    blocked = {name for name, each in upserts.items() if each.reference in waits}
    if substream.type_url == SCOPED_ROUTE:
        blocked |= unasked(substream, substreams.get(ROUTE))
    bound = groups(substream) if blocked else {}
    return blocked.union(*(bound[name] for name in blocked if name in bound))


def _waiting(
    substream: Substream, upserts: Mapping[str, Resource], substreams: Substreams, snapshot: Snapshot
) -> set[Reference]:
    """Return which resources need one, of another type, that the client subscribes to and has not accepted."""
    others = [each for each in substreams.values() if each is not substream and each.type_url in DEPTHS]
    if not (unacked := {each.type_url: names for each in others if (names := each.unacked())}):
        return set()
    if hosts := unacked.get(VIRTUAL_HOST):  # Which may be asked for by alias.
        named = snapshot.resources(VIRTUAL_HOST)
        hosts.update([named[name].name for name in hosts if name in named])
    return waiting(upserts.values(), snapshot, lambda need: need.name in unacked.get(need.type_url, ()))


def renewed(substream: Substream, changed: Mapping[str, Resource], asked: Collection[str]) -> Iterator[Reference]:
    """Yield what is to be sent again because of changed resources of a type, which are about to be sent.

    Args:
        substream: The type's.
        changed: What is about to be sent.
        asked: The types that the client asks for; only of these is anything sent again.
    """
    always = RENEWED.get(substream.type_url, NO_TYPES).intersection(asked)
    at_first = PRELOADED.get(substream.type_url, NO_TYPES).intersection(asked)
    for name, each in changed.items() if always or at_first else ():
        held = substream.held(name)
        known = held.references if isinstance(held, Resource) else ()
        for need in each.references:
            if need.type_url in always or (need.type_url in at_first and need not in known):
                yield need


def removable(
    substream: Substream, upserts: Mapping[str, Resource], substreams: Substreams, now: float, timeouts: Timeouts
) -> list[str]:
    """Return the names that may be removed from the client in a response with some upserts.

    What takes over what only one may have (`xds.protocol.exclusive`) goes together with what had it. Other listeners
    go at once; anything else goes when nothing that the client may still use refers to it.
    """
    removed = substream.removed()
    unknown = substream.unknown()
    if substream.batches or not removed:
        substream.unused_since.clear()
        return [] if substream.batches else unknown
    replaced = _replaced(substream, removed)
    now_replaced = [name for name, successors in replaced.items() if upserts.keys() >= successors]
    others = [name for name in removed if name not in replaced]
    if substream.type_url == LISTENER:
        return now_replaced + others
    return now_replaced + unknown + _unused(substream, set(others).difference(unknown), substreams, now, timeouts)


def _replaced(substream: Substream, removed: Iterable[str]) -> dict[str, frozenset[str]]:
    """Return the removed names that have successors, each with these."""
    bound, pending = groups(substream), substream.upserts().keys()
    successors = {name: bound[name] & pending for name in removed if name in bound}
    return {name: found for name, found in successors.items() if found}


def _unused(
    substream: Substream, removed: set[str], substreams: Substreams, now: float, timeouts: Timeouts
) -> list[str]:
    """Return the removed names that nothing has referred to for `Timeouts.removal_delay`."""
    used = in_use(substream.type_url, ((url, each.in_use()) for url, each in substreams.items()))
    if used is not None and LISTENER in substreams:
        substreams[LISTENER].draining.expire(now - timeouts.drain)
        used |= substreams[LISTENER].draining.names(substream.type_url)
    since = substream.unused_since
    free = () if used is None else [name for name in removed if name.endswith(SUFFIX) or not includes(used, name)]
    substream.unused_since = {name: since.get(name, now) for name in free}
    return [name for name, idle in substream.unused_since.items() if now >= idle + timeouts.removal_delay]


def deadline(substreams: Substreams, now: float, timeouts: Timeouts) -> float | None:
    """Return the time at which something that waits now may be sent though the client says nothing; None if never."""
    times: list[float] = []
    for each in substreams.values():
        waits_for = each.outstanding.newest
        answered = waits_for.sent + timeouts.ack_deadline if waits_for else now
        if answered > now and (each.response_due or each.upserts()):
            times.append(answered)
        if each.blocked_since is not None:
            times.append(max(answered, each.blocked_since + timeouts.ack_deadline))
        if each.unused_since:
            times.append(max(answered, min(each.unused_since.values()) + timeouts.removal_delay))
    draining = substreams[LISTENER].draining.times() if LISTENER in substreams else ()
    if draining and any(each.removed() for each in substreams.values()):
        times += [end for since in draining if (end := since + timeouts.drain) > now]
    return min(times, default=None)
