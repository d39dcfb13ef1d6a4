"""Access reviews of the admin server: tokens and paths are checked by the API server, with a bounded cache."""

from __future__ import annotations

from typing import Any

import pytest

from headgate.security.access import REMEMBERED_SECONDS, AccessReviews
from watchers.kubernetes.errors import Unreachable


class Reviewer:
    """An API server at which `reader` may get /config."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.error: Exception | None = None

    async def request(self, method: str, path: str, *, body: Any = None, seconds: float = 0, **_: Any) -> Any:
        """Answer a review."""
        assert (method, seconds) == ("POST", 5.0)
        self.asked.append(path)
        if self.error:
            raise self.error
        spec = body["spec"]
        if body["kind"] == "TokenReview":
            user = {"username": spec["token"], "groups": ["people"]}
            return {"status": {"authenticated": True, "user": user} if spec["token"] != "bad" else {}}
        assert spec["groups"] == ["people"]
        allowed = (spec["user"], spec["nonResourceAttributes"]) == ("reader", {"path": "/config", "verb": "get"})
        return {"status": {"allowed": allowed}}


async def test_the_cluster_authorises_access() -> None:
    """The user of a token, and its access to a path, are reviewed, cached for a moment, and never guessed."""
    now = 0.0
    api = Reviewer()
    access = AccessReviews(api, lambda: now)
    assert await access.may("reader", "/config") == ""
    assert await access.may("reader", "/config") == ""
    assert len(api.asked) == 2
    assert "may not get the nonResourceURL /status" in await access.may("reader", "/status")
    assert "may not get" in await access.may("other", "/config")
    assert "does not know it" in await access.may("bad", "/config")
    now = REMEMBERED_SECONDS
    api.error = Unreachable("https://api", "refused")
    assert "cannot be checked" in await access.may("reader", "/config")
    api.error = None
    assert await access.may("reader", "/config") == ""


async def test_the_cache_of_access_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """Above the limit of tokens and paths, the oldest is reviewed again."""
    monkeypatch.setattr("headgate.security.access.MAX_REMEMBERED", 2)
    api = Reviewer()
    access = AccessReviews(api, lambda: 0.0)
    for path in ("/a", "/b", "/config"):
        await access.may("reader", path)
    asked = len(api.asked)
    assert await access.may("reader", "/config") == ""
    assert len(api.asked) == asked
    await access.may("reader", "/a")
    assert len(api.asked) == asked + 2
