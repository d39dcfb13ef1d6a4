"""Pods that are selected by their labels, for those who send them requests: no others are read.

The evaluation of the objects that select pods shows which selections there are: after each evaluation, the caller
passes them to `set_selections`. While there is none, nothing is watched.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable, Iterator
from contextlib import aclosing
from typing import Final

from translator.inputs import Edit
from translator.objects.kubernetes.workloads import MANAGED_BY, Pod, PodSelection
from translator.objects.schema.base import NamespacedMeta
from translator.refs import Ref
from watchers.diagnostics import DiagnosticSet
from watchers.informers.informer import parsed
from watchers.informers.list_watch import ObjectChange
from watchers.informers.reflector import Reflector, Scope
from watchers.sources import Batch

KNOWN: Final = PodSelection(metadata=NamespacedMeta(name="known"))
NewReflector = Callable[[type[Pod], Scope], Reflector]


class SelectedPods:
    """The pods of all selections, each once, with one watch for each selection.

    A selection is an edit too, once all of its pods have been yielded. The proxies, which an informer of their own
    follows, are left out.

    Args:
        new_reflector: makes the reflector of a selection.
        diagnostics: gets a diagnostic for each pod that is not valid.
    """

    def __init__(self, new_reflector: NewReflector, diagnostics: DiagnosticSet) -> None:
        self._new_reflector = new_reflector
        self._diagnostics = diagnostics
        self._selections: frozenset[Ref] = frozenset()
        self._tasks: dict[Ref, asyncio.Task[None]] = {}
        self._pods: dict[Ref, set[Ref]] = {}
        self._selected_by: dict[Ref, set[Ref]] = {}
        self._edits: dict[Ref, Edit] = {}
        self._changed = asyncio.Event()

    def set_selections(self, selections: frozenset[Ref]) -> None:
        """Set the selections, as `PodSelection.of` returns them."""
        if selections != self._selections:
            self._selections = selections
            self._changed.set()

    async def batches(self) -> AsyncGenerator[Batch, None]:
        """Yield pods as they are, and selections all of whose pods are known; both again once they are gone."""
        yield Batch((), synced=True)  # The selections are known only after an evaluation.
        try:
            while True:
                await self._changed.wait()
                self._changed.clear()
                self._follow()
                for each in self._tasks.values():
                    if each.done():
                        each.result()  # A reflector does not end: its bug is ours.
                if self._edits:
                    edits, self._edits = self._edits, {}
                    yield Batch(tuple(edits.values()))
        finally:
            for each in self._tasks.values():
                each.cancel()
            await asyncio.gather(*self._tasks.values(), return_exceptions=True)

    def _follow(self) -> None:
        """Begin with selections that are new, and end with those that nobody asks for any more."""
        for each in self._selections - self._tasks.keys():
            task = self._tasks[each] = asyncio.ensure_future(self._reflect(each))
            task.add_done_callback(lambda _: self._changed.set())
        for each in self._tasks.keys() - self._selections:
            self._tasks.pop(each).cancel()
            for pod in self._pods.pop(each, set()):
                self._release(each, pod)
            self._edits[each] = Edit(each, None)

    async def _reflect(self, selection: Ref) -> None:
        reflector = self._new_reflector(Pod, Scope(selection.namespace, selection.name))
        async with aclosing(reflector.batches()) as reflected:
            async for changes, synced in reflected:
                for each in self._edited(selection, changes, reflector):
                    self._edits[each.ref] = each
                if synced and reflector.list_watch.was_listed:
                    self._edits[selection] = Edit(selection, KNOWN)
                self._changed.set()

    def _edited(self, selection: Ref, changes: list[ObjectChange], reflector: Reflector) -> Iterator[Edit]:
        name, _, own = MANAGED_BY.partition("=")
        for ref, raw in changes:
            labels = (raw or {}).get("metadata", {}).get("labels") or {}
            if raw is None or labels.get(name) == own:
                self._pods.get(selection, set()).discard(ref)
                self._release(selection, ref)
                continue
            self._pods.setdefault(selection, set()).add(ref)
            self._selected_by.setdefault(ref, set()).add(selection)
            assert reflector.version
            yield parsed(ref, raw, Pod, reflector.version, self._diagnostics)

    def _release(self, selection: Ref, pod: Ref) -> None:
        """Remove a pod that a selection does not have any more, unless another one has it."""
        selected_by = self._selected_by.get(pod)
        if selected_by is None or selection not in selected_by:
            return
        selected_by.discard(selection)
        if not selected_by:
            del self._selected_by[pod]
            self._diagnostics.put(pod, None)
            self._edits[pod] = Edit(pod, None)
