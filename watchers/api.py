"""The API server, as those need it who ask single things of it."""

from __future__ import annotations

from typing import Any, Protocol

from watchers.kubernetes.client import JSON, SECONDS, Query


class Api(Protocol):
    """The API server; `watchers.kubernetes.client.Client` is one."""

    async def request(
        self,
        method: str,
        path: str,
        *,
        query: Query | None = None,
        body: object = None,
        content_type: str = JSON,
        seconds: float = SECONDS,
    ) -> Any:
        """Sends a request and gives the answer decoded.

        Raises:
            ClusterError: there is none, or (ApiError) it is an error.
        """
        ...
