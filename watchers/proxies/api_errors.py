"""Errors of the API server about manifests, as problems for a Gateway's conditions."""

from __future__ import annotations

from typing import Final

from translator.outcome import Problem
from translator.refs import Ref
from watchers.kubernetes.errors import ApiError

MOST: Final = 4096
"""The longest text of the API server that is told."""

_INVALID: Final = ("typed patch object", "field is immutable", "cannot be handled as")
"""Words of answers that say the same as 422 does."""
_DENIED: Final = ("denied request", "denied the request")
"""Words of admission policies and webhooks, which may answer with 422 too."""
_UNHEARD: Final = "failed calling webhook"
"""Words of the API server about a webhook that must be asked and does not answer; it tells them as a 500."""


def is_transient(error: ApiError) -> bool:
    """Tell whether an error passes by itself: the server is busy, or another client changed the same object."""
    told = _invalid(error) or _UNHEARD in error.message
    return error.status in (409, 429) or (error.status >= 500 and not told)


def is_namespace_gone(error: ApiError) -> bool:
    """Tell whether the namespace is missing or being deleted, and the Gateway with it."""
    return (error.status == 404 and "namespaces" in error.message) or "being terminated" in error.message


def problem_of(ref: Ref, error: ApiError) -> Problem:
    """Return the problem that an error of the API server means: the object, the reason and the way out.

    Args:
        ref: the object that was applied.
        error: the API server's answer.
    """
    said = error.message[:MOST].rstrip(".")
    if _invalid(error):
        text = f"{ref} would not be valid: {said}. Correct the GatewayParameters."
        return Problem("Accepted", "InvalidParameters", text)
    if "exceeded quota" in said or "failed quota" in said:
        return Problem("Programmed", "NoResources", f"A quota denies {ref}: {said}.")
    if " cannot " in said and error.status == 403:
        text = f"Headgate may not deploy {ref}: {said}. Grant it, as the ClusterRole in deploy/ does."
        return Problem("Programmed", "Pending", text)
    if _UNHEARD in said:
        text = f"{ref} is not taken while a webhook gives no answer: {said}. Mend or remove the webhook."
        return Problem("Programmed", "Pending", text)
    return Problem("Programmed", "Pending", f"{ref} is denied: {said}.")


def conflicting_object(ref: Ref) -> Problem:
    """Return the problem that an object of this name belongs to somebody else."""
    text = f"{ref} is there already, and not Headgate's: rename or delete it."
    return Problem("Programmed", "Pending", text)


def _invalid(error: ApiError) -> bool:
    if any(words in error.message for words in _DENIED):
        return False
    return error.status == 422 or any(words in error.message for words in _INVALID)
