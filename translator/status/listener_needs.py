"""What a Gateway's listeners do not have that a unit of policies needs."""

from __future__ import annotations

from translator.db import Db
from translator.engine.query import query
from translator.extension import policy_units
from translator.gateway.ports import accepted_listeners, gateway_ports
from translator.refs import Ref
from translator.resources.listener_policies import listener_stack, policies_of


@query(firewall=True)
def some_listener_has(db: Db, gateway: Ref, unit: str) -> bool:
    """Return whether policies give a listener of a Gateway a unit of listeners, by its field."""
    needed = [each for each in policy_units(db) if each.field == unit]
    for port in gateway_ports(db, gateway):
        for state in accepted_listeners(db, gateway, port):
            found = policies_of(db, listener_stack(db, gateway, state.ref, state.port), state.protocol)
            if any(each.is_setting(setting) for each in needed for setting in found.settings):
                return True
    return False
