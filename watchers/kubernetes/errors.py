"""Errors of requests to an API server; each message says how to resolve it."""

import re
from typing import Final

_USER: Final = re.compile(r'User "([^"]+)"')


class ClusterError(Exception):
    """A request failed; the message has the cause and the way to resolve it, and no secret."""


class ConfigurationError(ClusterError):
    """The address or the credentials of the API server are missing or invalid."""


class Unreachable(ClusterError):
    """There was no complete response; whether a change was made is not known."""

    def __init__(self, url: str, reason: str) -> None:
        super().__init__(
            f"The API server at {url} gives no answer ({reason}): see that it runs and can be reached from here"
        )
        self.url = url
        self.reason = reason


class TooLarge(ClusterError):
    """A response is too long."""


class Malformed(ClusterError):
    """A response is not one of an API server; a proxy in between may have answered."""


class ApiError(ClusterError):
    """The API server answered with an error.

    Attributes:
        status: the HTTP status code, such as 409; also of an ERROR event of a watch.
        reason: the reason of the Kubernetes `Status`, such as "Conflict" or "AlreadyExists"; "" if there is none.
        message: the server's message.
        retry_after: the seconds of the header Retry-After; 0 if there is none.
    """

    def __init__(self, what: str, status: int, reason: str = "", message: str = "", retry_after: float = 0) -> None:
        super().__init__(f"{what}: {message or reason or 'no reason given'} ({status})")
        self.status = status
        self.reason = reason
        self.message = message
        self.retry_after = retry_after


def is_namespace_gone(error: ApiError) -> bool:
    """Return whether the namespace of an object is missing or being deleted, and all its objects with it."""
    return (error.status == 404 and error.message.startswith("namespaces ")) or "being terminated" in error.message


def forbidden(verb: str, resource: str, error: ApiError) -> str:
    """Return the message of a request that RBAC does not allow, with the way to allow it.

    Args:
        verb: the RBAC verb, such as "list".
        resource: the resource with its group, such as "httproutes.gateway.networking.k8s.io", and where.
        error: the API server's response 403.
    """
    user = _USER.search(error.message)
    subject = user.group(1) if user else "the user that Headgate is"
    return (
        f"may not {verb} {resource}: grant the verbs get, list and watch on it to {subject}, as the ClusterRole in "
        f"deploy/ does; until then nothing of it is known"
    )
