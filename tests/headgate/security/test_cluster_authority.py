"""The cluster's authority survives any change of its Secret."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from headgate.security import cluster_authority as cluster
from headgate.security.cluster_authority import SECRET, ClusterAuthority
from tests.headgate.waiting import eventually
from watchers.kubernetes.client import JSON, SECONDS, Query
from watchers.kubernetes.errors import ApiError

PATH = f"/api/v1/namespaces/headgate/secrets/{SECRET}"


class Secrets:
    """An API server with one Secret."""

    def __init__(self) -> None:
        self.secret: dict[str, Any] | None = None
        self.reads = 0

    def take(self) -> dict[str, Any]:
        """Delete the Secret; return its content."""
        taken, self.secret = self.secret, None
        assert taken is not None
        return taken

    async def request(
        self,
        method: str,
        path: str,
        *,
        query: Query | None = None,
        body: Any = None,
        content_type: str = JSON,
        seconds: float = SECONDS,
    ) -> Any:
        """Read or write the Secret."""
        if method == "GET":
            self.reads += 1
            assert path == PATH
        else:
            self.secret = {**body, "metadata": {**body["metadata"], "resourceVersion": "1"}}
        if self.secret is None:
            raise ApiError("there is no such Secret", 404, "NotFound")
        return self.secret


def unloaded(api: Secrets, reported: list[str]) -> ClusterAuthority:
    """Return an authority that is not loaded yet."""
    authority = ClusterAuthority(api, "headgate", ("headgate.headgate.svc",))
    authority.add_event_handler(lambda each: reported.append(each.trusted))
    return authority


async def test_a_deleted_secret_is_created_again() -> None:
    """A deleted Secret is created again with the same authority, which proxies trust."""
    api, reported = Secrets(), list[str]()
    authority = unloaded(api, reported)
    await authority.load()
    before = api.take()
    await authority.load()
    assert api.take()["data"] == before["data"]
    assert reported == [authority.trusted]


@pytest.mark.parametrize(
    "data", [{"tls.crt": "%%%"}, {"tls.crt": "AAAA", "tls.key": "AAAA"}, {"previous.crt": "AAAA"}, None]
)
async def test_an_invalid_secret_is_ignored(data: dict[str, str] | None, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever is written into the Secret, the known authority stays in use."""
    monkeypatch.setattr(cluster, "INTERVAL", 0.01)
    api, reported = Secrets(), list[str]()
    authority = unloaded(api, reported)
    await authority.load()
    assert api.secret is not None
    api.secret["data"] = data if data is None else {**api.secret["data"], **data}
    api.reads = 0
    running = asyncio.create_task(authority.run())
    await eventually(lambda: api.reads > 2)
    assert not running.done()
    running.cancel()
    assert reported == [authority.trusted]


async def test_an_unexpected_response_is_contained(monkeypatch: pytest.MonkeyPatch) -> None:
    """An unexpected response does not end Headgate either."""
    monkeypatch.setattr(cluster, "INTERVAL", 0.01)
    api, reported = Secrets(), list[str]()
    authority = unloaded(api, reported)
    await authority.load()
    api.secret = {"data": ["no", "object"]}
    api.reads = 0
    running = asyncio.create_task(authority.run())
    await eventually(lambda: api.reads > 2)
    assert not running.done()
    running.cancel()
