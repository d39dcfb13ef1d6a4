"""Errors of the API server about statuses, by what they concern."""

from __future__ import annotations

import pytest

from tests.watchers.status.writing import route
from watchers.controllers.reconciler import Blocked, Rejected
from watchers.kubernetes.errors import ApiError
from watchers.status.api_errors import failure_of, is_object_gone


def error(status: int, message: str = "", retry_after: float = 0) -> ApiError:
    """Return the API server's answer to a patch."""
    return ApiError("PATCH", status, "", message, retry_after)


def test_an_object_that_is_gone_is_named() -> None:
    """A 404 about another name, or about none, is no word about the object."""
    assert is_object_gone(route("a"), error(404, 'httproutes.gateway.networking.k8s.io "a" not found'))
    assert not is_object_gone(route("a"), error(404, 'namespaces "b" not found'))
    assert not is_object_gone(route("a"), error(404, "the server could not find the requested resource"))
    assert not is_object_gone(route("a"), error(409, '"a" not found'))


@pytest.mark.parametrize("status", [429, 503])
def test_a_busy_api_server_is_an_outage(status: int) -> None:
    """The error stays what it is, so that every write waits."""
    busy = error(status, "slow down", 5)
    assert failure_of("HTTPRoute", busy) is busy


@pytest.mark.parametrize(
    ("status", "message", "says"),
    [
        (404, "the server could not find the requested resource", "has no status subresource"),
        (403, 'User "u" cannot patch resource "httproutes/status"', "may not patch httproutes/status in the API group"),
    ],
)
def test_what_no_object_of_a_kind_gets_past_blocks_the_kind(status: int, message: str, says: str) -> None:
    """The message names the kind, and the API server's answer goes with it."""
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
    """Only the object waits, at least as long as the API server asks."""
    failure = failure_of("HTTPRoute", error(status, message, 7))
    assert isinstance(failure, Rejected)
    assert failure.retry_after == 7
