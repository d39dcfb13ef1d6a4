"""The status of Backends of Headgate's own: whether they can be used."""

from __future__ import annotations

from translator.conditions import Status, own_status
from translator.db import Db
from translator.engine.query import query
from translator.kinds import StatusKind
from translator.objects.headgate.backend import HeadgateBackend
from translator.refs import Ref
from translator.status.invalid import not_accepted


@query
def headgate_backend_status(db: Db, ref: Ref) -> Status | None:
    """Return the status of a Backend by itself, whether or not anything refers to it."""
    found, read = db.get(HeadgateBackend, ref), db.registry.backend(ref.kind).problems
    if found is None or read is None:
        return None
    return own_status(read(db, ref), "The backend is valid.", found.metadata.generation)


STATUS = StatusKind(HeadgateBackend, headgate_backend_status, not_accepted)
