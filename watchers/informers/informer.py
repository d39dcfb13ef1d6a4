"""An informer: the parsed objects of a kind as a source for a `SourceMux`."""

import asyncio
from collections.abc import AsyncGenerator, Callable, Collection, Iterable
from contextlib import aclosing
from functools import lru_cache
from hashlib import blake2b
from itertools import islice
from typing import Any, Final, NamedTuple

import orjson

from translator.inputs import Edit, Invalid
from translator.objects.partial import partial_object
from translator.objects.schema.base import KubernetesObject
from translator.refs import Ref
from translator.registry import KINDS
from watchers.diagnostics import Diagnostic, DiagnosticSet, Place
from watchers.informers.list_watch import ObjectChange
from watchers.informers.observed_status import wrote
from watchers.informers.reflector import Reflector
from watchers.kubernetes import paths
from watchers.sources import Batch

VOLATILE: Final = frozenset({"managedFields", "resourceVersion"})
"""The fields of `metadata` that every write changes; nothing is derived from them."""
AT_ONCE: Final = 100
"""Objects parsed before other tasks run: some milliseconds."""


class ObservedObject(NamedTuple):
    """The last observed state of an object, as far as the writer of its status needs it.

    Attributes:
        uid: its `metadata.uid`.
        resource_version: its `metadata.resourceVersion`.
        generation: its `metadata.generation`; None for kinds without one.
        raw_status: its `status` as JSON; `null` if it has none.
        written: whether our field manager wrote some of its status.
        content: a digest of the rest: all that is parsed.
    """

    uid: str
    resource_version: str
    generation: int | None
    raw_status: bytes
    written: bool
    content: bytes

    @property
    def status(self) -> Any:
        """Its `status`, decoded at each call, including other controllers' entries, not normalised."""
        return orjson.loads(self.raw_status)


class Informer:
    """The objects of one kind.

    Of an object that is not valid, which the API server's own validation should rule out, the last valid version stays
    in use. Where statuses are stored, an object of which only the status has changed is not parsed, and yields no edit.

    Args:
        reflector: the reflector of the kind.
        diagnostics: gets a diagnostic for each object that is not valid.
        manager: the field manager that writes the objects' statuses, which are stored for `observed`; None if they are
            not written.
        on_status: called with the objects of which only the status has changed.
    """

    def __init__(
        self,
        reflector: Reflector,
        diagnostics: DiagnosticSet,
        manager: str | None = None,
        on_status: Callable[[Iterable[Ref]], None] = lambda _: None,
    ) -> None:
        self.reflector = reflector
        self._on_status = on_status
        self._diagnostics = diagnostics
        self._manager = manager
        self._observed: dict[Ref, ObservedObject] = {}

    def observed(self, ref: Ref) -> ObservedObject | None:
        """Return the observed state of an object; None if it does not exist, or its status is not stored.

        The state is consistent. The reflector may already know a later version, which is not parsed yet.
        """
        return self._observed.get(ref)

    @property
    def refs(self) -> Collection[Ref]:
        """The objects whose status is stored."""
        return self._observed.keys()

    async def batches(self) -> AsyncGenerator[Batch, None]:
        """Yield the objects, and then their changes."""
        async with aclosing(self.reflector.batches()) as reflected:
            async for changes, synced in reflected:
                waiting = iter(changes)
                while some := list(islice(waiting, AT_ONCE)):
                    if edits := tuple(filter(None, map(self._edit, some))):
                        yield Batch(edits)
                    await asyncio.sleep(0)
                if synced:
                    yield Batch(self.reflector.sync_edits(), synced)

    def _edit(self, change: ObjectChange) -> Edit | None:
        """Return the edit of a change; None if only the status has changed."""
        ref, raw = change
        before = self._observed.pop(ref, None)
        if raw is not None and self._manager is not None:
            observed = self._observed[ref] = _observe(raw, self._manager)
            if before is not None and before.content == observed.content:
                self._on_status((ref,))
                return None
        if raw is None:
            self._diagnostics.put(ref, None)
            return Edit(ref, None)
        assert self.reflector.version
        return parsed(ref, raw, self.reflector.model, self.reflector.version, self._diagnostics)


def _observe(raw: dict[str, Any], manager: str) -> ObservedObject:
    metadata = raw["metadata"]
    return ObservedObject(
        str(metadata.get("uid")),
        metadata["resourceVersion"],
        metadata.get("generation"),
        _compact(raw.get("status")),
        wrote(metadata, manager),
        _content(raw),
    )


def _content(raw: dict[str, Any]) -> bytes:
    """Return a digest of an object without its status, and without what each write of that changes."""
    metadata = {key: value for key, value in raw["metadata"].items() if key not in VOLATILE}
    content = {key: value for key, value in raw.items() if key != "status"} | {"metadata": metadata}
    return blake2b(orjson.dumps(content), digest_size=16).digest()


def _compact(value: object) -> bytes:
    """Return a value as JSON in a minimal buffer, for storage: orjson's own result takes 4 KB at least."""
    return _shared(bytes(memoryview(orjson.dumps(value))))


@lru_cache(maxsize=256)
def _shared(status: bytes) -> bytes:
    """Return the same bytes for equal ones of late: many statuses that were written in one second are equal."""
    return status


def parsed(
    ref: Ref, raw: dict[str, Any], model: type[KubernetesObject], version: str, diagnostics: DiagnosticSet
) -> Edit:
    """Parse an object from the API server; return its edit, `Invalid` if it is not valid.

    Args:
        ref: the object.
        raw: its fields. The items of lists of built-in kinds lack `apiVersion` and `kind`, which are added.
        model: its kind.
        version: the requested version of the API.
        diagnostics: gets a diagnostic if the object is not valid, and loses it otherwise.
    """
    raw["apiVersion"], raw["kind"] = paths.api_version(model, version), model.kind
    found, problems = (result := KINDS.parse(raw)).object, result.problems
    if found is not None:
        diagnostics.put(ref, None)
        return Edit(ref, found)
    errors = "; ".join(str(each) for each in problems if each.severity == "error")
    message = f"is not as Headgate knows this kind, so its last good version, if there is one, stays in use: {errors}"
    diagnostics.put(ref, Diagnostic(Place(paths.resource(model)), message, ref=ref))
    return Edit(ref, Invalid(errors, partial_object(raw)))
