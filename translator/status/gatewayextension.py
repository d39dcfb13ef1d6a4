"""The status of GatewayExtensions: whether what they provide can be used."""

from __future__ import annotations

from translator.conditions import Status, own_status
from translator.db import Db
from translator.engine.query import query
from translator.kinds import StatusKind
from translator.objects.headgate.gatewayextension import GatewayExtension
from translator.providers import provider
from translator.refs import Ref
from translator.status.invalid import not_accepted


@query
def extension_status(db: Db, ref: Ref) -> Status | None:
    """Return the status of a GatewayExtension by itself, whether or not a policy refers to it."""
    found = db.get(GatewayExtension, ref)
    if found is None:
        return None
    return own_status(provider(db, ref).problems, "The extension is valid.", found.metadata.generation)


STATUS = StatusKind(GatewayExtension, extension_status, not_accepted)
