"""Token reviews: few requests, and no access without one. With an API server: test_cluster_e2e."""

from __future__ import annotations

import asyncio
from collections import Counter
from typing import Any

import grpc
import pytest
import structlog.testing

from headgate.security import access, tokens
from headgate.security.access import AccessReviews
from headgate.security.tokens import BAD_SECONDS, REMEMBERED_SECONDS, TokenReviews, proxy_account
from tests import virtual_time
from tests.watchers.punctual import Punctual
from translator.infrastructure.pod import AUDIENCE
from watchers.kubernetes.errors import ApiError, ClusterError, Unreachable
from xds.server.server import StreamRejected

WEB = "default/web"


class Reviewer:
    """Answers as the API server's TokenReview does: the holder of "web" is the proxy of default/web.

    Attributes:
        asked: how often about which token.
        gate: requests wait until it is set.
        error: what all requests meet with.
    """

    def __init__(self) -> None:
        self.asked: Counter[str] = Counter()
        self.gate = asyncio.Event()
        self.gate.set()
        self.error: ClusterError | None = None
        self.running = self.most_running = 0

    async def request(self, method: str, path: str, *, body: Any = None, seconds: float = 0, **_: Any) -> Any:
        """As `watchers.kubernetes.client.ApiClient` does."""
        assert (method, path.rpartition("/")[2]) == ("POST", "tokenreviews")
        assert 0 < seconds < 15  # less than `Limits.first_request`
        token = body["spec"]["token"]
        self.asked[token] += 1
        self.running += 1
        self.most_running = max(self.running, self.most_running)
        try:
            await self.gate.wait()
        finally:
            self.running -= 1
        if self.error is not None:
            raise self.error
        if not token.startswith("web"):
            return {"status": {"error": "unknown"}}
        return {"status": {"authenticated": True, "audiences": [AUDIENCE], "user": {"username": proxy_account(WEB)}}}


class Clock:
    """A clock that a test sets."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        """Return the time."""
        return self.now


async def rejected(reviews: TokenReviews, token: str, key: str = WEB) -> grpc.StatusCode | None:
    """Return the status with which the holder of a token is rejected; None if it is authorised."""
    try:
        await reviews.verify(token, key)
    except StreamRejected as refusal:
        return refusal.code
    return None


@pytest.mark.parametrize(("token", "code"), [("web", None), ("bad", grpc.StatusCode.UNAUTHENTICATED)])
async def test_concurrent_streams_share_one_review(token: str, code: grpc.StatusCode | None) -> None:
    """Of many streams that start at once with a token, valid or not, one requests a review, and all get its result."""
    api = Reviewer()
    reviews = TokenReviews(api)
    api.gate.clear()
    waiting = [asyncio.create_task(rejected(reviews, token)) for _ in range(100)]
    await asyncio.sleep(0)
    api.gate.set()
    assert set(await asyncio.gather(*waiting)) == {code}
    assert api.asked == {token: 1}


async def test_a_cancelled_stream_does_not_cancel_the_review() -> None:
    """A stream that ends during a review does not affect another one with the same token."""
    api = Reviewer()
    reviews = TokenReviews(api)
    api.gate.clear()
    first, second = (asyncio.create_task(rejected(reviews, "web")) for _ in range(2))
    await asyncio.sleep(0)
    first.cancel()
    await asyncio.wait([first])
    api.gate.set()
    assert await second is None
    assert first.cancelled()
    assert api.asked == {"web": 1}


@pytest.mark.parametrize(("token", "seconds"), [("web", REMEMBERED_SECONDS), ("bad", BAD_SECONDS)])
async def test_verdicts_are_cached(token: str, seconds: float) -> None:
    """Within its time a verdict is reused, and not afterwards."""
    api, clock = Reviewer(), Clock()
    reviews = TokenReviews(api, clock)
    first = await rejected(reviews, token)
    clock.now = seconds - 1
    assert await rejected(reviews, token) == first
    assert api.asked[token] == 1
    clock.now = seconds
    assert await rejected(reviews, token) == first
    assert api.asked[token] == 2


async def test_a_cached_token_is_valid_for_its_own_gateway_only() -> None:
    """The cache has the user of a token, not the Gateway that it was used for."""
    reviews = TokenReviews(Reviewer())
    assert await rejected(reviews, "web") is None
    assert await rejected(reviews, "web", "default/other") is grpc.StatusCode.PERMISSION_DENIED


async def test_a_token_is_valid_for_the_clients_of_its_namespace() -> None:
    """A service account is a gRPC client of its namespace, and of none whose name only begins or ends so."""
    reviews = TokenReviews(Reviewer())
    assert await rejected(reviews, "web", "default") is None
    for namespace in ("", "defaul", "default-2", "default:web", "system:serviceaccount"):
        assert await rejected(reviews, "web", namespace) is grpc.StatusCode.PERMISSION_DENIED


async def test_invalid_tokens_evict_no_valid_one(monkeypatch: pytest.MonkeyPatch) -> None:
    """The caches of valid and of invalid tokens are bounded separately."""
    monkeypatch.setattr(tokens, "REMEMBERED", 3)
    monkeypatch.setattr(tokens, "BAD", 3)
    api = Reviewer()
    reviews = TokenReviews(api, Clock())
    assert await rejected(reviews, "web") is None
    for number in range(9):
        await rejected(reviews, f"bad {number}")
    assert await rejected(reviews, "web") is None
    assert api.asked["web"] == 1
    for number in range(3):
        await rejected(reviews, f"web {number}")
    await rejected(reviews, "bad 0")
    await rejected(reviews, "web")
    assert (api.asked["bad 0"], api.asked["web"]) == (2, 2)


async def test_concurrent_reviews_are_bounded() -> None:
    """Of many tokens, a few at a time are reviewed, and in the end all are."""
    api = Reviewer()
    reviews = TokenReviews(api)
    api.gate.clear()
    waiting = [asyncio.create_task(rejected(reviews, f"web {number}")) for number in range(200)]
    for _ in range(5):
        await asyncio.sleep(0)
    assert api.running == tokens.AT_ONCE
    api.gate.set()
    assert set(await asyncio.gather(*waiting)) == {None}
    assert api.most_running == tokens.AT_ONCE


async def test_an_outage_rejects_unknown_tokens() -> None:
    """During an outage only cached tokens are accepted; no failure is cached; it is logged once."""
    api, clock = Reviewer(), Clock()
    reviews = TokenReviews(api, clock)
    assert await rejected(reviews, "web") is None
    api.error = Unreachable("https://api", "refused")
    with structlog.testing.capture_logs() as logs:
        clock.now = REMEMBERED_SECONDS - 1
        assert await rejected(reviews, "web") is None
        assert await rejected(reviews, "web 2") is grpc.StatusCode.UNAVAILABLE
        clock.now = REMEMBERED_SECONDS
        assert await rejected(reviews, "web") is grpc.StatusCode.UNAVAILABLE
        assert await rejected(reviews, "bad") is grpc.StatusCode.UNAVAILABLE
        api.error = None
        assert await rejected(reviews, "web") is None
        assert await rejected(reviews, "web 2") is None
    assert [each["log_level"] for each in logs] == ["warning", "info"]


async def test_a_missing_permission_is_named() -> None:
    """The message of a denied review names the verb and resource to grant."""
    api = Reviewer()
    api.error = ApiError("POST /x", 403, "Forbidden", 'User "u" cannot create resource "tokenreviews"')
    with structlog.testing.capture_logs() as logs:
        assert await rejected(TokenReviews(api), "web") is grpc.StatusCode.UNAVAILABLE
    assert "may not create tokenreviews.authentication.k8s.io" in logs[0]["event"]


async def test_a_review_without_a_waiting_stream_is_not_sent() -> None:
    """Tokens of ended streams leave the queue without a review."""
    api = Reviewer()
    reviews = TokenReviews(api)
    api.gate.clear()
    gone = [asyncio.create_task(rejected(reviews, f"web {number}")) for number in range(500)]
    await asyncio.sleep(0)
    for each in gone:
        each.cancel()
    await asyncio.wait(gone)
    api.gate.set()
    assert await rejected(reviews, "web") is None
    assert len(api.asked) <= tokens.AT_ONCE + 1
    assert not reviews._pending


@virtual_time.passes
async def test_an_unanswered_review_rejects_the_token() -> None:
    """A review without an answer ends after a timeout, and the client is rejected and may retry."""
    api = Reviewer()
    api.gate.clear()
    now = asyncio.get_running_loop().time
    assert await rejected(TokenReviews(Punctual(api)), "web") is grpc.StatusCode.UNAVAILABLE
    assert now() == pytest.approx(tokens.SECONDS)
    assert "cannot be checked" in await AccessReviews(Punctual(api)).may("web", "/config")
    assert now() == pytest.approx(tokens.SECONDS + access.SECONDS)
