"""Connections and datagrams that would come back to the Gateway that forwards them, again and again."""

from __future__ import annotations

from dataclasses import replace

from translator.backends.reference import backend_endpoints
from translator.db import Db
from translator.engine.query import query
from translator.gateway.gateways import addresses
from translator.gateway.ports import forwarding_listener
from translator.infrastructure.names import resource_name
from translator.ir.backend import Backend, Protocol
from translator.ir.l4 import L4Backend, L4Rule
from translator.ir.listener import SocketPort
from translator.objects.kubernetes.service import Service
from translator.outcome import Outcome, Problem
from translator.own_addresses import reaches
from translator.refs import ListenerRef, Ref


def without_loops(db: Db, gateway: Ref, rule: Outcome[L4Rule], field: str) -> Outcome[L4Rule]:
    """Return a rule without the backends that lead back to listeners of the Gateway which forward.

    One connection would use up the proxy's descriptors: unlike a request, whose headers grow, it never ends.

    Args:
        db: the database.
        gateway: the Gateway that serves the rule.
        rule: the rule of a route, with its problems.
        field: where its backends stand, for messages.
    """
    kept: list[L4Backend] = []
    problems = list(rule.problems)
    for number, each in enumerate(rule.value.backends):
        why = _loop(db, gateway, each.backend) if each.backend is not None else ""
        kept.append(replace(each, backend=None) if why else each)
        if why:
            problems.append(Problem("ResolvedRefs", "UnsupportedValue", f"{field}[{number}]: {why}"))
    if len(problems) == len(rule.problems):
        return rule
    return Outcome(replace(rule.value, backends=tuple(kept)), tuple(problems))


@query(firewall=True)
def _loop(db: Db, gateway: Ref, backend: Backend) -> str:
    """Return why a backend leads back to a Gateway; "" if it does not, as far as that is known.

    In a cluster the Gateway's own Service does, otherwise an endpoint with the address and port of a listener.
    """
    service = Ref(*backend.key)
    protocol = "UDP" if backend.protocol == Protocol.UDP.value else "TCP"
    if not db.settings.standalone:
        own = service == Ref(Service.kind, gateway.namespace, resource_name(gateway))
        listener = forwarding_listener(db, gateway, SocketPort(backend.port, protocol)) if own else None
        return _words(f"{service} leads to the proxies themselves", backend.port, listener) if listener else ""
    for each in backend_endpoints(db, backend):
        listener = forwarding_listener(db, gateway, SocketPort(each.port, protocol))
        if listener is not None and _reaches(db, gateway, each.address):
            what = f"{service} leads to" if backend.named else f"{service} has an endpoint at"
            return _words(f"{what} {each.address}", each.port, listener)
    return ""


def _words(what: str, port: int, listener: ListenerRef) -> str:
    return (
        f"{what}, port {port}, which is {listener}: what it forwards would come back without end; use another backend."
    )


def _reaches(db: Db, gateway: Ref, host: str) -> bool:
    return any(reaches(each, host, db.settings.machine) for each in addresses(db, gateway).value)
