"""An informer: the objects of a kind as a source for a `SourceMux`, parsed."""

import asyncio
from collections.abc import AsyncGenerator, Collection
from contextlib import aclosing
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

AT_ONCE: Final = 100
"""So many objects are parsed before others get a turn: some milliseconds."""


class ObservedObject(NamedTuple):
    """An object as the API server was last heard to have it, as far as whoever writes its status must know.

    Attributes:
        uid: which object of that name.
        resource_version: which state of it.
        generation: of its spec; None for kinds that count none.
        raw_status: its `status` as JSON; `null` if it has none.
        written: whether some of its status is as we wrote it.
    """

    uid: str
    resource_version: str
    generation: int | None
    raw_status: bytes
    written: bool

    @property
    def status(self) -> Any:
        """Its `status`, decoded anew: others' entries included, nothing normalised."""
        return orjson.loads(self.raw_status)


class Informer:
    """The objects of one kind.

    An object that cannot be parsed, which the API server's own validation should rule out, keeps its last good version.

    Args:
        reflector: of that kind.
        diagnostics: is told which objects are not valid.
        manager: the field manager who writes the objects' statuses, which are remembered for `observed`; None if
            nobody does.
    """

    def __init__(self, reflector: Reflector, diagnostics: DiagnosticSet, manager: str | None = None) -> None:
        self.reflector = reflector
        self._diagnostics = diagnostics
        self._manager = manager
        self._observed: dict[Ref, ObservedObject] = {}

    def observed(self, ref: Ref) -> ObservedObject | None:
        """Return what is remembered of an object; None if it is not there, or its status is not remembered.

        All of it is of one moment. The reflector may know a later version already, of a change that waits to be parsed.
        """
        return self._observed.get(ref)

    @property
    def refs(self) -> Collection[Ref]:
        """The objects whose status is remembered."""
        return self._observed.keys()

    async def batches(self) -> AsyncGenerator[Batch, None]:
        """Yield the objects, and then what changes."""
        async with aclosing(self.reflector.batches()) as reflected:
            async for changes, synced in reflected:
                waiting = iter(changes)
                while some := list(islice(waiting, AT_ONCE)):
                    yield Batch(tuple(map(self._edit, some)))
                    await asyncio.sleep(0)
                if synced:
                    yield Batch(self.reflector.sync_edits(), synced)

    def _edit(self, change: ObjectChange) -> Edit:
        ref, raw = change
        self._observed.pop(ref, None)
        if raw is not None and self._manager is not None:
            self._observed[ref] = _observe(raw, self._manager)
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
    )


def _compact(value: object) -> bytes:
    """Return a value as JSON that is to be kept: what orjson gives has 4 KB, however little of it is used."""
    return bytes(memoryview(orjson.dumps(value)))


def parsed(
    ref: Ref, raw: dict[str, Any], model: type[KubernetesObject], version: str, diagnostics: DiagnosticSet
) -> Edit:
    """Parse an object as the API server sent it; `Invalid` if it is not valid, which `diagnostics` is told.

    Args:
        ref: of the object.
        raw: its fields. In lists of built-in kinds, objects do not say what they are: it is added.
        model: its kind.
        version: the version in which it was asked for.
        diagnostics: is told what is wrong with it, or that nothing is.
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
