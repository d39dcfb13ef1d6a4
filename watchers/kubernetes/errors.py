"""Errors of requests to an API server, each with a message that says the way out."""

import re
from typing import Final

_USER: Final = re.compile(r'User "([^"]+)"')


class ClusterError(Exception):
    """The cluster cannot be used as asked; the message says why and the way out, and holds no secret."""


class ConfigurationError(ClusterError):
    """It is not known which API server to ask, or how to prove who asks."""


class Unreachable(ClusterError):
    """There was no answer, or not a whole one; whether a change was made is not known."""

    def __init__(self, url: str, reason: str) -> None:
        super().__init__(
            f"The API server at {url} gives no answer ({reason}): see that it runs and can be reached from here"
        )
        self.url = url
        self.reason = reason


class TooLarge(ClusterError):
    """An answer is longer than is taken in."""


class Malformed(ClusterError):
    """What came is not what an API server sends; something between may have put in a page of its own."""


class ApiError(ClusterError):
    """The API server's answer is that it does not do it.

    Attributes:
        status: the HTTP status code, such as 409; also of an ERROR event of a watch.
        reason: the reason of the Kubernetes `Status`, such as "Conflict" or "AlreadyExists"; "" if there is none.
        message: the server's own words.
        retry_after: the seconds that it asks to wait, 0 if it does not.
    """

    def __init__(self, what: str, status: int, reason: str = "", message: str = "", retry_after: float = 0) -> None:
        super().__init__(f"{what}: {message or reason or 'no reason given'} ({status})")
        self.status = status
        self.reason = reason
        self.message = message
        self.retry_after = retry_after


def forbidden(verb: str, resource: str, error: ApiError) -> str:
    """Say that RBAC does not allow something, and the way out.

    Args:
        verb: the RBAC verb, such as "list".
        resource: the resource with its group, such as "httproutes.gateway.networking.k8s.io", and where.
        error: the API server's answer, a 403.
    """
    user = _USER.search(error.message)
    whom = user.group(1) if user else "the user that Headgate is"
    return (
        f"may not {verb} {resource}: grant the verbs get, list and watch on it to {whom}, as the ClusterRole in "
        f"deploy/ does; until then nothing of it is known"
    )
