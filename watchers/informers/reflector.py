"""A reflector, which lists and watches one kind of objects: the I/O around a `ListWatch`."""

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
"""The shortest and longest duration of a watch; random, so that those of many replicas do not end together."""
LASTING_SECONDS: Final = 5.0
"""Seconds after which a watch that ends without an event counts as successful: another is started at once."""
LIST_SECONDS: Final = 2 * SECONDS
LONGEST_PAUSE: Final = 10.0
MAX_DENIALS: Final = 9
"""Consecutive denials, within half a minute, that are believed even if the API server does not report to be ready."""
REPORTED_DENIALS: Final = 4
"""Consecutive denials after which they are reported."""


class _Stage(IntEnum):
    """The stage of a request: a success at one stage proves that all earlier ones work."""

    LIST = 0
    OPEN_WATCH = 1
    WATCH = 2


class Reflected(NamedTuple):
    """Changes that arrived together, and whether the first list is complete."""

    changes: list[ObjectChange]
    synced: bool


class Scope(NamedTuple):
    """The selection of objects of a kind.

    Attributes:
        namespace: their namespace; "" for all.
        labels: a label selector in the API server's syntax; "" for all.
        metadata: whether only their metadata is read.
    """

    namespace: str = ""
    labels: str = ""
    metadata: bool = False


class Reflector:
    """Follows the objects of one kind.

    A failed list is repeated with back-off. A kind that the API server does not serve has no objects. If the list is
    denied, the known objects stay; if it has never been complete, `sync_edits` reports the kind as not synced.

    Args:
        client: the client of the API server.
        model: the kind.
        scope: the selection of its objects.
        namespaces: the selected namespaces; None for all.
        observer: observes lists, watches and errors.
        diagnostics: gets a diagnostic while the kind cannot be listed or watched.
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
        """The version of the API in which the kind was last served; None if it never was, or is not installed."""
        self.not_installed = False
        """Whether the API server does not serve the kind."""
        self._forbidden_reason = ""
        self._reported = ""
        self._client = client
        self._namespaces = namespaces
        self._selected_names: frozenset[str] | None = None
        self._observer = observer or InformerObserver()
        self._diagnostics = diagnostics or DiagnosticSet()
        self._backoff = Backoff(most=LONGEST_PAUSE)
        self._failures = 0
        self._denials = 0
        self._stage = _Stage.LIST
        self._verb = "list"
        self._failing = _Stage.LIST
        self._stream: ResponseStream | None = None
        if namespaces:
            namespaces.followers.append(self)

    async def batches(self) -> AsyncGenerator[Reflected, None]:
        """Yield the existing objects, and then their changes; endless.

        Each list of changes is cleared before the next one is yielded.
        """
        yielded = (False, "")
        while True:
            async with aclosing(self._step()) as turn:
                async for changes in turn:
                    now = (self.list_watch.synced, self.not_synced_reason)
                    if changes or now != yielded:
                        yielded = now
                        yield Reflected(changes, self.list_watch.synced)
                        changes.clear()  # Otherwise a decoded page stays in memory until the next event.
                    if self._mark_synced():
                        yield Reflected([], self.list_watch.synced)

    def sync_edits(self) -> tuple[Edit, ...]:
        """Return the edit that reports the kind as not synced, or as synced again, if that has changed."""
        if self._reported == self.not_synced_reason:
            return ()
        self._reported = self.not_synced_reason
        return (not_synced(self.model.kind, self.scope.namespace, self.not_synced_reason),)

    @property
    def not_synced_reason(self) -> str:
        """The reason why the objects cannot be listed; "" if they were listed, or may be soon."""
        return "" if self.list_watch.was_listed else self._forbidden_reason

    def is_absent(self, ref: Ref) -> bool:
        """Return whether an object is known not to exist in the selected namespaces."""
        selected = self._namespaces is None or self._namespaces.names is self._selected_names
        return selected and self.list_watch.is_absent(ref)

    async def _step(self) -> AsyncGenerator[list[ObjectChange], None]:
        """Send the next request to the API server, and yield the changes in its response."""
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
            request = self.list_watch.next()
            # The first page of a list does not prove that the list can be continued.
            self._stage = _Stage.LIST if isinstance(request, ListPage) and not request.token else _Stage.OPEN_WATCH
            self._verb = "list" if isinstance(request, ListPage) else "watch"
            if isinstance(request, ListPage):
                yield await self._list(request)
            else:
                async with aclosing(self._watch(request)) as watched:
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
            believed = error.status not in (403, 404) or self._denials >= MAX_DENIALS
            if believed or not await self._client.ready():
                raise
            # While it starts, an API server denies existing rights and kinds: believe it once it is ready.
            self._denials = MAX_DENIALS
            body = await self._get(namespace, query)
        changes = self.list_watch.page(body)
        self._observer.listed(self.model.kind, len(body["items"] or ()), asyncio.get_running_loop().time() - begun)
        self._succeeded(self._stage)
        return changes

    async def _is_served(self) -> bool:
        """Return whether discovery lists the kind; False if discovery is denied, so that the 404 counts."""
        try:
            return await is_served(self._client, self.model)
        except ApiError as error:
            if error.status == 403:
                return False
            raise

    async def _get(self, namespace: str, query: dict[str, str | int]) -> Any:
        """Get a list in the last served version of the API or, if it is no longer served, in the first one that is."""
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
                # The namespaces may have changed before there was a stream to end.
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
        """Return the changes of events that arrived together, up to the first error, and the error."""
        changes = []
        try:
            for line in lines:
                if change := self.list_watch.event(_decoded(line)):
                    changes.append(change)  # noqa: PERF401 (changes before an error count)
        except ClusterError as error:
            return changes, error
        finally:
            self._observer.events(self.model.kind, len(lines))
        return changes, None

    def _failed(self, error: ClusterError) -> list[ObjectChange]:
        """Process an error: update the state, report it, and return the changes that follow."""
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
            self._denials += 1
            if self._denials >= MAX_DENIALS:
                return self._unavailable(error)
        else:
            self._denials = 0
        if isinstance(error, TooLarge):
            self.list_watch.too_large()
        elif not isinstance(error, Unreachable):
            self.list_watch.failed()
        return self._report_failure(error)

    def _report_failure(self, error: ClusterError) -> list[ObjectChange]:
        # A single error is normal: servers restart, connections are closed, versions are compacted.
        if self._failures > 1 and not 0 < self._denials < REPORTED_DENIALS:
            self._report(_diagnostic(self._verb, self._name, error, self._unsynced_namespaces))
        return []

    def _unavailable(self, error: ClusterError) -> list[ObjectChange]:
        assert isinstance(error, ApiError)
        self.not_installed = error.status == 404
        if self.not_installed:
            self.version = None  # once it is installed again, any version may be served
            self._observer.not_installed(self.model.kind)
            self._report(None)
            return self.list_watch.not_installed()
        self._forbidden_reason = forbidden("list", self._name, error)
        self._report(_diagnostic("list", self._name, error, self._unsynced_namespaces))
        self.list_watch.forbidden()
        return []

    def _succeeded(self, stage: _Stage) -> None:
        """Process the success of a stage, which resolves its diagnostic."""
        self.not_installed = False
        self._denials = 0
        if stage >= self._failing:
            self._failures = 0
            self._report(None)
            if stage is not _Stage.OPEN_WATCH:  # an opened watch must last to count as successful
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
        """The namespaces that were selected and not listed yet, after the first list."""
        return sorted(self.list_watch.unlisted) if self.list_watch.was_listed else []

    def _labels(self) -> dict[str, str | int]:
        return {"labelSelector": self.scope.labels} if self.scope.labels else {}

    def reselect(self) -> None:
        """End the watch, as other namespaces are selected."""
        if self._stream:
            self._stream.cut()
        if self.not_installed or self.not_synced_reason:
            self._mark_synced()  # The next request may be far off.

    def _mark_synced(self) -> bool:
        """Mark the namespaces as synced whose changes were all yielded; return whether it was the last for one."""
        if self._namespaces is None or not self._namespaces.unsynced:
            return False
        if self.not_installed or self.not_synced_reason:  # There are no objects to wait for.
            return self._namespaces.mark_synced(self)
        return self._namespaces.names is self._selected_names and self._namespaces.mark_synced(
            self, self.list_watch.unlisted
        )


def _decoded(line: bytes) -> Any:
    try:
        return orjson.loads(line)
    except orjson.JSONDecodeError as error:
        raise Malformed(f"An event is not JSON ({error}), unlike those of an API server") from None


def _diagnostic(verb: str, resource: str, error: ClusterError, waiting: list[str]) -> Diagnostic:
    """Return the diagnostic of an error: of the API server or a kind, with the namespaces that wait for it."""
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
