"""What becomes of a policy at one place: the fields that are effective there, and those that others override."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from translator.conditions import NO_EFFECT, Condition, bounded, resolved_refs
from translator.db import Db
from translator.delegation.references import delegation
from translator.engine.query import query
from translator.envoy.hooks import UDP_PROXY
from translator.extension import PolicyUnit, policy_units
from translator.ir.http import RuleSetting
from translator.objects.gateway_api.gateway import Gateway, key_of
from translator.objects.gateway_api.listenerset import ListenerSet
from translator.objects.gateway_api.policy import Policy
from translator.outcome import Problem
from translator.policies.effective import (
    ENFORCING_LEVELS,
    is_enforced,
    replaces_inherited,
)
from translator.policies.merging import DISABLE, leaves
from translator.refs import Ref
from translator.routes.rules import rules
from translator.status.listener_needs import some_listener_has
from translator.status.nacks import nacks_by_route
from translator.status.place_report import (
    ITSELF,
    PlaceReport,
    ReportBuilder,
    add_origins,
    add_problems,
    dotted,
    rest_applies,
    units_set_by,
)
from translator.status.policy_reads import effective_at, specs_of
from translator.status.policy_targets import TargetPlace
from xds import EXTENSION_CONFIG


@query
def place_report(db: Db, policy: Ref, place: TargetPlace, gateway: Ref) -> PlaceReport:
    """Return what becomes of a policy at a place that a Gateway serves."""
    found = db.get(Policy, policy)
    if found is None:
        return PlaceReport()
    report = ReportBuilder()
    units = tuple(units_set_by(db, found))
    for unit in units:
        _add_unit(db, found, unit, place, gateway, report)
    owners = (Gateway.kind, ListenerSet.kind)
    if is_enforced(found) and place.object.kind not in owners and not _delegates(db, place):
        levels = ", ".join(each.title for each in sorted(ENFORCING_LEVELS))
        report.notes[f"spec.enforced has no effect at {place}: it holds at the levels {levels}. Remove it."] = None
    discovered = frozenset(each.discovered for each in units if each.discovered)
    return report.frozen((*_refused(db, place, gateway), *_refused_filters(db, discovered, gateway)))


def _delegates(db: Db, place: TargetPlace) -> bool:
    """Return whether some rule of a route delegates, of those that are concerned."""
    return any(delegation(place.object, spec) is not None for _, spec in specs_of(db, place))


def _add_unit(
    db: Db, policy: Policy, unit: PolicyUnit, place: TargetPlace, gateway: Ref, report: ReportBuilder
) -> None:
    ref, name = policy.ref, unit.path.removeprefix("spec.")
    info = policy.spec.unit_info(unit.field)
    own = dict.fromkeys(f"{name}{dotted(each)}" for each in leaves(policy.spec.unit_value(unit.field), info))
    bare = {name} if not own else set[str]()  # where it has no leaves, as `{}`
    own = own or {name: None}
    report.set |= own
    problem = None
    if place.object.kind in db.registry.l4_rules:
        problem = _no_connections(db, policy, unit, place)
    elif place.backend >= 0 and not unit.on_backends:
        text = f"{unit.path} cannot be for a single backend: let a filter of the rule name the policy."
        problem = Problem("Accepted", "Invalid", f"{place}: {text}")
    if problem is not None:
        report.problems[problem] = None
        report.left_out |= own
        return
    _add_out_of_place(db, policy, unit, place, own, report)
    for reads in effective_at(db, ref, unit, place, gateway):
        kept = set(bare) if reads else set[str]()
        lost: dict[str, str] = {}
        for read, found in reads:
            add_problems(db, unit, policy, read, found, own, report)
            add_origins(ref, name, found, place, report, kept, lost)
            if found.origins.get(DISABLE, ref) != ref:
                kept.discard(name)
            if kept and read.value:
                _add_check(db, unit, read.value, place, report)
                _add_needed(db, unit, read.value, place, gateway, report)
        report.lost |= {path: lost.get(path) or lost.get("", ITSELF) for path in own if path not in kept}


def _no_connections(db: Db, policy: Policy, unit: PolicyUnit, place: TargetPlace) -> Problem | None:
    """Return that a unit has no effect on connections and datagrams, if it has none."""
    value = policy.spec.unit_value(unit.field)
    if unit.connections is not None and getattr(value, DISABLE, None) is not None:
        return None
    settings = unit.connections(value) if unit.connections is not None else ()
    datagrams = db.registry.route(place.object.kind).protocols == ("UDP",)
    if any(not datagrams or UDP_PROXY.implemented_by(type(each)) for each in settings):
        return None
    if settings:
        text = f"{unit.path}: is for connections, and has no effect at {place}, which has datagrams: remove it."
        return Problem("Accepted", "Invalid", f"{text}{rest_applies(db, policy, unit)}")
    text = (
        f"{unit.path}: has no effect at {place}, whose connections or datagrams are forwarded as they are; "
        f"remove it, or target a route of requests.{rest_applies(db, policy, unit)}"
    )
    return Problem("Accepted", "Invalid", text)


def sets_nothing(db: Db, policy: Policy) -> bool:
    """Return whether a policy has no unit, and ends nothing that is inherited: a misspelt name is dropped."""
    units = [each for each in policy_units(db) if each.policy.kind == policy.kind]
    return (
        bool(units)
        and policy.spec.set_units().isdisjoint(each.field for each in units)
        and not replaces_inherited(db, policy.ref)
    )


def _add_check(
    db: Db, unit: PolicyUnit, settings: tuple[RuleSetting, ...], place: TargetPlace, report: ReportBuilder
) -> None:
    """Add what there is to know of a unit if it is so at all rules of a route that are concerned."""
    if unit.check is None or place.object.kind not in db.registry.rules:
        return
    found = rules(db, place.object)
    checks = {unit.check(settings, found[number].value) for number, _ in specs_of(db, place)}
    if len(checks) == 1:
        (only,) = checks
        if only.problem:
            report.problems[Problem("Accepted", "Invalid", f"{place}: {only.problem}.")] = None
        if only.note:
            report.notes[f"{place}: {only.note}."] = None


def _add_needed(
    db: Db, unit: PolicyUnit, settings: tuple[RuleSetting, ...], place: TargetPlace, gateway: Ref, report: ReportBuilder
) -> None:
    """Add that no listener of the Gateway has what a unit needs."""
    needed = unit.needs(settings) if unit.needs is not None else None
    if needed is not None and not some_listener_has(db, gateway, needed.unit):
        title = next(each.path for each in policy_units(db) if each.field == needed.unit)
        text = f"no listener of Gateway {gateway.name} has {title}: set that in a ListenerPolicy"
        report.notes[f"{unit.path} {needed.without} at {place}: {text}."] = None


def _add_out_of_place(
    db: Db, policy: Policy, unit: PolicyUnit, place: TargetPlace, own: dict[str, None], report: ReportBuilder
) -> None:
    """Add which fields are for other routes than the place: those of requests, or those of connections."""
    name = unit.path.removeprefix("spec.")
    of_connections = {f"{name}.{each}" for each in unit.connection_fields}
    if place.object.kind in db.registry.l4_rules:
        others = [each for each in own if of_connections and each not in of_connections]
        report.left_out |= dict.fromkeys(others)
        value = policy.spec.unit_value(unit.field)
        found = unit.request_fields(value) if unit.request_fields is not None else ()
        paths = (*others, *(f"{name}.{each}" for each in found))
        texts = [f"spec.{path} has no effect at {place}, which knows no requests: remove it" for path in paths]
        if unit.connection_faults is not None:
            texts += [f"{place}: {unit.path}{each}" for each in unit.connection_faults(value)]
        for text in texts:
            report.problems[Problem("Accepted", "Invalid", f"{text}. The rest applies.")] = None
    elif place.object.kind in db.registry.rules:
        kinds = ", ".join(f"{each}s" for each in db.registry.l4_rules)
        for path in (each for each in own if each in of_connections):
            report.notes[f"spec.{path} has no effect at {place}: it is for {kinds}; remove it."] = None


def _refused(db: Db, place: TargetPlace, gateway: Ref) -> Iterator[str]:
    """Yield what proxies say of a route that they refuse."""
    for each in db.select(nacks_by_route, (place.object, gateway)):
        yield f"A proxy of Gateway {key_of(gateway)} refuses {each.nack.name}: {each.nack.message}"


def _refused_filters(db: Db, names: frozenset[str], gateway: Ref) -> Iterator[str]:
    """Yield what proxies say of discovered filters that they refuse."""
    for each, _ in db.sync_status(gateway).nacks if names else ():
        if each.type_url == EXTENSION_CONFIG and each.name in names:
            yield f"A proxy of Gateway {key_of(gateway)} refuses {each.name}: {each.message}"


@dataclass(slots=True)
class AncestorReport:
    """What there is to say of a policy at one ancestor.

    Attributes:
        problems: what is wrong with it.
        detached: why it has no effect at a target that exists, as the reason and message of Attached; None if it has.
        places: the reports of its places there.
        programmed: whether the proxies have acknowledged what is made of it; None at ancestors that are no Gateway.
        sets_nothing: whether it has no field that could have an effect anywhere.
    """

    problems: dict[Problem, None] = field(default_factory=dict)
    detached: tuple[str, str] | None = None
    places: dict[PlaceReport, dict[TargetPlace, None]] = field(default_factory=dict)
    programmed: Condition | None = None
    sets_nothing: bool = False

    def add(self, place: TargetPlace, report: PlaceReport) -> None:
        """Add the report of a place."""
        self.places.setdefault(report, {})[place] = None
        self.problems |= dict.fromkeys(report.problems)

    @property
    def lost(self) -> str:
        """What overrides which of its fields, and where that is not everywhere."""
        kept = {path for each in self.places for path in each.set if path not in dict(each.lost)}
        texts: dict[str, None] = {}
        for report, places in self.places.items():
            for path, by in report.lost:
                if path not in kept:
                    texts[f"{path} is overridden by {by}"] = None
                    continue
                texts |= dict.fromkeys(f"{path} is overridden by {by} at {each}" for each in list(places)[:3])
        return bounded(["; ".join(texts) + "."])

    @property
    def effective(self) -> bool:
        """Whether something of the policy is effective somewhere."""
        return any({*each.set} - {*dict(each.lost)} - {*each.left_out} for each in self.places)

    @property
    def overridden(self) -> bool:
        """Whether nothing of the policy is effective, because of what overrides it."""
        sets = any(each.set for each in self.places)
        return sets and all({*each.set} <= dict(each.lost).keys() for each in self.places)

    @property
    def conflicted(self) -> bool:
        """Whether that is because of other policies alone, none of which is enforced."""
        by = [by for each in self.places for _, by in each.lost]
        return self.overridden and not any(each == ITSELF or each.endswith("enforced") for each in by)

    def conditions(self) -> Iterator[Condition]:
        """Yield Accepted, ResolvedRefs, Attached, Programmed, and NoEffect while that is True.

        Of a target that is not there only the first.
        """
        wrong = [each for each in self.problems if each.condition == "Accepted"]
        if wrong:
            yield Condition("Accepted", "False", wrong[0].reason, bounded([each.message for each in wrong]))
        elif self.conflicted:
            yield Condition("Accepted", "False", "Conflicted", self.lost)
        else:
            yield Condition("Accepted", "True", "Accepted", "The policy is valid.")
        if self.places:
            yield resolved_refs(self.problems)
        if self.detached is not None:
            yield Condition("Attached", "False", *self.detached)
        elif self.overridden:
            yield Condition("Attached", "False", "Overridden", self.lost)
        elif any(each.set for each in self.places):
            yield self._attached()
        yield from self._notes()
        refused = [*dict.fromkeys(text for each in self.places for text in each.refused)]
        if refused:
            yield Condition("Programmed", "False", "Refused", bounded(refused))
        elif self.programmed is not None and self.places:
            yield self.programmed

    def _notes(self) -> Iterator[Condition]:
        notes = [*dict.fromkeys(note for each in self.places for note in each.notes)]
        if self.sets_nothing and self.places:
            notes.append("The policy sets nothing: add a field, or correct the name of the one that it should have.")
        if notes:
            yield Condition(NO_EFFECT, "True", "NoEffect", bounded(notes))

    def _attached(self) -> Condition:
        if not self.effective:
            why = "Nothing of the policy is effective: Accepted and ResolvedRefs say why."
            return Condition("Attached", "False", "Invalid", why)
        if any(each.lost for each in self.places):
            return Condition("Attached", "True", "PartiallyOverridden", self.lost)
        merged = dict(each for report in self.places for each in report.merged)
        if merged:
            text = "; ".join(f"{path} comes from {origin}" for path, origin in merged.items())
            return Condition("Attached", "True", "Merged", bounded([f"{text}."]))
        left_out = any(each.left_out for each in self.places)
        what = "What is valid of the policy" if left_out else "All that the policy sets"
        return Condition("Attached", "True", "Attached", f"{what} is effective.")
