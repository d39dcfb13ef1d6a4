"""Make before break: the order in which changes are sent to a client.

Source: "Eventual consistency considerations". Clusters come first, then endpoints; a resource that refers to a cluster
waits until that cluster is accepted. A resource is removed a short delay after the last resource that refers to it,
because Envoy passes configuration to its worker threads only after it has accepted it. Resources wait individually, so
that a cluster which cannot warm delays only its dependents, and every wait has a deadline.

A listener that is removed or replaced exists until its connections are drained, which no client reports. The resources
that only it used stay for as long as draining may take. An Envoy that finishes earlier unsubscribes from the listener's
routes; the resources that only they refer to are then removed, too.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import chain

from xds.protocol.client_state import ClientResource
from xds.protocol.dependencies import DEPTHS, in_use, waiting
from xds.protocol.exclusive import groups
from xds.protocol.overlay import in_front
from xds.protocol.staging import SUFFIX, unrequested
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
"""The order in which types are sent; other types come last."""

WAITING = frozenset({LISTENER, EXTENSION_CONFIG, SCOPED_ROUTE, ROUTE, VIRTUAL_HOST})
"""Types whose resources wait for their dependencies, at any depth. Envoy itself waits for those of a cluster."""

NAMING = frozenset({ROUTE, VIRTUAL_HOST})
"""Types whose resources wait for all extension configs: they name parts of those, which are no resources themselves
(`xds.protocol.united`)."""

RENEWED = {CLUSTER: frozenset({ENDPOINT, SECRET}), LISTENER: frozenset({SCOPED_ROUTE})}
"""By type, the types whose unchanged resources are resent when a resource that refers to them changes.

"Warming of Cluster is completed only when a new ClusterLoadAssignment response is supplied by management server even
though there is no change in endpoints" ("Resource warming"). Envoy subscribes to scopes only once, and drops those that
arrive while no listener uses them: a listener that is added later would never get them.
"""

PRELOADED = {ROUTE: frozenset({VIRTUAL_HOST})}
"""By type, the types whose unchanged resources are resent when a resource gains a reference to them.

Envoy subscribes to all virtual hosts, but drops those of route configurations that it does not have yet.
"""

RENEWING = RENEWED.keys() | PRELOADED.keys()
"""The types whose changes have others resent."""

NO_TYPES: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Timeouts:
    """Timeouts of one client, in seconds.

    Attributes:
        ack_deadline: Seconds that a change waits for an ACK or NACK of the client before it is sent regardless.
        removal_delay: Seconds from the last reference to a resource until its removal.
        drain: Seconds for which a removed or replaced listener may still use its resources; Envoy's
            ``--drain-time-s`` or more.
    """

    ack_deadline: float = 5.0
    removal_delay: float = 1.0
    drain: float = 600.0


def in_order(substreams: Substreams) -> Iterator[Substream]:
    """Yield the substreams in the order in which they are served."""
    yield from (substreams[url] for url in ORDER if url in substreams)
    yield from (each for url, each in substreams.items() if url not in ORDER)


def may_send(substream: Substream, now: float, timeouts: Timeouts) -> bool:
    """Return whether changes may be sent: at most one response by type is outstanding, until the ACK deadline.

    Envoy sends no ACK of a CDS response while a cluster warms, but accepts the next response: without the deadline, a
    cluster that never warms would block all later ones.
    """
    waits_for = substream.outstanding.newest
    return waits_for is None or now >= waits_for.sent + timeouts.ack_deadline


def ready(
    substream: Substream, substreams: Substreams, snapshot: Snapshot, now: float, timeouts: Timeouts
) -> dict[str, Resource]:
    """Return the new and changed resources of a type that may be sent now.

    All may be sent once one of them has waited for `Timeouts.ack_deadline`.
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


def requested(substream: Substream, substreams: Substreams, snapshot: Snapshot) -> dict[str, Resource]:
    """Return the newly requested resources, which may be sent while the last response of the type is outstanding.

    Resources in bisection still wait for their batch. Types of full responses have none.
    """
    upserts = {} if substream.full_state else substream.requested()
    if upserts and substream.type_url in WAITING:
        blocked = _blocked(substream, upserts, substreams, snapshot)
        return {name: each for name, each in upserts.items() if name not in blocked}
    return upserts


def _blocked(
    substream: Substream, upserts: Mapping[str, Resource], substreams: Substreams, snapshot: Snapshot
) -> set[str]:
    """Return the names that must wait, and those that must change together with them."""
    if substream.type_url in NAMING and (configs := substreams.get(EXTENSION_CONFIG)) and configs.unacked_parts():
        return set(upserts)
    blocked = _waiting(substream, upserts, substreams, snapshot)
    if substream.type_url == SCOPED_ROUTE:
        blocked |= unrequested(substream, substreams.get(ROUTE))
    bound = groups(substream) if blocked else {}
    return blocked.union(*(bound[name] for name in blocked if name in bound))


def _waiting(
    substream: Substream, upserts: Mapping[str, Resource], substreams: Substreams, snapshot: Snapshot
) -> set[str]:
    """Return the names that depend on a resource of another type that the client subscribes to and has not accepted."""
    others = [each for each in substreams.values() if each is not substream and each.type_url in DEPTHS]
    if not (unacked := {each.type_url: parts for each in others if (parts := each.unacked_parts())}):
        return set()
    if hosts := unacked.get(VIRTUAL_HOST):  # The client may have requested them by alias.
        named = snapshot.resources(VIRTUAL_HOST)
        hosts.append({named[name].name for part in hosts for name in part if name in named})
    return waiting(upserts, snapshot, unacked)


def renewed(substream: Substream, changed: Mapping[str, Resource], requested: Collection[str]) -> Iterator[Reference]:
    """Yield the resources to resend because resources of a type that refer to them are about to be sent.

    Args:
        substream: The substream of the type.
        changed: The resources about to be sent.
        requested: The types that the client requests; only their resources are resent.
    """
    always = RENEWED.get(substream.type_url, NO_TYPES).intersection(requested)
    at_first = PRELOADED.get(substream.type_url, NO_TYPES).intersection(requested)
    for name, each in changed.items() if always or at_first else ():
        state = substream.state(name)
        known = state.references if isinstance(state, Resource) else ()
        for need in each.references:
            if need.type_url in always or (need.type_url in at_first and need not in known):
                yield need


def removable(
    substream: Substream, upserts: Mapping[str, Resource], substreams: Substreams, now: float, timeouts: Timeouts
) -> list[str]:
    """Return the names that may be removed in a response with some upserts.

    A resource that loses an exclusive attribute (`xds.protocol.exclusive`) is removed in the response that sends its
    successor. Other listeners are removed at once; other resources once nothing that the client may use refers to them.
    """
    removed = substream.removed()
    if substream.batches or not removed:
        substream.unused_since.clear()
        return []
    unknown = substream.unknown()
    replaced = _replaced(substream, removed)
    now_replaced = [name for name, successors in replaced.items() if upserts.keys() >= successors]
    others = [name for name in removed if name not in replaced]
    if substream.type_url == LISTENER:
        return now_replaced + others
    return now_replaced + unknown + _unused(substream, set(others).difference(unknown), substreams, now, timeouts)


def _replaced(substream: Substream, removed: Iterable[str]) -> dict[str, frozenset[str]]:
    """Return the removed names whose exclusive attributes others take over, each with its successors."""
    bound, pending = groups(substream), substream.upserts().keys()
    successors = {name: bound[name] & pending for name in removed if name in bound}
    return {name: found for name, found in successors.items() if found}


def _unused(
    substream: Substream, removed: set[str], substreams: Substreams, now: float, timeouts: Timeouts
) -> list[str]:
    """Return the removed names that nothing has referred to for `Timeouts.removal_delay` seconds."""
    states = ((url, chain(_may_use(each), in_front(each))) for url, each in substreams.items())
    used = in_use(substream.type_url, states)
    if used is not None and LISTENER in substreams:
        substreams[LISTENER].draining.expire(now - timeouts.drain)
        used |= substreams[LISTENER].draining.names(substream.type_url)
    since = substream.unused_since
    free = () if used is None else [name for name in removed if name.endswith(SUFFIX) or not includes(used, name)]
    substream.unused_since = {name: since.get(name, now) for name in free}
    return [name for name, idle in substream.unused_since.items() if now >= idle + timeouts.removal_delay]


def _may_use(substream: Substream) -> Iterator[ClientResource]:
    """Yield the state of each name that may differ from the target; the client may still use those resources."""
    yield from map(substream.state, chain(substream.dirty, substream.nacked))
    for each in substream.outstanding:
        yield from each.before.values()


def deadline(substreams: Substreams, now: float, timeouts: Timeouts) -> float | None:
    """Return the time at which a waiting change may be sent without a request of the client; None if there is none."""
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
