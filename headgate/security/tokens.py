"""Tokens of service accounts, verified by the API server (authentication.k8s.io/v1, TokenReview)."""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable
from hashlib import sha256
from typing import Any, Protocol

import grpc

from translator.deployment.names import resource_name
from translator.objects.gateway import Gateway
from translator.refs import Ref
from watchers.kubernetes.errors import ClusterError
from xds.server import Refusal

#: Whom a proxy's token is for; a token for anybody else is not taken.
AUDIENCE = "headgate"
#: A token that was found good is not asked about again for so many seconds, and so many are remembered.
REMEMBERED_SECONDS, REMEMBERED = 60.0, 10_000


class Api(Protocol):
    """The API server; `watchers.kubernetes.client.Client` is one."""

    async def request(self, method: str, path: str, *, body: object = None) -> Any:
        """Sends a request and gives the answer decoded.

        Raises:
            ClusterError: there is none, or it is an error.
        """
        ...


def proxy_account(key: str) -> str:
    """The user name of the service account of the proxies of the Gateway "namespace/name"."""
    namespace, _, name = key.partition("/")
    return f"system:serviceaccount:{namespace}:{resource_name(Ref(Gateway.kind, namespace, name))}"


class TokenReviews:
    """Asks the API server whose tokens are.

    Args:
        api: the way to it.
        clock: gives seconds; only differences count.
    """

    def __init__(self, api: Api, clock: Callable[[], float] = time.monotonic) -> None:
        self._api = api
        self._clock = clock
        self._known: OrderedDict[bytes, tuple[str, float]] = OrderedDict()

    async def verify(self, token: str, key: str) -> None:
        """Lets the holder of a token have the resources of the Gateway "namespace/name" if it is one of its proxies.

        Raises:
            Refusal: it is not, the token is not good, or the API server cannot be asked.
        """
        user = await self._user(token)
        if user != proxy_account(key):
            text = f"{user} may not have the resources of Gateway {key}: that is for {proxy_account(key)}"
            raise Refusal(text, grpc.StatusCode.PERMISSION_DENIED)

    async def _user(self, token: str) -> str:
        digest = sha256(token.encode()).digest()  # what is remembered is of no use to whoever reads our memory
        user, until = self._known.get(digest, ("", 0.0))
        if user and self._clock() < until:
            return user
        user = await self._review(token)
        self._known[digest] = user, self._clock() + REMEMBERED_SECONDS
        self._known.move_to_end(digest)
        if len(self._known) > REMEMBERED:
            self._known.popitem(last=False)
        return user

    async def _review(self, token: str) -> str:
        body = {
            "apiVersion": "authentication.k8s.io/v1",
            "kind": "TokenReview",
            "spec": {"token": token, "audiences": [AUDIENCE]},
        }
        try:
            answer = await self._api.request("POST", "/apis/authentication.k8s.io/v1/tokenreviews", body=body)
        except ClusterError as error:
            raise Refusal(f"the token cannot be checked: {error}", grpc.StatusCode.UNAVAILABLE) from None
        status = answer.get("status") or {}
        if not status.get("authenticated") or AUDIENCE not in (status.get("audiences") or ()):
            why = status.get("error") or f"it is not valid for the audience {AUDIENCE}"
            raise Refusal(f"the token is not good: {why}", grpc.StatusCode.UNAUTHENTICATED)
        return str(status["user"]["username"])
