"""Errors of the API server about status writes, classified by scope: an object, its kind, or all objects."""

from __future__ import annotations

from translator.refs import Ref
from translator.registry import KINDS
from watchers.controllers.reconciler import Blocked, Rejected
from watchers.kubernetes.errors import ApiError, is_namespace_gone
from watchers.kubernetes.paths import resource


def is_object_gone(ref: Ref, error: ApiError) -> bool:
    """Return whether an error says that the object or its namespace does not exist; a 404 may also concern its kind."""
    return is_namespace_gone(error) or (error.status == 404 and f'"{ref.name}" not found' in error.message)


def failure_of(kind: str, error: ApiError) -> ApiError | Blocked | Rejected:
    """Return the exception to raise for an error of a status write; the error itself if it is an outage.

    Args:
        kind: the object's kind.
        error: the API server's error; not that the object does not exist.
    """
    if error.status == 404:
        return not_served(kind, error)
    if error.status in (429, 503):
        return error
    if error.status == 403 and " cannot " in error.message:
        return _forbidden(kind, error)
    # An admission policy, a failing webhook, or a field that this version of the API lacks.
    return Rejected(error.retry_after)


def not_served(kind: str, error: ApiError) -> Blocked:
    """Return the exception for a kind without a status path: its version or its subresource is not served."""
    return Blocked(
        f"{resource(KINDS[kind])} has no status subresource in the version that it was read in: the version is no "
        f"longer served, or its CustomResourceDefinition lacks the subresource: install that of the Gateway API; "
        f"until then no {kind} gets a status",
        error,
    )


def _forbidden(kind: str, error: ApiError) -> Blocked:
    name, _, group = resource(KINDS[kind]).partition(".")
    return Blocked(
        f"may not patch {name}/status in the API group {group}: grant the verbs get and patch on it, as the "
        f"ClusterRole in deploy/ does; until then no {kind} gets a status",
        error,
    )
