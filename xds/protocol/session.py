"""One client stream, without I/O: it takes requests and snapshots, and returns the next response to send.

Source: Envoy's "xDS REST and gRPC protocol"; each quotation is the rule that the branch below it implements. The two
variants differ only in the form of requests and responses.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterable, Mapping, Sized
from dataclasses import dataclass
from typing import NamedTuple

from headgate_proto.envoy.service.discovery.v3 import discovery_pb2
from xds.protocol import ordering, wire
from xds.protocol.dependencies import Members
from xds.protocol.fitting import fitting, fitting_names
from xds.protocol.nacks import ClientNacks, Nack, NackGroup, NackState, group_by_message, unknown
from xds.protocol.ordering import Timeouts
from xds.protocol.overlay import carried
from xds.protocol.response import assemble, full
from xds.protocol.response_cache import ResponseCache
from xds.protocol.staging import stage
from xds.protocol.substream import Substream
from xds.protocol.united import unite
from xds.resources.resource import Resource
from xds.resources.snapshot import Snapshot, diff
from xds.resources.types import EXTENSION_CONFIG, LISTENER, ROUTE, SCOPED_ROUTE, SECRET

MAX_TYPES = 64
"""Most resource types on one stream."""
MAX_MESSAGE = 2048
"""Most characters stored of a client's error text."""


NEEDED = frozenset({ROUTE, SCOPED_ROUTE, SECRET, EXTENSION_CONFIG})
"""Types whose resources Envoy requests by name for a listener, about when it accepts the listener."""


class ProtocolError(ValueError):
    """A request breaks the protocol or a limit; the stream must end."""


@dataclass(frozen=True, slots=True)
class Response:
    """A response to send.

    Attributes:
        type_url: Its type.
        nonce: Its nonce.
        resources: The number of resources in it.
        changed: The names of the resources that are new to the client, changed, or sent again on request.
        removed: The names that it removes.
        data: The serialised message.
        age: Seconds since the time of the oldest change in it (`Server.publish`); None if there is none.
    """

    type_url: str
    nonce: str
    resources: int
    changed: tuple[str, ...]
    removed: tuple[str, ...]
    data: bytes
    age: float | None = None


class Ack(NamedTuple):
    """The ACK or NACK of a response.

    Attributes:
        type_url: The response's type.
        seconds: Seconds since the response was sent.
        error: The error text of a NACK; None for an ACK.
        age: Seconds since the time of the oldest change in the response (`Server.publish`); None if it contained only
            resources that the client had newly requested.
    """

    type_url: str
    seconds: float
    error: str | None
    age: float | None = None


Request = discovery_pb2.DiscoveryRequest | discovery_pb2.DeltaDiscoveryRequest


class Session:
    """The protocol state of one stream; sans-I/O, for one task at a time.

    Attributes:
        delta: Whether the stream speaks the incremental variant.
        type_url: The one type of a stream that is not aggregated.
        substreams: The substreams, by type URL.
        client_nacks: The NACK history of the client, across streams; set it before the first request.
    """

    __slots__ = (
        "_cache",
        "_clock",
        "_count",
        "_mark",
        "_max_names",
        "_returning",
        "_snapshot",
        "_timeouts",
        "client_nacks",
        "delta",
        "substreams",
        "type_url",
    )

    def __init__(
        self,
        *,
        delta: bool,
        clock: Callable[[], float],
        type_url: str | None = None,
        cache: ResponseCache | None = None,
        timeouts: Timeouts | None = None,
        max_names: int = 200_000,
    ) -> None:
        """Start a stream.

        Args:
            delta: Whether it uses the incremental variant.
            clock: Returns the time in seconds.
            type_url: The type of a stream that is not aggregated.
            cache: The cache of responses, shared with other sessions.
            timeouts: The timeouts of the client.
            max_names: Most resource names to store by type.
        """
        self.delta = delta
        self.type_url = type_url
        self.substreams: dict[str, Substream] = {}
        self.client_nacks: ClientNacks = unknown()
        self._clock = clock
        self._cache = cache or ResponseCache()
        self._timeouts = timeouts or Timeouts()
        self._max_names = max_names
        self._snapshot: Snapshot | None = None
        self._count = 0
        self._mark = secrets.token_hex(8)  # unique among the streams of all servers
        # A client of a stream by type may have had earlier streams, which its first request does not show.
        self._returning = type_url is not None

    @property
    def snapshot(self) -> Snapshot | None:
        """The snapshot that the client should have; None before there is one."""
        return self._snapshot

    def update(
        self, snapshot: Snapshot, changes: dict[str, frozenset[str]] | None = None, changed: float | None = None
    ) -> None:
        """Set a new snapshot.

        Args:
            snapshot: The snapshot that the client should have from now on.
            changes: The difference to the snapshot before, if already computed (`xds.resources.snapshot.diff`).
            changed: The time of the change, on the session's clock; None for now.
        """
        changed = self._clock() if changed is None and self._snapshot is not None else changed
        if not self.substreams:
            changes = {}
        elif changes is None or self._snapshot is None:
            changes = diff(self._snapshot or Snapshot(), snapshot)
        self._snapshot = snapshot
        for url, substream in self.substreams.items():
            target = carried(substream.target, snapshot.resources(url))
            substream.set_target(target, changes.get(url, frozenset()), changed)
            if not substream.dirty:
                substream.normalise()  # so that the snapshot before is not kept

    def receive(self, request: Request) -> Ack | None:
        """Process a request of the stream's variant; return the ACK or NACK in it, if there is one.

        Raises:
            ProtocolError: The request breaks the protocol or a limit.
        """
        if isinstance(request, discovery_pb2.DeltaDiscoveryRequest):
            return self._receive_delta(request)
        return self._receive_sotw(request)

    def _receive_sotw(self, request: discovery_pb2.DiscoveryRequest) -> Ack | None:
        self._returning |= bool(request.version_info) and not request.response_nonce
        substream = self._substream(request.type_url)
        if substream.nonce and request.response_nonce and request.response_nonce != substream.nonce:
            # "The management server should not send a DiscoveryResponse for any DiscoveryRequest that has a stale
            # nonce": the answer to the newer response will name all resources again. The client has dropped the
            # resources that this request does not name, and needs them if it names them again.
            substream.narrow(request.resource_names)
            return self._answer(substream, request)
        answer = self._answer(substream, request)
        self._check_names(request.resource_names)
        substream.replace(request.resource_names)
        if not substream.nonce and request.version_info:
            # "The client's initial request on the new stream should indicate the most recent version seen": resources
            # of that version must not be removed too early. They are sent again nevertheless ("Servers may decide to
            # optimize" is only a permission), since after a NACK the client may have other resources, too.
            substream.restore(self._cache.recall(substream.type_url, request.version_info))
        return answer

    def _receive_delta(self, request: discovery_pb2.DeltaDiscoveryRequest) -> Ack | None:
        # "The server must honor changes to the subscription state even if the nonce is stale."
        self._returning |= bool(request.initial_resource_versions)
        substream = self._substream(request.type_url)
        answer = self._answer(substream, request)
        names = request.resource_names_subscribe, request.resource_names_unsubscribe
        if answer is not None and not (names[0] or names[1] or request.initial_resource_versions):
            return answer  # as nearly all are; the subscription stays
        self._check_names(request.resource_names_subscribe)
        self._check_names(request.initial_resource_versions)
        # Only the first request of a type on a stream has versions, before any response.
        remembered = {} if substream.nonce else dict(request.initial_resource_versions)
        substream.change(request.resource_names_subscribe, request.resource_names_unsubscribe, remembered)
        self._check_names(substream.subscription.names)
        return answer

    def _check_names(self, names: Sized) -> None:
        count = len(names)
        if count > self._max_names:
            raise ProtocolError(f"{count} resource names in one subscription; at most {self._max_names} are allowed")

    def _substream(self, type_url: str) -> Substream:
        url = type_url or self.type_url
        if not url:
            raise ProtocolError("type_url: a request on an aggregated stream must name its resource type")
        if self.type_url and url != self.type_url:
            raise ProtocolError(f"type_url: {url} on a stream of {self.type_url}")
        if url not in self.substreams:
            if len(self.substreams) >= MAX_TYPES:
                raise ProtocolError(f"more than {MAX_TYPES} resource types on one stream")
            substream = Substream(url, self.delta, client_nacks=self.client_nacks, returning=self._returning)
            self.substreams[url] = substream
            if self._snapshot is not None:
                substream.set_target(self._snapshot.resources(url), frozenset())
        return self.substreams[url]

    def _answer(self, substream: Substream, request: Request) -> Ack | None:
        """Process the ACK or NACK in a request, if any: "the presence of the error_detail field" distinguishes them."""
        error: str | None = None
        if request.HasField("error_detail"):
            error = request.error_detail.message[:MAX_MESSAGE] or "no reason given"
        waiting = substream.outstanding.pop(request.response_nonce, error is not None)
        if waiting is None:
            return None
        if error is None:
            substream.accept(waiting)
        else:
            substream.reject(waiting, error)
        now = self._clock()
        age = None if waiting.changed is None else now - waiting.changed
        return Ack(substream.type_url, now - waiting.sent, error, age)

    def next(self) -> Response | None:
        """Return the next response, and record it as sent; None if there is nothing to send now."""
        if self._snapshot is None or self.idle():
            return None
        stage(self.substreams)
        unite(self.substreams)
        # Not `any`, which would not normalise all.
        if not sum([each.normalise() for each in self.substreams.values()]):
            return None
        now = self._clock()
        for substream in ordering.in_order(self.substreams):
            if substream.dirty or substream.response_due or substream.restores:
                may_send = ordering.may_send(substream, now, self._timeouts)
                response = (self._respond if may_send else self._answer_at_once)(substream, self._snapshot, now)
                if response is not None:
                    return response
        return None

    def idle(self) -> bool:
        """Return whether the client is due nothing, now or later, as after most ACKs; it may have others to send."""
        return all(each.idle for each in self.substreams.values())

    def deadline(self) -> float | None:
        """Return the time at which to call `next` without a new request or snapshot; None if there is none."""
        if self.idle():
            return None
        return ordering.deadline(self.substreams, self._clock(), self._timeouts)

    def _respond(self, substream: Substream, snapshot: Snapshot, now: float) -> Response | None:
        upserts = ordering.ready(substream, self.substreams, snapshot, now, self._timeouts)
        if substream.blocked_since is not None and substream.whole:
            return None
        upserts = fitting(substream, upserts)
        removed = ordering.removable(substream, upserts, self.substreams, now, self._timeouts)
        removed = fitting_names(upserts, removed)
        if not (upserts or removed or (substream.response_due and substream.blocked_since is None)):
            return None
        return self._send(substream, snapshot, upserts, removed, now)

    def _answer_at_once(self, substream: Substream, snapshot: Snapshot, now: float) -> Response | None:
        """Return a response with newly requested resources, although the last response is outstanding."""
        upserts = fitting(substream, ordering.requested(substream, self.substreams, snapshot))
        removed = fitting_names(upserts, substream.unknown()) if self.delta else []
        return self._send(substream, snapshot, upserts, removed, now) if upserts or removed else None

    def _send(
        self,
        substream: Substream,
        snapshot: Snapshot,
        upserts: dict[str, Resource],
        removed: list[str],
        now: float,
    ) -> Response | None:
        if not self.delta and not substream.full_state:
            # "For other resource types, the API provides no mechanism for the server to tell the client that resources
            # have been deleted."
            substream.drop(removed)
            removed = []
            if not (upserts or substream.response_due):
                return None
        self._renew(substream, upserts, snapshot)
        resources = full(substream, upserts, removed) if substream.full_state else upserts
        self._count += 1
        body = assemble(self._cache, substream, resources, removed, f"{self._mark}.{self._count:x}")
        nonce, data = body.nonce, body.data
        if body.number <= substream.number:
            nonce = f"{nonce}.{self._count:x}"
            data += wire.nonce(nonce)
        substream.number = max(substream.number, body.number)
        age = None if substream.changed is None else self._clock() - substream.changed
        substream.record(upserts, removed, nonce, now)
        stage(self.substreams)
        unite(self.substreams)
        changed = tuple(sorted(upserts))  # in linear time where they are sorted
        return Response(substream.type_url, nonce, len(resources), changed, tuple(sorted(removed)), data, age)

    def _renew(self, substream: Substream, changed: Mapping[str, Resource], snapshot: Snapshot) -> None:
        """Resend the dependencies that changed resources need to warm ("Resource warming")."""
        if substream.type_url not in ordering.RENEWING:
            return
        members = Members(snapshot)
        for need in ordering.renewed(substream, changed, self.substreams.keys()):
            for each in members.of(need):
                self.substreams[need.type_url].resend(each.name)

    def retry(self, type_url: str, names: Iterable[str]) -> None:
        """Resend resources that the client rejected."""
        if type_url in self.substreams:
            self.substreams[type_url].retry(names)

    def nacks(self) -> tuple[NackState, ...]:
        """Return the resources that the client rejects, with those that it uses instead."""
        return tuple(
            NackState(Nack(url, name, nacked.message), substream.state(name))
            for url, substream in self.substreams.items()
            for name, nacked in substream.nacked.items()
        )

    def nack_groups(self) -> tuple[NackGroup, ...]:
        """Return the resources that the client rejects, grouped by type and error text."""
        return group_by_message(each.nack for each in self.nacks())

    def drain_deadline(self) -> float | None:
        """Return the time until which a stop waits for ACKs of changes, except removals; None if it need not wait."""
        if self._snapshot is None:
            return None
        now, timeout = self._clock(), self._timeouts.ack_deadline
        newest = (each.outstanding.newest for each in self.substreams.values())
        waiting = [each.sent + timeout for each in newest if each]
        if any(each.upserts() for each in self.substreams.values()):
            waiting.append(max([now, *waiting]) + timeout)
        return max((each for each in waiting if each > now), default=None)

    def synced(self) -> bool:
        """Return whether the client accepted all resources of the newest snapshot that it subscribes to."""
        return self.acked() and not any(each.nacked for each in self.substreams.values())

    def acked(self) -> bool:
        """Return whether the client accepted or finally rejected all resources that it subscribes to.

        Pending removals do not count. On an aggregated stream, the client must subscribe to the listeners and to the
        resources that Envoy requests once it has accepted a listener: until then, it has not finished.
        """
        if self._snapshot is None or any(each.unacked_parts() for each in self.substreams.values()):
            return False
        return self.type_url is not None or all(self._has(need) for need in self._roots(self._snapshot))

    def _roots(self, snapshot: Snapshot) -> Iterable[tuple[str, str]]:
        substream = self.substreams.get(LISTENER)
        for listener in snapshot.resources(LISTENER).values():
            if substream is None:
                yield listener.reference
            elif substream.subscription.covers(listener.name) and listener.name not in substream.nacked:
                yield from (need for need in listener.references if need.type_url in NEEDED)

    def _has(self, need: tuple[str, str]) -> bool:
        url, name = need
        substream = self.substreams.get(url)
        return substream is not None and substream.subscription.covers(name)
