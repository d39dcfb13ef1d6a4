"""The status of GatewayParameters."""

from __future__ import annotations

from typing import Any, Final

from translator.conditions import verdict
from translator.db import Db
from translator.engine.query import query
from translator.infrastructure.manifests import manifests
from translator.infrastructure.parameters import users
from translator.infrastructure.render_input import InvalidParameters, RenderInput
from translator.kinds import StatusKind
from translator.objects.gateway_api.gateway import Gateway
from translator.objects.headgate.gatewayparameters import GatewayParameters
from translator.outcome import Problem
from translator.refs import Ref
from translator.status.invalid import not_accepted

ANY_GATEWAY: Final = Gateway.model_validate(
    {
        "metadata": {"name": "any"},
        "spec": {"gatewayClassName": "any", "listeners": [{"name": "any", "port": 80, "protocol": "HTTP"}]},
    }
)


@query
def parameters_status(db: Db, ref: Ref) -> dict[str, Any] | None:
    """Return the status of GatewayParameters by themselves; how they go with others' shows at the Gateway."""
    found = db.get(GatewayParameters, ref)
    if found is None or db.settings.standalone:
        return None
    error = _error(db, found)
    problems = [Problem("Accepted", "Invalid", error)] if error else []
    used = next(iter(db.select(users, ref)), None) is not None
    text = "The parameters are valid." if used else "The parameters are valid. No Gateway of Headgate's uses them."
    accepted = verdict("Accepted", problems, "Accepted", text)
    return {"conditions": [accepted.json(found.metadata.generation or 1)]}


def _error(db: Db, found: GatewayParameters) -> str:
    """Return why no Gateway could have proxies with these parameters alone; "" if one could."""
    plan = RenderInput(ANY_GATEWAY, found.spec, db.proxy_defaults, db.settings.controller_name, ports=(), addresses=())
    try:
        list(manifests(plan))
    except InvalidParameters as caught:
        return str(caught)
    return ""


STATUS = StatusKind(GatewayParameters, parameters_status, not_accepted)
