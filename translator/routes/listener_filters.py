"""Filters of listeners (GEP-5224): what every request passes, in the order of the list, before a route is chosen."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final, NamedTuple, cast

from translator.api_group import GROUP
from translator.db import Db
from translator.engine.query import query
from translator.envoy.filter_configs import FilterNeeds, needs, violations
from translator.envoy.filter_entries import SecretUse, SlotFilter
from translator.envoy.hooks import FILTER
from translator.envoy.listener_filters import HostFilters
from translator.extension import FilterOutcome, ListenerFilterContext, extensions
from translator.gateway.listeners import ListenerState, listeners
from translator.ir.http import RuleSetting
from translator.objects.gateway_api.listener import ListenerRequestFilter
from translator.objects.gateway_api.references import qualified_kind
from translator.objects.headgate.gatewayextension import GatewayExtension
from translator.objects.headgate.references import ExtensionReference
from translator.outcome import Outcome, Problem, not_resolved
from translator.providers import ProviderKind, provider_of
from translator.refs import ListenerRef, Ref

INVALID: Final = "InvalidListenerFilter"
UNRESOLVED: Final = "InvalidListenerFilterRef"
KEPT: Final = frozenset({"RefNotPermitted"})
"""Reasons that stay what they are."""


class FiltersOfListener(NamedTuple):
    """The filters of a listener.

    Attributes:
        host: they, for its hostname.
        needs: what they need beside it.
    """

    host: HostFilters
    needs: FilterNeeds


@query
def listener_filters(db: Db, ref: ListenerRef) -> Outcome[FiltersOfListener | None]:
    """Return the filters of a listener; None if there is no such listener. One that cannot be had refuses requests."""
    state = next((each for each in listeners(db, ref.owner) if each.name == ref.name), None)
    if state is None:
        return Outcome(None)
    read = [_read(db, ref.owner, place, each) for place, each in enumerate(state.filters)]
    settings = [setting for each in read for setting in each.value or ()]
    held = max((each.buffered_bytes for each in settings), default=0)
    places = tuple(None if each.value is None else tuple(_slot_filters(each.value)) for each in read)
    problems = tuple(_reported(problem) for each in read for problem in each.problems)
    found = FiltersOfListener(HostFilters(state.hostname, places, held), needs(settings))
    return Outcome(found, problems)


def filter_problems(db: Db, state: ListenerState) -> tuple[Problem, ...]:
    """Return what is wrong with the filters of a listener."""
    return listener_filters(db, state.ref).problems if state.filters else ()


def _read(db: Db, owner: Ref, place: int, found: ListenerRequestFilter) -> FilterOutcome:
    field = f"filters.requests[{place}]"
    if found.extension_ref is not None:
        read = _extension(db, owner, found, f"{field}.extensionRef")
    else:
        readers = (each for one in extensions(db) for each in one.listener_filters)
        reader = next((each for each in readers if each.type == found.type), None)
        if reader is None:
            return _refused(Problem("Accepted", "UnsupportedValue", f"{field}: {found.type} is not supported."))
        read = reader.read(ListenerFilterContext(db, owner, field, found.external_auth))
    if read.value is None:
        return Outcome(None, (*read.problems[:-1], _answered(read.problems[-1])))
    wrong = next(violations(read.value), None)
    if wrong is not None:
        return _refused(Problem("Accepted", INVALID, f"{field}: Envoy does not take {wrong}."))
    return read


def _extension(db: Db, owner: Ref, found: ListenerRequestFilter, field: str) -> FilterOutcome:
    """Read a filter that is a GatewayExtension: the same that policies refer to."""
    reference = found.extension_ref
    assert reference is not None
    kind = qualified_kind(reference.group, reference.kind)
    if (reference.group, reference.kind) != (GROUP, GatewayExtension.kind):
        text = f"{field}: a {kind} is no filter of a listener; refer to a {GatewayExtension.kind}.{GROUP}."
        return not_resolved(UNRESOLVED, text)
    there = db.get(GatewayExtension, Ref(GatewayExtension.kind, owner.namespace, reference.name))
    providers = cast("dict[str, ProviderKind]", db.registry.providers)
    usable = [name for name, each in providers.items() if each.alone is not None]
    member = there.spec.member if there is not None else usable[0]
    alone = providers[member].alone
    if alone is None:
        text = f"{field}: {GatewayExtension.kind} {reference.name} has {member}, which is for policies only."
        return _refused(Problem("Accepted", "UnsupportedValue", text))
    read = provider_of(db, owner, ExtensionReference(name=reference.name), member, field)
    settings = cast("tuple[RuleSetting, ...] | None", alone(read.value) if read.value is not None else None)
    return Outcome(settings, read.problems)


def _slot_filters(settings: Iterable[RuleSetting]) -> Iterable[SlotFilter]:
    for each in FILTER.of(settings):
        for entry in each.filter_configs():
            # What is left out would be a filter that is skipped.
            assert isinstance(entry, SlotFilter | SecretUse), type(entry)
            if isinstance(entry, SlotFilter):
                yield entry


def _refused(problem: Problem) -> Outcome[None]:
    return Outcome(None, (_answered(problem),))


def _answered(problem: Problem) -> Problem:
    return problem._replace(message=f"{problem.message} Requests get 500 until then.")


def _reported(problem: Problem) -> Problem:
    """Return a problem with the reason that GEP-5224 has for it."""
    if problem.reason in KEPT or problem.reason == "UnsupportedValue":
        return problem
    return problem._replace(reason=UNRESOLVED if problem.condition == "ResolvedRefs" else INVALID)
