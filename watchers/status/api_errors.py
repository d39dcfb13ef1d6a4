"""Errors of the API server about statuses: whether they concern an object, its kind or all."""

from __future__ import annotations

from translator.refs import Ref
from translator.registry import KINDS
from watchers.controllers.reconciler import Blocked, Rejected
from watchers.kubernetes.errors import ApiError
from watchers.kubernetes.paths import resource


def is_object_gone(ref: Ref, error: ApiError) -> bool:
    """Tell whether an error says that there is no such object; a 404 may also be of its kind."""
    return error.status == 404 and f'"{ref.name}" not found' in error.message


def failure_of(kind: str, error: ApiError) -> ApiError | Blocked | Rejected:
    """Return what an error that ends a write to an object of a kind concerns; itself if it is an outage.

    Args:
        kind: the object's kind.
        error: the API server's answer, which is not that the object is gone.
    """
    if error.status == 404:
        return not_served(kind, error)
    if error.status in (429, 503):
        return error
    if error.status == 403 and " cannot " in error.message:
        return _forbidden(kind, error)
    # An admission policy, a webhook that fails, a field that this version of the API does not take.
    return Rejected(error.retry_after)


def not_served(kind: str, error: ApiError) -> Blocked:
    """Return that a kind has no status path: its version has changed, or its definition lacks the subresource."""
    return Blocked(
        f"{resource(KINDS[kind])} has no status to write in the version that it was read in: either that has just "
        f"ceased to be served, or its definition lacks the subresource status: install the Gateway API's own; "
        f"until then no {kind} tells what became of it",
        error,
    )


def _forbidden(kind: str, error: ApiError) -> Blocked:
    name, _, group = resource(KINDS[kind]).partition(".")
    return Blocked(
        f"may not patch {name}/status in the API group {group}: grant the verbs get and patch on it, as the "
        f"ClusterRole in deploy/ does; until then no {kind} tells what became of it",
        error,
    )
