"""Access to the admin server: checks of the Host header, and of bearer tokens for configuration."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable

from aiohttp import web
from aiohttp.typedefs import Middleware

from headgate.admin.token import Token
from headgate.process.address import Address

PUBLIC_PATHS = frozenset({"/", "/healthz", "/readyz", "/metrics"})
"""Paths that need no token on an address that other machines can reach."""

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

AccessCheck = Callable[[str, str], Awaitable[str]]
"""Takes a bearer token and a path; returns the reason to deny the request, or "" to allow it."""


def known_hosts(address: Address, hosts: Iterable[str] = ()) -> Middleware:
    """Reject requests for unknown host names, by which a web page could read responses (DNS rebinding).

    A port-forward exposes the server on the loopback address of a user's machine, so the check applies to every
    address. IP addresses cannot be rebound; names of one label and names below ``svc`` cannot be registered.

    Args:
        address: the address of the admin server; on loopback, only loopback's own names are known.
        hosts: other names that resolve to it.
    """
    known = {each.lower() for each in hosts}

    def is_known(host: str) -> bool:
        found = Address(host, 0)
        if found.is_loopback or host in known:
            return True
        if address.is_loopback:
            return False
        return found.ip is not None or "." not in host or host.endswith((".svc", ".svc.cluster.local"))

    @web.middleware
    async def check(request: web.Request, handler: Handler) -> web.StreamResponse:
        host = (_host(request) or "").lower().rstrip(".")
        if host and is_known(host):
            return await handler(request)
        text = (
            f"the Host header {host!r} is not accepted; if it is one of this server's names, add it with --admin-host"
        )
        return web.Response(text=f"{text}\n", status=403)

    return check


def _host(request: web.Request) -> str | None:
    try:
        return request.url.host if "Host" in request.headers else None
    except ValueError:
        return None


def require_token(token: Token, may: AccessCheck | None) -> Middleware:
    """Require a token for configuration; health and metrics need none.

    Requests with a token must come from loopback, as those of `kubectl port-forward` do: a token must not cross a
    network in plain text. Loopback alone does not authenticate: pods on the host's network have it too.

    Args:
        token: the token of this process.
        may: decides about other tokens.
    """

    @web.middleware
    async def check(request: web.Request, handler: Handler) -> web.StreamResponse:
        if request.path in PUBLIC_PATHS:
            return await handler(request)
        source = (request.remote or "").partition("%")[0]
        if not source or not Address(source, 0).is_loopback:
            return _refused("accepted from loopback only: connect by `kubectl port-forward`", 403)
        scheme, _, shown = request.headers.get("Authorization", "").partition(" ")
        if scheme.lower() != "bearer" or not shown.strip():
            return _refused(
                f"send a token: authorization: Bearer TOKEN; the one of this Headgate is in {token.path}", 401
            )
        if token.is_good(shown.strip()):
            return await handler(request)
        why = "it is not the token of this Headgate" if may is None else await may(shown.strip(), request.path)
        return (
            _refused(f"the token does not give access to {request.path}: {why}", 403)
            if why
            else (await handler(request))
        )

    return check


def _refused(text: str, status: int) -> web.Response:
    headers = {"WWW-Authenticate": "Bearer"} if status == 401 else {}
    return web.Response(text=f"{text}\n", status=status, headers=headers)
