"""The protocol state of one type on one stream: the subscription, the responses sent, and their ACKs and NACKs.

"Each resource type is treated as a separate logical stream within the aggregated stream" ("Four Variants").
The state of a client is stored as the resources with which it was last in sync, shared with the snapshot, and the names
that differ from them: a client in sync costs no memory per resource.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Set
from dataclasses import dataclass, field
from itertools import chain

from xds.protocol.client_state import ClientResource, VersionOnly, after_nack, forget, last_acked, without
from xds.protocol.culprits import split
from xds.protocol.draining import Draining
from xds.protocol.nacks import ClientNacks, NackedResource, unknown
from xds.protocol.outstanding import Outstanding, OutstandingResponses
from xds.protocol.restated import STORED_FIRST, is_restatable
from xds.protocol.shared_names import shared
from xds.protocol.subscription import WILDCARD, Subscription
from xds.resources.aliases import ALIASED
from xds.resources.resource import Resource
from xds.resources.selection import absent, present
from xds.resources.snapshot import NONE, PLAIN, Resources
from xds.resources.types import FULL_STATE, LISTENER

NACKED_BEFORE = "it was refused before, and accepting it once more does not tell that it is used"
"""The error text of a NACK that the client did not repeat (`xds.protocol.restated`)."""


@dataclass(slots=True)
class Substream:
    """The state of one type on one stream.

    Attributes:
        type_url: The type.
        delta: Whether the stream speaks the incremental variant.
        subscription: The names that the client subscribes to.
        target: The resources that the client should have, of the newest snapshot; None before there is one.
        dirty: The names for which the client's state may differ from the target, or which it requested again.
        to_resend: The names to send although they did not change.
        response_due: Whether a response must be sent even if it is empty.
        nonce: The nonce of the newest response; empty before there is one.
        number: The greatest number of the responses sent (`xds.protocol.response_cache`).
        outstanding: The responses without an ACK or NACK.
        nacked: The resources that the client rejects, by name; not sent again until they change.
        restores: The last good resources, to be resent because the client stored rejected ones in their place.
        client_nacks: The NACK history of the client, across streams.
        returning: Whether the client had an earlier stream, whose NACKs this server may not know.
        batches: The names still to send in a bisection, one batch at a time.
        blocked_since: The time since which a resource waits for another type, on the session's clock.
        unused_since: By removed name, the time since which nothing that the client uses refers to it.
        changed: The time of the oldest change that was not sent yet; None if there is none.
        draining: The references of removed or replaced listeners.
    """

    type_url: str
    delta: bool
    subscription: Subscription = field(default_factory=Subscription)
    target: Resources | None = None
    dirty: set[str] = field(default_factory=set)
    to_resend: set[str] = field(default_factory=set)
    response_due: bool = False
    nonce: str = ""
    number: int = 0
    outstanding: OutstandingResponses = field(default_factory=OutstandingResponses)
    nacked: dict[str, NackedResource] = field(default_factory=dict)
    restores: dict[str, Resource] = field(default_factory=dict)
    client_nacks: ClientNacks = field(default_factory=unknown)
    returning: bool = False
    batches: list[frozenset[str]] = field(default_factory=list)
    blocked_since: float | None = None
    unused_since: dict[str, float] = field(default_factory=dict)
    changed: float | None = None
    draining: Draining = field(default_factory=Draining)
    _base: Resources = field(default_factory=lambda: NONE)
    _own: dict[str, ClientResource] = field(default_factory=dict)
    _state_unknown: bool = False

    @property
    def full_state(self) -> bool:
        """Whether each response contains all resources: LDS, CDS and SRDS in the state-of-the-world variant."""
        return not self.delta and self.type_url in FULL_STATE

    @property
    def whole(self) -> bool:
        """Whether the next response must contain all, as the client has resources that an omission would delete."""
        return self.full_state and not self.nonce and (self._state_unknown or any(self._own.values()))

    def state(self, name: str) -> ClientResource:
        """Return the state of a subscribed name at the client."""
        return self._own[name] if name in self._own else self._base.get(name)

    @property
    def idle(self) -> bool:
        """Whether there is nothing to send, now or later: the state at the client is that of the snapshot, shared."""
        if self._base is not self.target or self.dirty or self.response_due or self.restores or self.unused_since:
            return False
        return self.blocked_since is None and type(self.target) in PLAIN

    def states(self, names: Iterable[str]) -> dict[str, ClientResource]:
        """Return the states of names; a client that starts has tens of thousands."""
        own, base = self._own, self._base
        return {name: own[name] if name in own else base.get(name) for name in names}

    def wanted(self) -> Iterable[str]:
        """Return the names that exist and that the client subscribes to."""
        target = self.target or NONE
        return target.keys() if self.subscription.wildcard else self.subscription.among(target)

    def set_target(self, target: Resources, changed: frozenset[str], now: float | None = None) -> None:
        """Set the resources of a new snapshot, with the names that changed, and the time of the change."""
        if self.type_url in ALIASED:
            # Only the subscribed names show by which of its aliases a changed resource was requested.
            before = self.target or NONE
            changed |= {name for name in self.subscription.names if before.get(name) != target.get(name)}
        first, self.target = self.target is None, target
        if first:
            changed = changed.union(self._own)
            self.dirty = set(self.subscription.expand(frozenset(self.dirty), target))
            self.to_resend = set(self.subscription.expand(frozenset(self.to_resend), target))
        covered = self.subscription.among(changed)
        self.dirty |= covered
        if covered and self.changed is None:
            self.changed = now
        forget(covered, self.nacked, self.restores, self.unused_since)

    def replace(self, names: Iterable[str]) -> None:
        """Apply the names of a state-of-the-world request, which are all that the client subscribes to."""
        wild, before = self.subscription.wildcard, self.subscription.names
        self.subscription.replace(names)
        self._update_subscription(wild, before, self.subscription.names - before, False, {})

    def narrow(self, names: Iterable[str]) -> None:
        """Unsubscribe from all names subscribed to one by one, except these."""
        before = self.subscription.names
        if removed := before.difference(names):
            self.subscription.change((), removed)
            self._update_subscription(self.subscription.wildcard, before, frozenset(), False, {})

    def change(self, subscribe: Iterable[str], unsubscribe: Iterable[str], remembered: Mapping[str, str]) -> None:
        """Apply the names of an incremental request, and the versions that the client has from an earlier stream.

        "A resource_names_subscribe field may contain names that the server believes the client is already subscribed
        to. However, the server must still provide those resources" ("Subscribing to Resources").
        """
        wild, before = self.subscription.wildcard, self.subscription.names
        added = shared(frozenset(subscribe))
        self.subscription.change(added, unsubscribe)
        all_again = WILDCARD in added
        self._update_subscription(wild, before, added - {WILDCARD} if all_again else added, all_again, remembered)

    def restore(self, resources: Iterable[Resource] | None) -> None:
        """Set the resources that a state-of-the-world client has from an earlier stream; None if they are not known."""
        self._state_unknown = resources is None
        for each in resources or ():
            if self.subscription.covers(each.name):
                self._own[each.name] = each
                self.dirty.add(each.name)

    def _update_subscription(
        self, wild: bool, before: frozenset[str], added: frozenset[str], all_again: bool, remembered: Mapping[str, str]
    ) -> None:
        """Update the state after a change of the subscription, which was `wild` or had the names `before`.

        The request subscribes to the names `added`, and if `all_again` to the wildcard, perhaps once more.
        """
        now = self.subscription
        opened = now.wildcard and not wild
        if self.delta:
            # The first wildcard request needs a response, even an empty one: Envoy's start waits for it.
            self.response_due |= opened and not remembered
        else:
            self.response_due |= self.full_state and (opened or bool(added))
        if opened or all_again:
            added = added | (self.target or NONE).keys() | remembered.keys()
        if now.wildcard:
            # Unsubscribed by name but maybe part of the wildcard: "the server must send a response that includes
            # the specific resource" or says that it is gone ("Unsubscribing from Resources").
            added |= before - now.names
        elif wild or before - now.names:
            self._unsubscribe()
        requested = now.expand(added, chain(self.target or NONE, remembered))
        self._subscribe(requested, requested if wild else before, remembered)

    def _subscribe(self, names: frozenset[str], covered: frozenset[str], remembered: Mapping[str, str]) -> None:
        """Mark names as requested; the client had requested those `covered`, and reports versions of some."""
        forget(names, self.nacked)
        self.dirty |= names
        if remembered:
            self._own.update({name: VersionOnly(remembered[name]) for name in names & remembered.keys()})
            names -= remembered.keys()
        # "The server must resend any newly requested resources, even if it previously sent those resources."
        self.to_resend |= names
        self._own.update(dict.fromkeys(names - covered if covered else names))

    def _unsubscribe(self) -> None:
        """Drop the state of all names that the client no longer subscribes to."""
        self.dirty = set(self.subscription.among(self.dirty))
        self.to_resend &= self.dirty
        for by_name in (self.nacked, self.restores, self.unused_since, self._own):
            forget(by_name.keys() - self.subscription.among(by_name), by_name)

    def drop(self, names: Iterable[str]) -> None:
        """Drop removed names: SotW responses of this type cannot remove resources."""
        for name in names:
            self.dirty.discard(name)
            self.to_resend.discard(name)
            self.unused_since.pop(name, None)
            self._own[name] = None

    def retry(self, names: Iterable[str]) -> None:
        """Resend unchanged resources that the client rejected: the cause may no longer exist."""
        for name in self.nacked.keys() & frozenset(names):
            del self.nacked[name]
            self.dirty.add(name)

    def resend(self, name: str) -> None:
        """Resend an unchanged resource, if the client subscribes to it."""
        if self.subscription.covers(name) and name in (self.target or NONE):
            self.dirty.add(name)
            self.to_resend.add(name)

    def normalise(self) -> bool:
        """Drop dirty names that do not differ, share the target once none is left; return whether to send more."""
        if self.target is None:
            return False
        if not self.dirty:
            self._share()
            return self.response_due or bool(self.restores)
        if not self.dirty <= self.to_resend:
            self.dirty = {name for name in self.dirty if name in self.to_resend or self._differs(name)}
        self.unused_since = {name: since for name, since in self.unused_since.items() if name in self.dirty}
        while self.batches and not self.outstanding and not self.upserts():
            self.batches.pop(0)
        if self.client_nacks and not self.batches:
            self._set_apart()
        self._share()
        return bool(self.dirty) or self.response_due or bool(self.restores)

    def _set_apart(self) -> None:
        """Move resources with a known NACK to a batch of their own, so that another NACK affects no other resource."""
        if self.full_state and self._state_unknown:
            return  # A full response deletes what it omits, and the resources to send instead are unknown.
        upserts = self.upserts()
        client_nacks = frozenset(name for name, each in upserts.items() if each in self.client_nacks)
        if client_nacks and len(client_nacks) < len(upserts):
            self.batches = [frozenset(upserts) - client_nacks, client_nacks]

    def _share(self) -> None:
        if self.dirty:
            return
        self.blocked_since = None
        if self.target is None or self._base is self.target:
            return
        self.batches.clear()
        self._own = {name: self.state(name) for name in self.nacked}
        self._base = self.target

    def _differs(self, name: str) -> bool:
        state, wanted = self.state(name), (self.target or NONE).get(name)
        if state is None or wanted is None:
            return state is not wanted
        return state.version != wanted.version

    def upserts(self) -> dict[str, Resource]:
        """Return the resources to send now, by name: in a bisection, those of the current batch."""
        if self.target is None:
            return {}
        batch = self.dirty & self.batches[0] if self.batches else self.dirty
        return present(self.target, batch, self.type_url) or dict(self.restores)

    def requested(self) -> dict[str, Resource]:
        """Return the resources to send because they were requested, by name, except those in bisection."""
        return present(self.target or NONE, self.to_resend.difference(*self.batches), self.type_url)

    def unknown(self) -> list[str]:
        """Return the names that the client requests and that do not exist."""
        return [name for name in self.removed() if self.state(name) is None]

    def removed(self) -> list[str]:
        """Return the names that the client has or requests, and that do not exist."""
        return absent(self.target, self.dirty) if self.target is not None else []

    def unacked(self) -> set[str]:
        """Return the names whose newest resource the client has neither accepted nor rejected."""
        return set().union(*self.unacked_parts())

    def unacked_parts(self) -> list[Set[str]]:
        """Return sets of which the names of `unacked` are the union; none of them is empty."""
        parts = [self.dirty if self.target is None else self.target.keys() & self.dirty] if self.dirty else []
        return [each for each in (*parts, *(each.upserts.keys() for each in self.outstanding)) if each]

    def holdings(self) -> dict[str, str]:
        """Return the known version of each resource that the client has accepted, by name."""
        before: dict[str, ClientResource] = {}
        for each in self.outstanding:
            before = {**each.before, **before}
        covered = self.subscription.among(self._base)
        states = {name: before[name] if name in before else self.state(name) for name in {*covered, *self._own}}
        return {name: good.version for name, each in sorted(states.items()) if (good := last_acked(each)) is not None}

    def record(self, upserts: Mapping[str, Resource], removed: Iterable[str], nonce: str, now: float) -> None:
        """Record a response as sent."""
        sent: dict[str, ClientResource] = {**upserts, **dict.fromkeys(removed)}
        before = self.states(sent)
        if self.type_url == LISTENER:
            self.draining.leave(before, sent, now)
        batch = self.batches[0] if self.batches and upserts.keys() <= self.batches[0] else None
        content = dict(upserts)
        for name, resource, state in self.outstanding.unanswered() if self.full_state else ():
            if name not in sent and name not in self.dirty and self.state(name) == resource:
                content[name], before[name] = resource, state
        self.outstanding.add(
            nonce, Outstanding(content, before, now, self.changed, batch, content.keys() - upserts.keys())
        )
        self._own.update(sent)
        self.dirty.difference_update(sent)
        self.to_resend.difference_update(sent)
        forget(sent.keys(), self.unused_since, self.restores)
        self.response_due = False
        self.nonce = nonce
        self.normalise()
        if not self.dirty:
            self.changed = None

    def accept(self, response: Outstanding) -> None:
        """Process the ACK of a response that was outstanding."""
        self.outstanding.accept(response)
        for name, sent in response.upserts.items() if self.nacked or self.client_nacks else ():
            if self._is_nacked(name, sent):
                self._correct(name, response.before.get(name))
            if name in self.nacked or self.state(name) != sent:
                continue  # The client rejected it after this response.
            unproven = self.returning and self.type_url in STORED_FIRST and not is_restatable(sent)
            if unproven and sent in self.client_nacks:
                self.nacked[name] = NackedResource(sent, NACKED_BEFORE)
            else:
                self.client_nacks.discard(sent)
        self._end_batch(response)

    def reject(self, response: Outstanding, message: str) -> None:
        """Process the NACK of a response that was outstanding.

        Several resources are bisected: those that the error text names and the others, or else halves, are sent
        separately, until one resource alone is rejected. It is not sent again until it changes; the others are.
        """
        self._end_batch(response)
        self.returning = True  # It may have stored what it rejected, like a client of an earlier stream.
        alone = len(response.upserts) == 1
        for name, sent in response.upserts.items():
            before = response.before.get(name)
            known = alone or self._is_nacked(name, sent)
            self._correct(name, self._without(before, sent) if known else after_nack(before, sent))
            if alone:
                self.client_nacks.add(sent)
        names = sorted(name for name, sent in response.upserts.items() if self._current(name, sent))
        self.dirty.update(names)
        if len(names) < len(response.upserts):
            # A resource that changed since, or is rejected already, may be the cause: send the others without it.
            self.batches[:0] = filter(None, [frozenset(names)])
        elif alone:
            [(name, sent)] = response.upserts.items()
            self.nacked[name] = NackedResource(sent, message)
            self.dirty.discard(name)
            good = self.state(name)
            if self.type_url in STORED_FIRST and isinstance(good, Resource):
                self.restores[name] = good
        else:
            self.batches[:0] = split(names, message)

    def _without(self, before: ClientResource, sent: Resource) -> ClientResource:
        good = without(before, sent)
        return VersionOnly("") if good is None and self._state_unknown else good

    def _end_batch(self, response: Outstanding) -> None:
        if self.batches and response.batch is self.batches[0]:
            self.batches.pop(0)

    def _correct(self, name: str, state: ClientResource) -> None:
        """Correct the state of a name after a NACK: the state before the next outstanding response with it, or now."""
        for later in self.outstanding:
            if name in later.before:
                later.before[name] = state
                return
        if self.subscription.covers(name):
            self._own[name] = state

    def _is_nacked(self, name: str, sent: Resource) -> bool:
        return name in self.nacked and self.nacked[name].resource == sent

    def _current(self, name: str, sent: Resource) -> bool:
        """Return whether the target still contains a sent resource, and the client is not known to reject it."""
        wanted = (self.target or NONE).get(name)
        is_wanted = wanted is not None and wanted.version == sent.version and self.subscription.covers(name)
        return is_wanted and not self._is_nacked(name, sent)
