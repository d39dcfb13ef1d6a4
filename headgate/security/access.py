"""Access by a cluster's own rules: the API server authenticates a token, and authorises its holder.

Source: authentication.k8s.io/v1 TokenReview and authorization.k8s.io/v1 SubjectAccessReview.
"""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable
from hashlib import sha256
from typing import Any

from watchers.kubernetes.client import Api
from watchers.kubernetes.errors import ClusterError

REMEMBERED_SECONDS, MAX_REMEMBERED = 10.0, 1_000
"""The seconds for which an answer is cached, and the most answers in the cache."""
SECONDS = 5.0
"""The timeout of each review, in seconds."""


class AccessReviews:
    """Access reviews: whether the holder of a token may `get` a path (nonResourceURLs)."""

    def __init__(self, api: Api, clock: Callable[[], float] = time.monotonic) -> None:
        """Start with an empty cache.

        Args:
            api: the client of the API server.
            clock: returns the time in seconds; only differences count.
        """
        self._api = api
        self._clock = clock
        self._known: OrderedDict[tuple[bytes, str], tuple[str, float]] = OrderedDict()

    async def may(self, token: str, path: str) -> str:
        """Return the reason why the holder of a token may not get a path; "" if it may."""
        key = sha256(token.encode("utf-8", "replace")).digest(), path
        known = self._known.get(key)
        if known is not None and self._clock() < known[1]:
            return known[0]
        try:
            why = await self._ask(token, path)
        except ClusterError as error:
            return f"it cannot be checked: {error}"
        self._known[key] = why, self._clock() + REMEMBERED_SECONDS
        self._known.move_to_end(key)
        if len(self._known) > MAX_REMEMBERED:
            self._known.popitem(last=False)
        return why

    async def _ask(self, token: str, path: str) -> str:
        review = await self._create("authentication", "TokenReview", {"token": token})
        if not review.get("authenticated"):
            return "the API server does not know it"
        user = review.get("user") or {}
        spec = {"user": user.get("username", ""), "nonResourceAttributes": {"path": path, "verb": "get"}}
        spec |= {field: user[field] for field in ("uid", "groups", "extra") if user.get(field)}
        answer = await self._create("authorization", "SubjectAccessReview", spec)
        if answer.get("allowed") is True:
            return ""
        return f"{user.get('username', 'its holder')} may not get the nonResourceURL {path}"

    async def _create(self, group: str, kind: str, spec: dict[str, Any]) -> dict[str, Any]:
        version = f"{group}.k8s.io/v1"
        body = {"apiVersion": version, "kind": kind, "spec": spec}
        answer = await self._api.request("POST", f"/apis/{version}/{kind.lower()}s", body=body, seconds=SECONDS)
        found: dict[str, Any] = answer.get("status") or {}
        return found
