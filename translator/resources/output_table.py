"""The output table: which outputs the Gateways want, and the resource of each output."""

from __future__ import annotations

from collections.abc import Iterable, Set
from functools import lru_cache
from typing import NamedTuple

from translator.refs import Ref
from translator.resources.outputs import Output, Outputs
from xds import Reference, Resource


@lru_cache(maxsize=1024)  # one value for all outputs of a Gateway
def _alone(gateway: Ref) -> tuple[Ref, ...]:
    return (gateway,)


class Update(NamedTuple):
    """What changed in the resources of a Gateway since its snapshot was assembled."""

    upserts: list[Resource]
    removals: list[Reference]


class OutputTable:
    """The outputs of all Gateways, each computed once for all that want it.

    Two things may be unknown: which outputs a Gateway wants (it is *unlisted*), and the resource of an output (it is
    *failing*). Either way what was known last stays in the table.
    """

    def __init__(self) -> None:
        """Start without Gateways."""
        self._wanted: dict[Ref, Outputs] = {}
        self._gateways: dict[Output, tuple[Ref, ...]] = {}
        self._resources: dict[Output, Resource] = {}
        self._unlisted: set[Ref] = set()
        self._failing: set[Output] = set()
        self._dirty: dict[Ref, set[Output]] = {}

    # What is computed

    def set_outputs(self, gateway: Ref, wanted: Outputs | None) -> tuple[Outputs, Outputs]:
        """Set the outputs that a Gateway wants, None for a Gateway that is gone or not managed.

        Returns:
            The outputs that no Gateway wanted before, and those that none wants any more.
        """
        before, after = self._wanted.pop(gateway, frozenset()), wanted or frozenset()
        if wanted is not None:
            self._wanted[gateway] = wanted
        self._unlisted.discard(gateway)
        added = after - before
        # Most changes add some, and to compare twenty thousand a second time takes milliseconds.
        removed = before - after if len(before) + len(added) != len(after) else frozenset()
        self._dirty.setdefault(gateway, set()).update(added, removed)
        first = frozenset(each for each in added if self._add(each, gateway))
        last = frozenset(each for each in removed if self._remove(each, gateway))
        return first, last

    def _add(self, output: Output, gateway: Ref) -> bool:
        gateways = self._gateways.get(output, ())
        self._gateways[output] = (*gateways, gateway) if gateways else _alone(gateway)
        return not gateways

    def _remove(self, output: Output, gateway: Ref) -> bool:
        gateways = tuple(each for each in self._gateways[output] if each != gateway)
        if gateways:
            self._gateways[output] = gateways
        else:
            del self._gateways[output]
        return not gateways

    def set_unlisted(self, gateway: Ref) -> None:
        """Take that it cannot be computed which outputs a Gateway wants."""
        self._unlisted.add(gateway)

    def set_resource(self, output: Output, resource: Resource | None) -> None:
        """Set the resource of an output that some Gateway wants.

        Without one there is nothing to send: either there never was one, or the Gateways are about to want it no more.
        """
        if resource is not None:
            self._resources[output] = resource
        elif output not in self._failing:
            return
        self._failing.discard(output)
        for gateway in self._gateways[output]:
            self._dirty.setdefault(gateway, set()).add(output)

    def set_failing(self, output: Output) -> None:
        """Take that the resource of an output cannot be computed."""
        self._failing.add(output)

    # What is assembled of it

    @property
    def dirty(self) -> Set[Ref]:
        """The Gateways whose snapshot is behind their outputs."""
        return self._dirty.keys()

    @property
    def incomplete(self) -> Set[Ref]:
        """The Gateways of which not everything is published: dirty or unlisted."""
        return self._unlisted | self._dirty.keys()

    def gateways(self, output: Output) -> tuple[Ref, ...]:
        """Return the Gateways that want an output."""
        return self._gateways.get(output, ())

    def wanted(self, gateway: Ref) -> Outputs | None:
        """Return the outputs of a Gateway as they were known last; None if it wants nothing or never was listed."""
        return self._wanted.get(gateway)

    def is_complete(self, gateway: Ref) -> bool:
        """Return whether all outputs of a Gateway are known, with their resources."""
        return gateway not in self._unlisted and self._failing.isdisjoint(self._wanted.get(gateway, ()))

    def update(self, gateway: Ref) -> Update:
        """Return what changed in the resources of a dirty Gateway."""
        wanted = self._wanted.get(gateway, frozenset())
        found = {each: self._resources[each] for each in self._dirty[gateway] if each in self._resources}
        return Update(
            [resource for output, resource in found.items() if output in wanted],
            [resource.reference for output, resource in found.items() if output not in wanted],
        )

    def set_assembled(self, gateways: Iterable[Ref]) -> None:
        """Take that the snapshots of dirty Gateways hold all that changed; forget the resources that none needs now."""
        assembled = set().union(*[self._dirty.pop(each) for each in gateways])
        pending = set().union(*self._dirty.values())
        for output in assembled:
            if output not in self._gateways and output not in pending:
                self._resources.pop(output, None)
                self._failing.discard(output)

    def find(self, gateway: Ref, reference: Reference) -> Output | None:
        """Return the output of a Gateway whose resource has that type and name, None if there is none."""
        made = ((each, self._resources.get(each)) for each in self._wanted.get(gateway, ()))
        return next((output for output, each in made if each is not None and each.reference == reference), None)
