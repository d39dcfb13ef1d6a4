"""On-demand informers, for kinds with many objects, few of which are used, such as Secrets: only those are read.

Only the metadata of all others is watched. The evaluation of the objects that refer to them shows which are referenced:
after each evaluation, the caller passes them to `set_referenced`.
"""

import asyncio
from collections.abc import AsyncGenerator, Callable, Iterable, Iterator
from contextlib import aclosing
from typing import Final

import structlog

from translator.inputs import Edit
from translator.objects.kubernetes.core import Secret, SecretMetadata
from translator.objects.schema.base import KubernetesObject
from translator.refs import Ref
from watchers.controllers.worker_pool import WorkerPool
from watchers.diagnostics import Diagnostic, DiagnosticSet, Place
from watchers.informers.informer import parsed
from watchers.informers.list_watch import ObjectChange
from watchers.informers.observer import InformerObserver
from watchers.informers.reflector import Reflector
from watchers.kubernetes import paths
from watchers.kubernetes.backoff import Backoff
from watchers.kubernetes.client import ApiClient
from watchers.kubernetes.errors import ApiError, ClusterError, Malformed, forbidden
from watchers.sources import Batch

log = structlog.stdlib.get_logger("headgate.cluster")

AT_ONCE: Final = 16
"""Objects read concurrently."""
LONGEST_PAUSE: Final = 10.0
"""The longest pause before another attempt to read an object, in seconds."""


class OnDemandInformer:
    """The referenced objects of one kind.

    It consists of two sources: this one follows the metadata of all objects, and `Fetcher` reads the referenced ones.
    The labels of all Secrets are reported, since they may be selected by these.

    Args:
        reflector: the reflector of the kind's metadata.
    """

    def __init__(self, reflector: Reflector) -> None:
        self.reflector = reflector
        self.referenced: frozenset[Ref] = frozenset()
        self.delivered: dict[Ref, str] = {}
        """The resource version of each object that was yielded."""
        self.enqueue: Callable[[Iterable[Ref]], None] = lambda _: None
        """Schedules objects to be read or removed, if necessary."""

    def set_referenced(self, refs: frozenset[Ref]) -> frozenset[Ref]:
        """Set the referenced objects.

        Returns:
            Those that are known not to exist. The others have been yielded, or will be.
        """
        if refs != self.referenced:
            changed = refs ^ self.referenced
            self.referenced = refs
            self.enqueue(changed)
        return frozenset(filter(self.reflector.is_absent, refs))

    def is_stale(self, ref: Ref) -> bool:
        """Return whether an object must be read: it is referenced, exists, and was not yielded in this version."""
        version = self.reflector.list_watch.known.get(ref)
        return version is not None and ref in self.referenced and self.delivered.get(ref) != version.resource_version

    async def batches(self) -> AsyncGenerator[Batch, None]:
        """Yield the deletion of objects that were yielded before, and the metadata of Secrets."""
        async with aclosing(self.reflector.batches()) as reflected:
            async for changes, synced in reflected:
                deleted = [ref for ref, raw in changes if raw is None and self.delivered.pop(ref, "")]
                self.enqueue(ref for ref, _ in changes if ref in self.referenced)
                labelled = metadata_edits(self.reflector.model, changes)
                yield Batch((*(Edit(ref, None) for ref in deleted), *labelled, *self.reflector.sync_edits()), synced)


def metadata_edits(model: type[KubernetesObject], changes: Iterable[ObjectChange]) -> Iterator[Edit]:
    """Yield the metadata of Secrets that have labels, of which policies select some; of others that there is none."""
    if model is not Secret:
        return
    for ref, raw in changes:
        labels = (raw or {}).get("metadata", {}).get("labels")
        metadata = {"name": ref.name, "namespace": ref.namespace, "labels": labels}
        found = SecretMetadata.model_validate({"metadata": metadata}) if labels else None
        yield Edit(ref._replace(kind=SecretMetadata.kind), found)


class Fetcher:
    """Reads the referenced objects of a kind one by one, each again after a change."""

    def __init__(
        self, kind: OnDemandInformer, client: ApiClient, observer: InformerObserver, diagnostics: DiagnosticSet
    ) -> None:
        self._kind = kind
        self._client = client
        self._observer = observer
        self._diagnostics = diagnostics
        self._pauses: dict[Ref, Backoff] = {}
        self._workers = WorkerPool(AT_ONCE, self._reconcile, _log_panic)
        self._edits: list[Edit] = []
        self._changed = asyncio.Event()
        kind.enqueue = self._workers.enqueue

    async def batches(self) -> AsyncGenerator[Batch, None]:
        """Yield each referenced object once it is read, and its removal once it is not referenced any more."""
        yield Batch((), synced=True)  # The referenced objects are known only after an evaluation.
        working = asyncio.ensure_future(self._work())
        try:
            while True:
                await self._changed.wait()
                self._changed.clear()
                edits, self._edits = self._edits, []
                yield Batch(tuple(edits))
        finally:
            working.cancel()
            await asyncio.wait({working})

    async def _work(self) -> None:
        await self._workers.run(self._kind.referenced)

    async def _reconcile(self, ref: Ref) -> float | None:
        """Read or remove an object; return the seconds until another attempt, None if there is no need for one."""
        kind, reflector = self._kind, self._kind.reflector
        if ref not in kind.referenced or ref not in reflector.list_watch.known:
            self._resolve(ref)
        if ref not in kind.referenced and kind.delivered.pop(ref, ""):
            self._emit(Edit(ref, None))
        if not kind.is_stale(ref) or reflector.version is None:
            return None
        try:
            raw = await self._client.get(paths.item(reflector.model, reflector.version, ref))
        except ClusterError as error:
            return self._failed(ref, error)
        self._observer.fetched(ref.kind)
        # It may have been deleted or become unreferenced meanwhile.
        if not kind.is_stale(ref):
            return None
        match raw:
            case {"metadata": {"resourceVersion": str(version)}}:
                kind.delivered[ref] = version
                self._resolve(ref)
                self._emit(parsed(ref, raw, reflector.model, reflector.version, self._diagnostics))
                return None
        return self._failed(ref, Malformed("An object has no resourceVersion, unlike all objects of an API server"))

    def _emit(self, edit: Edit) -> None:
        self._edits.append(edit)
        self._changed.set()

    def _failed(self, ref: Ref, error: ClusterError) -> float:
        """Report an error; return the seconds until another attempt. Until then, its last version stays in use."""
        self._observer.failed(ref.kind, str(error.status if isinstance(error, ApiError) else type(error).__name__))
        resource = paths.resource(self._kind.reflector.model)
        message = f"cannot be read, and is tried again: {error}"
        if isinstance(error, ApiError) and error.status == 403:
            message = forbidden("get", f"{resource} in the namespace {ref.namespace}", error)
        if not (isinstance(error, ApiError) and error.status == 404):
            self._diagnostics.put(("read", ref), Diagnostic(Place(resource), message, ref=ref))
        return self._pauses.setdefault(ref, Backoff(most=LONGEST_PAUSE)).next()

    def _resolve(self, ref: Ref) -> None:
        """Resolve the diagnostic about the reading of an object."""
        if self._pauses.pop(ref, None):
            self._diagnostics.put(("read", ref), None)


def _log_panic(ref: Ref) -> None:
    log.exception("A bug in Headgate, please report it: an object is not read", ref=str(ref))
