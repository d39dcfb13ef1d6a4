"""Filters of a rule or of one of its backends: which extension reads each, and which go together."""

from __future__ import annotations

from translator.extension import Feature, FilterContext, features
from translator.ir.http import RouteFeature
from translator.objects.gateway_api.filters import RouteFilter
from translator.outcome import Outcome, Problem


def read_filters(site: FilterContext) -> Outcome[tuple[RouteFeature, ...] | None]:
    """Ask every feature what the site wants of it; None if something is asked for that cannot be had."""
    unsupported = [
        each for each in site.filters if not any(_takes(feature, each, site) for feature in features(site.db))
    ]
    if unsupported:
        return Outcome(None, tuple(_unsupported_filter(each, site) for each in unsupported))
    found: list[RouteFeature] = []
    problems: list[Problem] = []
    failed = False
    for feature in features(site.db):
        if site.rule is not None or feature.on_backends:
            read = feature.read(site)
            found += read.value or ()
            problems += read.problems
            failed |= read.value is None
    if sum(each.terminal for each in found) > 1:
        text = f"{site.field}.filters: there are several that answer by themselves; leave one."
        return Outcome(None, (*problems, Problem("Accepted", "IncompatibleFilters", text)))
    if any(each.terminal for each in found):
        if any(each.backends for each in found):
            text = f"{site.field}.filters: only what is forwarded can be mirrored; remove the mirror or the answer."
            return Outcome(None, (*problems, Problem("Accepted", "IncompatibleFilters", text)))
        found = [each for each in found if not each.forwarding]
    return Outcome(None if failed else tuple(found), tuple(problems))


def _takes(feature: Feature, found: RouteFilter, site: FilterContext) -> bool:
    return feature.takes(found) and (site.rule is not None or feature.on_backends)


def _unsupported_filter(found: RouteFilter, site: FilterContext) -> Problem:
    field = f"{site.field}.filters[{site.filters.index(found)}]"
    if found.extension_ref is not None and any(each.takes(found) for each in features(site.db)):
        kind = found.extension_ref.kind
        text = f"{field}.extensionRef: a {kind} is a filter of rules only; move it from the backend to its rule."
        return Problem("Accepted", "UnsupportedValue", text)
    if found.extension_ref is not None:
        kinds = ", ".join(f"{kind.kind}.{kind.group}" for feature in features(site.db) for kind in feature.kinds)
        ref = found.extension_ref
        text = f"{field}.extensionRef: {ref.kind}.{ref.group} cannot be a filter; the kinds that can: {kinds}."
        return Problem("ResolvedRefs", "InvalidKind", text)
    place = "a rule" if site.rule is not None else "a single backend"
    text = (
        f"{field}: {found.type} is not supported for {place}; its requests are answered with 500 until it is removed."
    )
    return Problem("Accepted", "UnsupportedValue", text)
