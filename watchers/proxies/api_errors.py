"""Errors of the API server about manifests, as problems for a Gateway's conditions."""

from __future__ import annotations

from typing import Final

from translator.outcome import Problem
from translator.refs import Ref
from watchers.kubernetes.errors import ApiError

MOST: Final = 4096
"""The most characters of the API server's message in a condition."""

_INVALID: Final = ("typed patch object", "field is immutable", "cannot be handled as")
"""Parts of messages that mean the same as status 422."""
_DENIED: Final = ("denied request", "denied the request")
"""Parts of messages of admission policies and webhooks, which may have status 422 too."""
_NO_KIND: Final = ("could not find the requested resource", "page not found")
"""Parts of messages about a kind whose definition, or that of its whole group, is not installed."""
_WEBHOOK_FAILED: Final = "failed calling webhook"
"""Part of the message about a required webhook that does not respond; its status is 500."""


def is_transient(error: ApiError) -> bool:
    """Return whether an error is transient: the server is busy, or another client changed the same object."""
    lasting = _invalid(error) or _WEBHOOK_FAILED in error.message
    return error.status in (409, 429) or (error.status >= 500 and not lasting)


def problem_of(ref: Ref, error: ApiError) -> Problem:
    """Return the problem for an error of the API server: the object, the reason and the way out.

    Args:
        ref: the object that was applied.
        error: the API server's error.
    """
    message = error.message[:MOST].rstrip(".")
    if _invalid(error):
        text = f"{ref} would not be valid: {message}. Correct the GatewayParameters."
        return Problem("Accepted", "InvalidParameters", text)
    if "exceeded quota" in message or "failed quota" in message:
        return Problem("Programmed", "NoResources", f"A quota denies {ref}: {message}.")
    if " cannot " in message and error.status == 403:
        text = f"Headgate may not deploy {ref}: {message}. Grant the permission, as the ClusterRole in deploy/ does."
        return Problem("Programmed", "Pending", text)
    if error.status == 404 and any(each in message for each in _NO_KIND):
        text = f"{ref} cannot be applied, since the cluster has no such kind ({message}): install its definition"
        return Problem("Programmed", "Pending", f"{text}, or remove what asks for it from the GatewayParameters.")
    if _WEBHOOK_FAILED in message:
        text = f"{ref} cannot be applied while a webhook does not respond: {message}. Repair or remove the webhook."
        return Problem("Programmed", "Pending", text)
    return Problem("Programmed", "Pending", f"{ref} is denied: {message}.")


def conflicting_object(ref: Ref) -> Problem:
    """Return the problem that an object of this name exists and is not Headgate's."""
    text = f"{ref} exists already, and is not Headgate's: rename or delete it."
    return Problem("Programmed", "Pending", text)


def _invalid(error: ApiError) -> bool:
    if any(each in error.message for each in _DENIED):
        return False
    return error.status == 422 or any(each in error.message for each in _INVALID)
