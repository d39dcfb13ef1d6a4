"""What becomes of a policy for listeners itself at one place (`PolicyKind.of_listeners`)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

from translator.db import Db
from translator.engine.query import query
from translator.envoy.hooks import LISTENER
from translator.envoy.names import port_of
from translator.extension import FilterOutcome, PolicyUnit
from translator.gateway.listeners import ListenerState
from translator.gateway.ports import accepted_listeners, gateway_ports
from translator.ir.listener import ListenerSetting, SocketPort
from translator.objects.gateway_api.gateway import key_of
from translator.objects.gateway_api.policy import Policy
from translator.outcome import Outcome, Problem
from translator.policies.effective import Stack, effective, of_kind
from translator.policies.merging import leaves
from translator.refs import Ref
from translator.resources.http3 import http3_obstacle
from translator.resources.listener_policies import listener_policies, listener_stack, policies_of, traits
from translator.routes.units import unit_settings
from translator.status.place_report import PlaceReport, ReportBuilder, add_origins, add_problems, dotted, units_set_by
from translator.status.policy_targets import TargetPlace
from translator.status.programmed import way_out
from xds import LISTENER as LISTENERS

CLOSED = "The connections of its listeners are closed."


class _At(NamedTuple):
    """A listener that a policy concerns.

    Attributes:
        state: the listener.
        stack: its policies.
        chain: the listener that precedes it in its filter chain, whose policies count for both; often itself.
        socket: the same of its socket.
    """

    state: ListenerState
    stack: Stack
    chain: ListenerState
    socket: ListenerState


Reports = tuple[tuple[TargetPlace, PlaceReport], ...]


@query
def listener_reports(db: Db, policy: Ref, place: TargetPlace, gateway: Ref) -> Reports:
    """Return what becomes of a policy at a place that a Gateway serves: as a whole, and at each of its listeners."""
    found = db.get(Policy, policy)
    if found is None:
        return ()
    concerned = list(_concerned(db, place, gateway))
    notes = ReportBuilder(notes=dict.fromkeys(_notes(db, found, place, concerned)))
    reports = [(place, notes.frozen(()))] if notes.notes or not concerned else []
    for at in concerned:
        report = ReportBuilder()
        for unit in units_set_by(db, found):
            if unit.is_for(at.state.protocol):
                _add_unit(db, found, unit, place, at, report)
        refused = tuple(_refused(db, gateway, at.state)) if report.set else ()
        reports.append((TargetPlace(at.state.ref.owner, at.state.ref.name), report.frozen(refused)))
    return tuple(reports)


def _refused(db: Db, gateway: Ref, state: ListenerState) -> Iterator[str]:
    """Yield what proxies say of the port of a listener, if they refuse it: then the one before stays."""
    port = SocketPort.of(state.port, state.protocol)
    for nack, _ in db.sync_status(gateway).nacks:
        if nack.type_url == LISTENERS and port_of(nack.name) == port:
            advice = way_out(nack.message)
            yield f"{advice} A proxy of Gateway {key_of(gateway)} refuses {nack.name}: {nack.message}".strip()


def _notes(db: Db, policy: Policy, place: TargetPlace, concerned: list[_At]) -> Iterator[str]:
    """Yield what of a policy has no effect at any listener of a place."""
    for port in policy.spec.ports:
        if all(each.state.port != port for each in concerned):
            yield f"{place} has no listener with port {port}: correct the port, or remove the item of spec.perPort."
    for unit in units_set_by(db, policy) if concerned else ():
        for at in concerned:
            if note := _http3_note(db, unit, at):
                yield note
        if not any(unit.is_for(each.state.protocol) for each in concerned):
            kinds = ", ".join(sorted(unit.protocols))
            yield f"{unit.path} has no effect at {place}: it is for listeners of {kinds}; remove it."


def _http3_note(db: Db, unit: PolicyUnit, at: _At) -> str:
    """Return why a listener that a unit asks for HTTP/3 cannot speak it; "" if it can, or is not asked."""
    asked = (
        unit_settings(db, of_kind(at.stack, unit.policy.kind), unit.field).value or ()
        if unit.is_for(at.state.protocol)
        else ()
    )
    if not any(isinstance(each, ListenerSetting) and each.speaks_http3 for each in asked):
        return ""
    settings = (setting for each in (at.chain, at.socket) for setting in listener_policies(db, each).settings)
    obstacle = http3_obstacle(db, at.state.gateway, at.state.port, settings)
    where = TargetPlace(at.state.ref.owner, at.state.ref.name)
    return f"{unit.path} has no effect at {where}: {obstacle}." if obstacle else ""


def _concerned(db: Db, place: TargetPlace, gateway: Ref) -> Iterator[_At]:
    """Yield the accepted listeners of a Gateway that a place is, or has."""
    for port in gateway_ports(db, gateway):
        chains: dict[Any, ListenerState] = {}
        socket = None
        for state in accepted_listeners(db, gateway, port):
            socket = socket or state
            chain = chains.setdefault(state.table, state)
            owner, section = state.ref.owner, state.ref.name
            if place.object in (owner, gateway) and place.section in ("", section):
                yield _At(state, listener_stack(db, gateway, state.ref, state.port), chain, socket)


def _add_unit(db: Db, policy: Policy, unit: PolicyUnit, place: TargetPlace, at: _At, report: ReportBuilder) -> None:
    stack = of_kind(at.stack, policy.kind)
    own = dict.fromkeys(_own(policy, unit, stack))
    if not own:
        return
    report.set |= own
    found, read = effective(db, stack, unit.field), _read_at(db, stack, unit, at)
    add_problems(db, unit, policy, read, found, own, report, CLOSED)
    kept, lost = set[str](), dict[str, str]()
    if not any(True for _ in leaves(found.value, policy.spec.unit_info(unit.field))):
        kept |= own.keys()
    add_origins(policy.ref, unit.path, found, place, report, kept, lost)
    instead = _instead(db, policy, unit, at, read)
    if instead is not None:
        report.lost |= dict.fromkeys(own, instead)
        return
    report.lost |= {path: lost.get(path) or lost.get("", "another policy") for path in own if path not in kept}


def _read_at(db: Db, stack: Stack, unit: PolicyUnit, at: _At) -> FilterOutcome:
    """Return the settings of a unit at a listener, or why it cannot have them."""
    read = unit_settings(db, stack, unit.field)
    of_listener = (each for each in read.value or () if isinstance(each, ListenerSetting))
    faults = [fault for each in of_listener if (fault := each.fault_at(traits(at.state)))]
    wrong = (Problem("Accepted", "Invalid", f"{unit.path}: {each}.") for each in faults)
    return Outcome(None, (*read.problems, *wrong)) if faults else read


def _own(policy: Policy, unit: PolicyUnit, stack: Stack) -> Iterator[str]:
    """Yield the paths of what a policy sets of a unit at a listener."""
    info = policy.spec.unit_info(unit.field)
    for each in stack:
        value = policy.spec.unit_value(unit.field, each.port) if each.policy == policy.ref else None
        if value is not None:
            paths = [f"{unit.path}{dotted(leaf)}" for leaf in leaves(value, info)]
            yield from paths or [unit.path]


def _instead(db: Db, policy: Policy, unit: PolicyUnit, at: _At, read: Outcome[Any]) -> str | None:
    """Return which listener's policies count in place of those of a listener; None if its own do."""
    of_socket = any(map(LISTENER.implemented_by, map(type, read.value or ())))
    other = at.socket if of_socket else at.chain
    if other.ref == at.state.ref:
        return None
    shared = "socket" if of_socket else "filter chain"
    stack = of_kind(listener_stack(db, other.gateway, other.ref, other.port), policy.kind)
    if stack and unit_settings(db, stack, unit.field) == read and policies_of(db, stack, other.protocol).settings:
        return None
    return f"listener {other.ref.name} of {other.ref.owner}, which has the same {shared} and precedes it"
