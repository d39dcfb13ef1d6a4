"""Kinds of which there are many objects and few are of use, with secrets in them: only those referenced are read.

Of all others nothing but metadata is ever asked for. Which are referenced is known once the objects that may refer to
them have been evaluated, so whoever evaluates says so with `want`, each time.
"""

import asyncio
from collections.abc import AsyncGenerator, Iterable
from contextlib import aclosing
from typing import Final

from translator.edit import Edit, Refused, unread
from translator.refs import Ref
from watchers.diagnostic import Diagnostic, Place
from watchers.feed import Batch
from watchers.kubernetes import paths
from watchers.kubernetes.backoff import Backoff
from watchers.kubernetes.client import Client
from watchers.kubernetes.errors import ApiError, ClusterError, denied
from watchers.kubernetes.objects import parsed
from watchers.kubernetes.observer import Observer
from watchers.kubernetes.reflector import Reflector
from watchers.kubernetes.troubles import Troubles

AT_ONCE: Final = 16
"""So many objects are asked for at the same time."""


class OnDemand:
    """The objects of one kind, as far as they are wanted.

    Two sources that belong together: this one follows which objects there are, and `Fetching` reads those wanted.

    Args:
        reflector: of the kind's metadata.
    """

    def __init__(self, reflector: Reflector) -> None:
        self.reflector = reflector
        self.wanted: frozenset[Ref] = frozenset()
        self.held: dict[Ref, str] = {}
        """The resource version of each object that has been handed on."""
        self.due: set[Ref] = set()
        """What is to be looked after: to be read, or not wanted any more."""
        self.unavailable: set[Ref] = set()
        """What is wanted and there, and cannot be handed on."""
        self.changed = asyncio.Event()

    def want(self, refs: frozenset[Ref]) -> frozenset[Ref]:
        """Take which objects are wanted from now on.

        Returns:
            Those of them that are there and can be read: they are or soon will be handed on.
        """
        if refs != self.wanted:
            changed = refs ^ self.wanted
            self.wanted = refs
            self.look_after(changed)
        known = self.reflector.mirror.known
        return frozenset(ref for ref in refs if ref in known and ref not in self.unavailable)

    def look_after(self, refs: Iterable[Ref]) -> None:
        """Have these objects read, or dropped, if need be."""
        self.due.update(refs)
        if self.due:
            self.changed.set()

    def outdated(self, ref: Ref) -> bool:
        """Whether an object is to be read: it is wanted, is there, and is not what was handed on."""
        version = self.reflector.mirror.known.get(ref)
        return version is not None and ref in self.wanted and self.held.get(ref) != version.resource_version

    async def batches(self) -> AsyncGenerator[Batch, None]:
        """Yield which of the objects that were handed on are gone."""
        async with aclosing(self.reflector.batches()) as reflected:
            async for changes, synced in reflected:
                gone = [ref for ref, raw in changes if raw is None and self.held.pop(ref, "")]
                self.look_after(ref for ref, _ in changes if ref in self.wanted)
                yield Batch((*(Edit(ref, None) for ref in gone), *self.reflector.news()), synced)


class Fetching:
    """Reads what is wanted of a kind, when it is there, and again when it has changed."""

    def __init__(self, kind: OnDemand, client: Client, observer: Observer, troubles: Troubles) -> None:
        self._kind = kind
        self._client = client
        self._observer = observer
        self._troubles = troubles
        self._pauses: dict[Ref, Backoff] = {}
        self._denials: dict[Ref, str] = {}
        self._told_denials: dict[Ref, str] = {}

    async def batches(self) -> AsyncGenerator[Batch, None]:
        """Yield what is wanted as it is read, and that there is nothing of it any more when it is not wanted."""
        kind = self._kind
        yield Batch((), synced=True)  # What is wanted is not known before all the rest is.
        while True:
            await kind.changed.wait()
            due = [kind.due.pop() for _ in range(min(AT_ONCE, len(kind.due)))]
            if not kind.due:
                kind.changed.clear()
            for ref in due:
                if ref not in kind.wanted or ref not in kind.reflector.mirror.known:
                    self._end(ref)
            edits = [Edit(ref, None) for ref in due if ref not in kind.wanted and kind.held.pop(ref, "")]
            async with asyncio.TaskGroup() as group:
                reads = [group.create_task(self._read(ref)) for ref in due if kind.outdated(ref)]
            # Meanwhile an object may have gone, or not be wanted any more: only what is so now is told.
            edits += [edit for read in reads if (edit := self._told(*read.result()))]
            edits += [edit for ref in due if (edit := self._news(ref))]
            if edits:
                yield Batch(tuple(edits))

    def _news(self, ref: Ref) -> Edit | None:
        """Tell that an object may not be read, so that it is not taken for absent; or that this is over."""
        denial = self._denials.get(ref, "")
        if denial == self._told_denials.get(ref, ""):
            return None
        self._told_denials[ref] = denial
        if not denial:
            del self._told_denials[ref]
        return unread(ref.kind, f"{ref.namespace}/{ref.name}", denial)

    async def _read(self, ref: Ref) -> tuple[Ref, dict[str, object] | None]:
        reflector = self._kind.reflector
        assert reflector.version
        try:
            raw = await self._client.get(paths.item(reflector.model, reflector.version, ref))
        except ClusterError as error:
            self._fail(ref, error)
            return ref, None
        self._observer.fetched(ref.kind)
        return ref, raw

    def _told(self, ref: Ref, raw: dict[str, object] | None) -> Edit | None:
        kind, version = self._kind, self._kind.reflector.version
        if raw is None or version is None or not kind.outdated(ref):
            return None
        match raw:
            case {"metadata": {"resourceVersion": str(resource_version)}}:
                kind.held[ref] = resource_version
        self._end(ref)
        edit = parsed(ref, raw, kind.reflector.model, version, self._troubles)
        if isinstance(edit.object, Refused):
            kind.unavailable.add(ref)
        return edit

    def _fail(self, ref: Ref, error: ClusterError) -> None:
        """It is tried again after a while; until then it is as if it were not there."""
        self._observer.failed(ref.kind, str(error.status if isinstance(error, ApiError) else type(error).__name__))
        self._kind.unavailable.add(ref)
        pause = self._pauses.setdefault(ref, Backoff(most=10.0)).next()
        asyncio.get_running_loop().call_later(pause, self._kind.look_after, (ref,))
        resource = paths.resource(self._kind.reflector.model)
        message = f"cannot be read, and is tried again: {error}"
        if isinstance(error, ApiError) and error.status == 403:
            message = self._denials[ref] = denied("get", f"{resource} in the namespace {ref.namespace}", error)
        if not (isinstance(error, ApiError) and error.status == 404):
            self._troubles.put(("read", ref), Diagnostic(Place(resource), message, ref=ref))

    def _end(self, ref: Ref) -> None:
        """Forget what was wrong with reading it."""
        self._kind.unavailable.discard(ref)
        self._denials.pop(ref, None)
        if self._pauses.pop(ref, None):
            self._troubles.put(("read", ref), None)
