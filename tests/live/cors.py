"""CORS preflights and response headers."""

from __future__ import annotations

from tests.live.proxy import Proxy, Response

CORS_HEADERS = ("allow-origin", "allow-methods", "allow-headers", "expose-headers", "max-age", "allow-credentials")


def told(response: Response) -> dict[str, str]:
    """Return the CORS headers of a response; names in lists are sorted, as their order means nothing."""
    found = {each: response.headers.get(f"access-control-{each}") for each in CORS_HEADERS}
    return {name: ", ".join(sorted(value.replace(" ", "").split(","))) for name, value in found.items() if value}


async def preflight(
    proxy: Proxy, origin: str, method: str = "GET", headers: str = "x-header-1, x-header-2"
) -> Response:
    """Send a preflight."""
    asked = {"Origin": origin, "Access-Control-Request-Method": method}
    if headers:
        asked["Access-Control-Request-Headers"] = headers
    return await proxy.request("/", method="OPTIONS", headers=asked)
