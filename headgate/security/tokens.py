"""Tokens of service accounts, verified by the API server (authentication.k8s.io/v1, TokenReview)."""

from __future__ import annotations

import asyncio
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from hashlib import sha256
from typing import NamedTuple

import grpc
import structlog

from translator.infrastructure.names import resource_name
from translator.infrastructure.pod import AUDIENCE
from translator.objects.gateway_api.gateway import gateway_of, is_gateway_key
from watchers.kubernetes.client import Api
from watchers.kubernetes.errors import ApiError, ClusterError
from xds import StreamRejected

#: Seconds for which a valid token is cached, and the most valid tokens in the cache.
REMEMBERED_SECONDS, REMEMBERED = 60.0, 10_000
#: The same for invalid tokens, in a separate cache, so that invented tokens evict no valid one.
BAD_SECONDS, BAD = 10.0, 10_000
#: Most concurrent reviews, and the timeout of each, in seconds; a client that waits longer must retry.
AT_ONCE, SECONDS = 32, 10.0

log = structlog.stdlib.get_logger("headgate.security")


def proxy_account(key: str) -> str:
    """Return the user name of the service account of the proxies of the Gateway "namespace/name"."""
    gateway = gateway_of(key)
    return f"system:serviceaccount:{gateway.namespace}:{resource_name(gateway)}"


def _check_namespace(user: str, namespace: str) -> None:
    """Check that a user is a service account of a namespace, which the gRPC clients there are."""
    accounts = f"system:serviceaccount:{namespace}:"
    if not (namespace and user.startswith(accounts)):
        text = f"{user} is no gRPC client of namespace {namespace!r}: that is for {accounts}*, by node.cluster"
        raise StreamRejected(text, grpc.StatusCode.PERMISSION_DENIED)


class _Verdict(NamedTuple):
    """The verdict on a token: its user, or the reason and gRPC status of its rejection."""

    user: str
    why: str = ""
    code: grpc.StatusCode = grpc.StatusCode.OK


class _ReviewCache:
    """A cache of verdicts by token digest, bounded in time and number."""

    def __init__(self, seconds: float, most: int) -> None:
        self._seconds = seconds
        self._most = most
        self._known: OrderedDict[bytes, tuple[_Verdict, float]] = OrderedDict()

    def get(self, digest: bytes, now: float) -> _Verdict | None:
        known = self._known.get(digest)
        return known[0] if known is not None and now < known[1] else None

    def put(self, digest: bytes, verdict: _Verdict, now: float) -> None:
        self._known[digest] = verdict, now + self._seconds
        self._known.move_to_end(digest)
        if len(self._known) > self._most:
            self._known.popitem(last=False)


@dataclass(slots=True)
class _PendingReview:
    """A pending review, and the number of streams that wait for it."""

    task: asyncio.Task[_Verdict]
    waiting: int = 0


class TokenReviews:
    """Token reviews: one request per token, however many streams wait for it, with a cache.

    During an outage of the API server only cached tokens are accepted; open streams stay open.

    Args:
        api: the client of the API server.
        clock: returns the time in seconds; only differences count.
    """

    def __init__(self, api: Api, clock: Callable[[], float] = time.monotonic) -> None:
        self._api = api
        self._clock = clock
        # By digest, so that the caches contain no tokens.
        self._good = _ReviewCache(REMEMBERED_SECONDS, REMEMBERED)
        self._bad = _ReviewCache(BAD_SECONDS, BAD)
        self._pending: dict[bytes, _PendingReview] = {}
        self._turns = asyncio.Semaphore(AT_ONCE)
        self._failure = ""

    async def verify(self, token: str, key: str) -> None:
        """Authorise the holder of a token for a key: that of its Gateway, or that of the gRPC clients of its namespace.

        Raises:
            StreamRejected: it has another Gateway or namespace, the token is invalid, or the API server is unavailable.
        """
        user = await self.identify(token)
        if not is_gateway_key(key):
            _check_namespace(user, key)
        elif user != proxy_account(key):
            text = f"{user} may not have the resources of Gateway {key}: that is for {proxy_account(key)}"
            raise StreamRejected(text, grpc.StatusCode.PERMISSION_DENIED)

    async def identify(self, token: str) -> str:
        """Return the Kubernetes user name of a token.

        Raises:
            StreamRejected: the token is invalid, or the API server is unavailable.
        """
        verdict = await self._verdict(token)
        if verdict.why:
            raise StreamRejected(verdict.why, verdict.code)
        return verdict.user

    async def _verdict(self, token: str) -> _Verdict:
        digest, now = sha256(token.encode()).digest(), self._clock()
        if known := self._good.get(digest, now) or self._bad.get(digest, now):
            return known
        pending = self._pending.get(digest)
        if pending is None:
            pending = self._pending[digest] = _PendingReview(asyncio.create_task(self._limited_review(token, digest)))
        pending.waiting += 1
        try:
            return await asyncio.shield(pending.task)  # a cancelled stream must not cancel the review of others
        finally:
            pending.waiting -= 1
            if not pending.waiting:
                # No stream waits for the review any more: one in the queue is not sent at all.
                pending.task.cancel()
                del self._pending[digest]

    async def _limited_review(self, token: str, digest: bytes) -> _Verdict:
        try:
            async with self._turns:
                verdict = await self._review(token)
        except ClusterError as error:
            self._log_failure(error)
            return _Verdict("", f"the token cannot be checked: {error}", grpc.StatusCode.UNAVAILABLE)
        self._log_failure(None)
        (self._bad if verdict.why else self._good).put(digest, verdict, self._clock())
        return verdict

    async def _review(self, token: str) -> _Verdict:
        body = {
            "apiVersion": "authentication.k8s.io/v1",
            "kind": "TokenReview",
            "spec": {"token": token, "audiences": [AUDIENCE]},
        }
        path = "/apis/authentication.k8s.io/v1/tokenreviews"
        answer = await self._api.request("POST", path, body=body, seconds=SECONDS)
        status = answer.get("status") or {}
        if not status.get("authenticated") or AUDIENCE not in (status.get("audiences") or ()):
            why = status.get("error") or f"it is not valid for the audience {AUDIENCE}"
            return _Verdict("", f"the token is not good: {why}", grpc.StatusCode.UNAUTHENTICATED)
        return _Verdict(str(status["user"]["username"]))

    def _log_failure(self, error: ClusterError | None) -> None:
        """Log the start and the end of a failure."""
        failure = "" if error is None else _words(error)
        if failure != self._failure:
            log.warning(failure) if failure else log.info("Tokens of proxies can be checked again")
        self._failure = failure


def _words(error: ClusterError) -> str:
    if isinstance(error, ApiError) and error.status == 403:
        return (
            "may not create tokenreviews.authentication.k8s.io: grant the verb create on it, as the ClusterRole in "
            f"deploy/ does; until then no proxy that comes anew is served ({error.message})"
        )
    return f"Tokens of proxies cannot be checked; those that are connected are served: {error}"
