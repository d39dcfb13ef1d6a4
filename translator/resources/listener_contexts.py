"""The query of what routes see of listeners."""

from __future__ import annotations

from translator.db import Db
from translator.engine.query import query
from translator.gateway.ports import accepted_listeners
from translator.infrastructure.parameters import denies_alpha
from translator.ir.listener import ListenerContext, RouteConfigKey
from translator.objects.gateway_api.gateway import gateway_of
from translator.policies.effective import Stack
from translator.resources.listener_policies import listener_policies


def listener_context(db: Db, table: RouteConfigKey, stack: Stack | None) -> ListenerContext:
    """Return what a route sees of the listeners of a table.

    Without policies, nothing that it says depends on those of the listeners, and no edit of these computes it again.

    Args:
        db: the database.
        table: the table.
        stack: the policies that the route has to know there (`route_stack`).
    """
    found = table.origin if stack is None else _context(db, table)
    return found._replace(denies_alpha=True) if denies_alpha(db, gateway_of(table.gateway)) else found


@query(firewall=True)
def _context(db: Db, table: RouteConfigKey) -> ListenerContext:
    """Return what routes with policies see; of listeners that share a filter chain, the first one's policies count."""
    listeners = accepted_listeners(db, gateway_of(table.gateway), table.socket_port)
    first = next((each for each in listeners if each.table == table), None)
    settings = listener_policies(db, first).settings if first is not None else ()
    facts = tuple(fact for each in settings for fact in each.for_routes)
    return table.origin._replace(facts=facts) if facts else table.origin
