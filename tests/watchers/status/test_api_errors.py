"""Errors of the API server about statuses, by their scope."""

from __future__ import annotations

import pytest

from tests.watchers.status.writing import route
from watchers.controllers.reconciler import Blocked, Rejected
from watchers.kubernetes.errors import ApiError
from watchers.status.api_errors import failure_of, is_object_gone


def error(status: int, message: str = "", retry_after: float = 0) -> ApiError:
    """Return an error of a patch."""
    return ApiError("PATCH", status, "", message, retry_after)


def test_a_missing_object_is_recognised_by_name() -> None:
    """A 404 is about the object only if it has the object's name, or says that its namespace is missing."""
    assert is_object_gone(route("a"), error(404, 'httproutes.gateway.networking.k8s.io "a" not found'))
    assert is_object_gone(route("a"), error(404, 'namespaces "b" not found'))
    assert not is_object_gone(route("a"), error(404, "the server could not find the requested resource"))
    assert not is_object_gone(route("a"), error(409, '"a" not found'))


@pytest.mark.parametrize("status", [429, 503])
def test_a_busy_api_server_is_an_outage(status: int) -> None:
    """The error of a busy API server is unchanged: an outage, which pauses all writes."""
    busy = error(status, "slow down", 5)
    assert failure_of("HTTPRoute", busy) is busy


@pytest.mark.parametrize(
    ("status", "message", "says"),
    [
        (404, "the server could not find the requested resource", "has no status subresource"),
        (403, 'User "u" cannot patch resource "httproutes/status"', "may not patch httproutes/status in the API group"),
    ],
)
def test_an_error_of_all_objects_blocks_the_kind(status: int, message: str, says: str) -> None:
    """The error that blocks a kind names it, with the API server's error."""
    failure = failure_of("HTTPRoute", error(status, message))
    assert isinstance(failure, Blocked)
    assert says in failure.message
    assert failure.message.endswith("until then no HTTPRoute gets a status")
    assert failure.error.message == message


@pytest.mark.parametrize(
    ("status", "message"),
    [
        (403, "admission webhook denied the request"),
        (422, "spec.x: Invalid value"),
        (500, "failed calling webhook"),
        (502, "bad gateway"),
    ],
)
def test_any_other_error_rejects_the_object(status: int, message: str) -> None:
    """Another error rejects the object only, with the pause of Retry-After."""
    failure = failure_of("HTTPRoute", error(status, message, 7))
    assert isinstance(failure, Rejected)
    assert failure.retry_after == 7
