"""Problems of the deployment of proxies, as conditions of Gateways."""

from __future__ import annotations

from translator.conditions import Condition
from translator.db import Db
from translator.engine.query import query
from translator.infrastructure.addresses import assigned
from translator.infrastructure.manifests import proxy_manifests
from translator.infrastructure.own_service import OWN_SERVICES
from translator.infrastructure.parameters import parameters
from translator.infrastructure.pod_disruption_budget import drain_blockers
from translator.infrastructure.workload_health import has_ready_endpoint, service_problem, workload_problems
from translator.outcome import Problem
from translator.refs import Ref

FIRST = ("AddressNotUsable", "NoResources", "Pending", "AddressNotAssigned")
"""Reasons for Programmed=False, in order of precedence; rejections by the API server precede them."""

NOT_READY = Problem("Programmed", "Pending", "No proxy is ready yet behind the Service.")


@query
def deployment_problems(db: Db, gateway: Ref) -> tuple[Problem, ...]:
    """Return the problems of the deployment of a Gateway's proxies, for Accepted and Programmed."""
    outcome = proxy_manifests(db, gateway)
    if outcome is None:
        return ()
    addresses = assigned(db, gateway).problems
    if db.settings.offline:
        return (*outcome.problems, *(each for each in addresses if each.condition == "Accepted"))
    later = sorted((*addresses, *_idle(db, gateway)), key=_rank)
    return (*outcome.problems, *db.apply_result(gateway).problems, *later)


def _idle(db: Db, gateway: Ref) -> tuple[Problem, ...]:
    """Return why no proxy serves. While old ones still serve, failing new ones do not affect Programmed."""
    connected = bool(db.sync_status(gateway).clients)
    if connected and has_ready_endpoint(db, gateway):
        return ()
    return workload_problems(db, gateway) or ((NOT_READY,) if connected else ())


def _rank(problem: Problem) -> int:
    return FIRST.index(problem.reason) if problem.reason in FIRST else -1


def warned(db: Db, gateway: Ref, condition: Condition) -> Condition:
    """Return a Gateway's condition Programmed with the problems of some of its proxies, and with drain blockers."""
    if db.settings.offline or db.settings.standalone or condition.status != "True":
        return condition
    chosen = parameters(db, gateway).value
    texts = [each.message for each in workload_problems(db, gateway)]
    texts += [] if chosen is None else drain_blockers(chosen)
    texts += [service_problem(db, gateway, each) for each in OWN_SERVICES]
    return condition._replace(message=" ".join(filter(None, (condition.message, *texts))))


def addresses_json(db: Db, gateway: Ref) -> list[dict[str, str]]:
    """Return the `status.addresses` of a Gateway in a cluster."""
    return [
        {"type": each.type, "value": each.value, **({"routability": each.routability} if each.routability else {})}
        for each in assigned(db, gateway).value
    ]
