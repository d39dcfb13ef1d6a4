"""What becomes of a request: at the Gateways that listen on its port, or at one that is named."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from translator.db import Db
from translator.explain.facts import with_facts
from translator.explain.gateway import explain_at, listeners
from translator.explain.request import Request
from translator.explain.result import Explanation
from translator.objects.gateway_api.gateway import key_of
from translator.refs import Ref
from xds import Snapshot


def explain(
    db: Db, snapshots: Mapping[Ref, Snapshot], request: Request, gateway: str | None = None
) -> tuple[Explanation, ...]:
    """Return what becomes of a request, at each Gateway that may be meant; the arguments are those of the two below."""
    return chosen(db, candidates(snapshots, request, gateway), request)


def candidates(
    snapshots: Mapping[Ref, Snapshot], request: Request, gateway: str | None = None
) -> tuple[Explanation, ...]:
    """Return what resources say of a request, at the Gateways that listen on its port, or at all if none does.

    Args:
        snapshots: the resources of each Gateway.
        request: the request.
        gateway: the "namespace/name" of the Gateway that is meant; None for any.
    """
    known = {key_of(ref): snapshot for ref, snapshot in sorted(snapshots.items())}
    if gateway is not None:
        known = {gateway: known[gateway]} if gateway in known else {}
    listening = {key: each for key, each in known.items() if request.port in listeners(each)}
    return tuple(explain_at(key, snapshot, request) for key, snapshot in (listening or known).items())


def chosen(db: Db, found: Iterable[Explanation], request: Request) -> tuple[Explanation, ...]:
    """Return explanations with what objects say of them; of those that serve the request alone, if there are some.

    Args:
        db: the database, in which nothing is being evaluated.
        found: the explanations.
        request: the request.
    """
    made = [with_facts(db, each, request.port) for each in found]
    return tuple([each for each in made if each.served] or made)
