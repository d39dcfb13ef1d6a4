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
from translator.objects.gateway_api.gateway import gateway_of
from watchers.kubernetes.client import Api
from watchers.kubernetes.errors import ApiError, ClusterError
from xds import StreamRejected

#: A token that was found good is not asked about again for so many seconds, and so many are remembered.
REMEMBERED_SECONDS, REMEMBERED = 60.0, 10_000
#: The same of tokens that were found bad. They are kept apart, so that whoever makes some up evicts no good one.
BAD_SECONDS, BAD = 10.0, 10_000
#: So many tokens are asked about at once, and so long each may take, in seconds; who waits longer tries again.
AT_ONCE, SECONDS = 32, 10.0

log = structlog.stdlib.get_logger("headgate.security")


def proxy_account(key: str) -> str:
    """Return the user name of the service account of the proxies of the Gateway "namespace/name"."""
    gateway = gateway_of(key)
    return f"system:serviceaccount:{gateway.namespace}:{resource_name(gateway)}"


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
class _Asked:
    """A pending review, and the number of streams that wait for it."""

    task: asyncio.Task[_Verdict]
    waiting: int = 0


class TokenReviews:
    """Token reviews: one request per token, however many streams wait for it, with a cache.

    During an outage of the API server only cached tokens are accepted; open streams stay open.

    Args:
        api: the way to it.
        clock: gives seconds; only differences count.
    """

    def __init__(self, api: Api, clock: Callable[[], float] = time.monotonic) -> None:
        self._api = api
        self._clock = clock
        # By digest: what is remembered is of no use to whoever reads our memory.
        self._good = _ReviewCache(REMEMBERED_SECONDS, REMEMBERED)
        self._bad = _ReviewCache(BAD_SECONDS, BAD)
        self._asked: dict[bytes, _Asked] = {}
        self._turns = asyncio.Semaphore(AT_ONCE)
        self._trouble = ""

    async def verify(self, token: str, key: str) -> None:
        """Authorise the holder of a token for a Gateway ("namespace/name") if it is one of its proxies.

        Raises:
            StreamRejected: it is not, the token is not good, or the API server cannot be asked.
        """
        user = await self.identify(token)
        if user != proxy_account(key):
            text = f"{user} may not have the resources of Gateway {key}: that is for {proxy_account(key)}"
            raise StreamRejected(text, grpc.StatusCode.PERMISSION_DENIED)

    async def identify(self, token: str) -> str:
        """Return the Kubernetes user name of a token.

        Raises:
            StreamRejected: the token is not good, or the API server cannot be asked.
        """
        verdict = await self._verdict(token)
        if verdict.why:
            raise StreamRejected(verdict.why, verdict.code)
        return verdict.user

    async def _verdict(self, token: str) -> _Verdict:
        digest, now = sha256(token.encode()).digest(), self._clock()
        if known := self._good.get(digest, now) or self._bad.get(digest, now):
            return known
        asked = self._asked.get(digest)
        if asked is None:
            asked = self._asked[digest] = _Asked(asyncio.create_task(self._ask(token, digest)))
        asked.waiting += 1
        try:
            return await asyncio.shield(asked.task)  # who gives up does not take the answer from the others
        finally:
            asked.waiting -= 1
            if not asked.waiting:
                # Nobody is left who would hear the answer: what is still in the queue is not asked at all.
                asked.task.cancel()
                del self._asked[digest]

    async def _ask(self, token: str, digest: bytes) -> _Verdict:
        try:
            async with self._turns:
                verdict = await self._review(token)
        except ClusterError as error:
            self._tell(error)
            return _Verdict("", f"the token cannot be checked: {error}", grpc.StatusCode.UNAVAILABLE)
        self._tell(None)
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

    def _tell(self, error: ClusterError | None) -> None:
        """Log when a failure begins, and when it ends."""
        trouble = "" if error is None else _words(error)
        if trouble != self._trouble:
            log.warning(trouble) if trouble else log.info("Tokens of proxies can be checked again")
        self._trouble = trouble


def _words(error: ClusterError) -> str:
    if isinstance(error, ApiError) and error.status == 403:
        return (
            "may not create tokenreviews.authentication.k8s.io: grant the verb create on it, as the ClusterRole in "
            f"deploy/ does; until then no proxy that comes anew is served ({error.message})"
        )
    return f"Tokens of proxies cannot be checked; those that are connected are served: {error}"
