"""Filters of a rule or of one of its backends: which extension reads each, and which go together."""

from __future__ import annotations

from translator.extension import FilterContext, FilterReader, extensions, filter_readers
from translator.ir.http import RuleSetting
from translator.kinds import Level
from translator.objects.gateway_api.filters import RouteFilter
from translator.outcome import Outcome, Problem


def read_filters(site: FilterContext) -> Outcome[tuple[RuleSetting, ...] | None]:
    """Read what a rule or backendRef asks for; None if something is asked for that cannot be had."""
    if site.rule is None and not site.filters:  # as nearly every backendRef
        return Outcome(())
    # Only readers of fields of rules are asked about rules without filters, as most are.
    readers = [each for each in filter_readers(site.db) if site.filters or not each.types]
    unsupported = [each for each in site.filters if not any(_reads(reader, each, site) for reader in readers)]
    if unsupported:
        return Outcome(None, tuple(_unsupported_filter(each, site) for each in unsupported))
    found: list[RuleSetting] = []
    problems: list[Problem] = []
    failed = False
    for reader in readers:
        if site.rule is not None or reader.on_backends:
            read = reader.read(site)
            found += read.value or ()
            problems += read.problems
            failed |= read.value is None
    if sum(each.terminal for each in found) > 1:
        text = f"{site.field}.filters: there are several that answer by themselves; leave one."
        return Outcome(None, (*problems, Problem("Accepted", "IncompatibleFilters", text)))
    if any(each.terminal for each in found):
        if any(each.backends and each.forwarding for each in found):
            text = f"{site.field}.filters: only what is forwarded can be mirrored; remove the mirror or the answer."
            return Outcome(None, (*problems, Problem("Accepted", "IncompatibleFilters", text)))
        found = [each for each in found if not each.forwarding]
    return Outcome(None if failed else tuple(found), tuple(problems))


def _reads(reader: FilterReader, found: RouteFilter, site: FilterContext) -> bool:
    return reader.reads(found) and (site.rule is not None or reader.on_backends)


def _unsupported_filter(found: RouteFilter, site: FilterContext) -> Problem:
    field = f"{site.field}.filters[{site.filters.index(found)}]"
    if found.extension_ref is not None and any(each.reads(found) for each in filter_readers(site.db)):
        kind = found.extension_ref.kind
        text = f"{field}.extensionRef: a {kind} is a filter of rules only; move it from the backend to its rule."
        return Problem("Accepted", "UnsupportedValue", text)
    if found.extension_ref is not None:
        known = [kind for each in extensions(site.db) for kind in each.objects]
        known += [each.model for each in site.db.registry.policies if Level.EXTENSION_REF in each.levels]
        kinds = ", ".join(f"{kind.kind}.{kind.group}" for kind in known)
        ref = found.extension_ref
        text = f"{field}.extensionRef: {ref.kind}.{ref.group} cannot be a filter; the kinds that can: {kinds}."
        return Problem("ResolvedRefs", "InvalidKind", text)
    place = "a rule" if site.rule is not None else "a single backend"
    answer = f"its requests are answered with {site.error} until it is removed."
    return Problem("Accepted", "UnsupportedValue", f"{field}: {found.type} is not supported for {place}; {answer}")
