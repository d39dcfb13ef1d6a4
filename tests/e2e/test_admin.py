"""The admin server as other pods see it."""

from __future__ import annotations

import aiohttp
import pytest

from tests.e2e.installation import ADMIN_PORT, Installation


@pytest.mark.parametrize(
    ("path", "expected"), [("/readyz", 200), ("/metrics", 200), ("/config", 403), ("/status", 403), ("/explain", 403)]
)
async def test_others_are_told_how_it_is_only(headgate: Installation, path: str, expected: int) -> None:
    """Whoever reaches the pods can see that they are well, and nothing of what other tenants have."""
    pod = (await headgate.pods())[0]
    url = f"http://{pod['status']['podIP']}:{ADMIN_PORT}{path}"
    async with aiohttp.ClientSession() as session, session.get(url) as response:
        assert response.status == expected
