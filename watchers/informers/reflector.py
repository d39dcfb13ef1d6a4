"""One kind of objects, listed and then watched, for as long as it takes: the I/O around a `ListWatch`."""

import asyncio
import random
from collections.abc import AsyncGenerator
from contextlib import aclosing
from enum import IntEnum
from typing import Any, Final, NamedTuple

import orjson

from translator.inputs import Edit, not_synced
from translator.objects.schema.base import KubernetesObject
from translator.refs import Ref
from watchers.diagnostics import Diagnostic, DiagnosticSet, Place
from watchers.informers.list_watch import ListPage, ListWatch, ObjectChange, Watch
from watchers.informers.namespace_set import NamespaceSet
from watchers.informers.observer import InformerObserver
from watchers.kubernetes import paths
from watchers.kubernetes.backoff import Backoff
from watchers.kubernetes.client import JSON, SECONDS, ApiClient, ResponseStream
from watchers.kubernetes.discovery import is_served
from watchers.kubernetes.errors import ApiError, ClusterError, Malformed, TooLarge, Unreachable, forbidden

METADATA: Final = f"{JSON};as=PartialObjectMetadata;v=v1;g=meta.k8s.io"
METADATA_LIST: Final = f"{JSON};as=PartialObjectMetadataList;v=v1;g=meta.k8s.io"

WATCH_SECONDS: Final = (240, 480)
"""How long a watch may last: some time between, so that those of many replicas do not end together."""
LASTING_SECONDS: Final = 5.0
"""A watch that lasted so long and brought nothing was a good one; another is begun at once."""
LIST_SECONDS: Final = 2 * SECONDS
LONGEST_PAUSE: Final = 10.0
MAX_REJECTIONS: Final = 9
"""So many denials in a row, in half a minute, are believed even if the API server does not say that it is ready."""
REPORTED_REJECTIONS: Final = 4
"""So many are told."""


class _Stage(IntEnum):
    """How far it goes, or went: what works proves that all before it does."""

    LIST = 0
    OPEN_WATCH = 1
    WATCH = 2


class Reflected(NamedTuple):
    """Changes that came together, and whether all that was there at the start has been told."""

    changes: list[ObjectChange]
    synced: bool


class Scope(NamedTuple):
    """Which objects of a kind.

    Attributes:
        namespace: those of one namespace; "" for all.
        labels: a label selector, as the API server takes it; "" for all.
        metadata: whether only their metadata are asked for.
    """

    namespace: str = ""
    labels: str = ""
    metadata: bool = False


class Reflector:
    """Follows the objects of one kind.

    What cannot be listed now is asked for again and again, with pauses: a kind that the API server does not have
    counts as having no objects until then. Of one that may not be listed, what is known stays; if it never could be,
    `sync_edits` says so.

    Args:
        client: for the API server.
        model: the kind.
        scope: which of its objects.
        namespaces: the namespaces whose objects count, if not all do.
        observer: is told what happens.
        diagnostics: is told what is wrong.
    """

    def __init__(
        self,
        client: ApiClient,
        model: type[KubernetesObject],
        scope: Scope | None = None,
        namespaces: NamespaceSet | None = None,
        observer: InformerObserver | None = None,
        diagnostics: DiagnosticSet | None = None,
    ) -> None:
        self.model = model
        self.scope = scope or Scope()
        self.list_watch = ListWatch(model.kind, selective=namespaces is not None)
        self.version: str | None = None
        """The version of the API in which the kind was served last, None if it never was or the kind is missing."""
        self.not_installed = False
        """Whether the API server has no such kind."""
        self._forbidden_reason = ""
        self._reported = ""
        self._client = client
        self._namespaces = namespaces
        self._selected_names: frozenset[str] | None = None
        self._observer = observer or InformerObserver()
        self._diagnostics = diagnostics or DiagnosticSet()
        self._backoff = Backoff(most=LONGEST_PAUSE)
        self._failures = 0
        self._rejections = 0
        self._stage = _Stage.LIST
        self._verb = "list"
        self._failing = _Stage.LIST
        self._stream: ResponseStream | None = None
        if namespaces:
            namespaces.followers.append(self)

    async def batches(self) -> AsyncGenerator[Reflected, None]:
        """Yield what changes, beginning with what is there; never ends by itself.

        The list of changes is empty again once the next one is asked for.
        """
        told = (False, "")
        while True:
            async with aclosing(self._step()) as turn:
                async for changes in turn:
                    now = (self.list_watch.synced, self.not_synced_reason)
                    if changes or now != told:
                        told = now
                        yield Reflected(changes, self.list_watch.synced)
                        changes.clear()  # Else a page, decoded, is kept for as long as nothing happens.
                    if self._mark_synced():
                        yield Reflected([], self.list_watch.synced)

    def sync_edits(self) -> tuple[Edit, ...]:
        """Tell that the objects may not be listed and never could be, or that they are known now; each time once."""
        if self._reported == self.not_synced_reason:
            return ()
        self._reported = self.not_synced_reason
        return (not_synced(self.model.kind, self.scope.namespace, self.not_synced_reason),)

    @property
    def not_synced_reason(self) -> str:
        """Why it is not known what objects there are; "" if it is, or if that may be only a matter of time."""
        return "" if self.list_watch.was_listed else self._forbidden_reason

    def is_absent(self, ref: Ref) -> bool:
        """Tell whether an object is not there, or none that counts, for sure."""
        selected = self._namespaces is None or self._namespaces.names is self._selected_names
        return selected and self.list_watch.is_absent(ref)

    async def _step(self) -> AsyncGenerator[list[ObjectChange], None]:
        """Ask the API server for one thing, and take what comes of it."""
        if self._namespaces:
            await self._namespaces.observed()
            if not self._namespaces.known.is_set():
                self._forbidden_reason = self._namespaces.not_synced_reason
                self.list_watch.forbidden()
                yield []
                await self._namespaces.known.wait()
            if self._selected_names is not self._namespaces.names:
                self._selected_names = self._namespaces.names
                yield self.list_watch.select(self._selected_names)
        try:
            asked = self.list_watch.next()
            # That a list begins does not prove that it can be continued.
            self._stage = _Stage.LIST if isinstance(asked, ListPage) and not asked.token else _Stage.OPEN_WATCH
            self._verb = "list" if isinstance(asked, ListPage) else "watch"
            if isinstance(asked, ListPage):
                yield await self._list(asked)
            else:
                async with aclosing(self._watch(asked)) as watched:
                    async for changes in watched:
                        yield changes
        except ClusterError as error:
            yield self._failed(error)
            await asyncio.sleep(self._backoff.next(error.retry_after if isinstance(error, ApiError) else 0))

    async def _list(self, page: ListPage) -> list[ObjectChange]:
        begun = asyncio.get_running_loop().time()
        query: dict[str, str | int] = {"limit": page.limit, **self._labels()}
        if page.token:
            query["continue"] = page.token
        namespace = page.namespace or self.scope.namespace
        try:
            body = await self._get(namespace, query)
        except ApiError as error:
            if error.status == 404 and await self._is_served():
                raise Malformed(f"{error}, though the API server says that it serves {self._name}") from None
            believed = error.status not in (403, 404) or self._rejections >= MAX_REJECTIONS
            if believed or not await self._client.ready():
                raise
            # While it starts, an API server denies rights and kinds that it has: what it says from now on is believed.
            self._rejections = MAX_REJECTIONS
            body = await self._get(namespace, query)
        changes = self.list_watch.page(body)
        self._observer.listed(self.model.kind, len(body["items"] or ()), asyncio.get_running_loop().time() - begun)
        self._succeeded(self._stage)
        return changes

    async def _is_served(self) -> bool:
        """Whether the kind is there by the API server's own account; who may not ask for that goes by the 404."""
        try:
            return await is_served(self._client, self.model)
        except ApiError as error:
            if error.status == 403:
                return False
            raise

    async def _get(self, namespace: str, query: dict[str, str | int]) -> Any:
        """Get a list in the version in which the kind was served last; if it is no more, in the first one that is."""
        accept = METADATA_LIST if self.scope.metadata else JSON
        unserved: ApiError | None = None
        for version in dict.fromkeys(filter(None, (self.version, *self.model.versions))):
            path = paths.collection(self.model, version, namespace)
            try:
                body = await self._client.get(path, query=query, accept=accept, seconds=LIST_SECONDS)
            except ApiError as error:
                if error.status != 404:
                    raise
                unserved = error
            else:
                self.version = version
                return body
        assert unserved is not None, "a kind has a version"
        raise unserved

    async def _watch(self, watch: Watch) -> AsyncGenerator[list[ObjectChange], None]:
        assert self.version
        loop = asyncio.get_running_loop()
        begun = loop.time()
        query = {"resourceVersion": watch.resource_version, "allowWatchBookmarks": "true", **self._labels()}
        path = paths.collection(self.model, self.version, self.scope.namespace)
        accept = METADATA if self.scope.metadata else JSON
        async with self._client.watch(path, query, accept, random.uniform(*WATCH_SECONDS)) as stream:
            self._observer.watching(self.model.kind)
            self._succeeded(_Stage.OPEN_WATCH)
            self._stage = _Stage.WATCH
            self._stream = stream
            try:
                # The namespaces may have changed just before there was something to interrupt.
                if self._namespaces is None or self._namespaces.names is self._selected_names:
                    async for lines in stream.lines():
                        changes, error = self._fold(lines)
                        yield changes
                        if error is not None:
                            raise error
                        self._succeeded(_Stage.WATCH)
            finally:
                self._stream = None
        if loop.time() - begun >= LASTING_SECONDS:
            self._succeeded(_Stage.WATCH)
        elif self._namespaces is None or self._namespaces.names is self._selected_names:
            await asyncio.sleep(self._backoff.next())

    def _fold(self, lines: list[bytes]) -> tuple[list[ObjectChange], ClusterError | None]:
        """Take events that came together: what they change, up to the first that is none."""
        changes = []
        try:
            for line in lines:
                if change := self.list_watch.event(_decoded(line)):
                    changes.append(change)  # noqa: PERF401 (what came before an error counts)
        except ClusterError as error:
            return changes, error
        finally:
            self._observer.events(self.model.kind, len(lines))
        return changes, None

    def _failed(self, error: ClusterError) -> list[ObjectChange]:
        """Take that something failed: what it means for what is known, and whom to tell."""
        status = error.status if isinstance(error, ApiError) else 0
        if status == 410:
            self._observer.expired(self.model.kind)
            self.list_watch.expired()
        self._failing = self._stage
        self._failures += 1
        if status == 410:
            return self._report_failure(error)
        self._observer.failed(self.model.kind, str(status or type(error).__name__))
        if status in (403, 404) and self._stage is _Stage.LIST:
            self._rejections += 1
            if self._rejections >= MAX_REJECTIONS:
                return self._unavailable(error)
        else:
            self._rejections = 0
        if isinstance(error, TooLarge):
            self.list_watch.too_large()
        elif not isinstance(error, Unreachable):
            self.list_watch.failed()
        return self._report_failure(error)

    def _report_failure(self, error: ClusterError) -> list[ObjectChange]:
        # Once is no trouble: servers restart, connections are cut, versions are compacted.
        if self._failures > 1 and not 0 < self._rejections < REPORTED_REJECTIONS:
            self._report(_diagnostic(self._verb, self._name, error, self._unsynced_namespaces))
        return []

    def _unavailable(self, error: ClusterError) -> list[ObjectChange]:
        assert isinstance(error, ApiError)
        self.not_installed = error.status == 404
        if self.not_installed:
            self.version = None  # once it is defined again, the first version that is served then counts
            self._observer.not_installed(self.model.kind)
            self._report(None)
            return self.list_watch.not_installed()
        self._forbidden_reason = forbidden("list", self._name, error)
        self._report(_diagnostic("list", self._name, error, self._unsynced_namespaces))
        self.list_watch.forbidden()
        return []

    def _succeeded(self, stage: _Stage) -> None:
        """Take that something works, which ends what was wrong with it."""
        self.not_installed = False
        self._rejections = 0
        if stage >= self._failing:
            self._failures = 0
            self._report(None)
            if stage is not _Stage.OPEN_WATCH:  # which is cheap; a watch must last to be a good one
                self._backoff.reset()

    def _report(self, diagnostic: Diagnostic | None) -> None:
        self._diagnostics.put(self, diagnostic)

    @property
    def _name(self) -> str:
        namespace = self.scope.namespace
        where = f"in the namespace {namespace}" if namespace else "in the whole cluster"
        return f"{paths.resource(self.model)} {where}"

    @property
    def _unsynced_namespaces(self) -> list[str]:
        """The namespaces that were selected since the kind was listed."""
        return sorted(self.list_watch.unlisted) if self.list_watch.was_listed else []

    def _labels(self) -> dict[str, str | int]:
        return {"labelSelector": self.scope.labels} if self.scope.labels else {}

    def reselect(self) -> None:
        """Have the watch end: there are other namespaces to ask for."""
        if self._stream:
            self._stream.cut()
        if self.not_installed or self.not_synced_reason:
            self._mark_synced()  # It may not ask again for a while.

    def _mark_synced(self) -> bool:
        """Tell the selection which namespaces it has yielded in full; return whether it was the last for some."""
        if self._namespaces is None or not self._namespaces.unsynced:
            return False
        if self.not_installed or self.not_synced_reason:  # There is nothing to wait for.
            return self._namespaces.mark_synced(self)
        return self._namespaces.names is self._selected_names and self._namespaces.mark_synced(
            self, self.list_watch.unlisted
        )


def _decoded(line: bytes) -> Any:
    try:
        return orjson.loads(line)
    except orjson.JSONDecodeError as error:
        raise Malformed(f"An event is not JSON ({error}), as all that an API server sends is") from None


def _diagnostic(verb: str, resource: str, error: ClusterError, waiting: list[str]) -> Diagnostic:
    """Return what is wrong: with the API server as a whole, or with one kind, and which namespaces wait for it."""
    if isinstance(error, Unreachable):
        return Diagnostic(Place(error.url), str(error))
    if isinstance(error, ApiError) and error.status == 403:
        text = forbidden(verb, resource, error)
    else:
        text = f"cannot {verb} {resource}, and tries again: {error}"
    if waiting:
        text += f"; nothing of the namespace {', '.join(waiting[:3])} is used before that"
        text += f", nor of {len(waiting) - 3} more" if len(waiting) > 3 else ""
    return Diagnostic(Place(resource.split()[0]), text)
