"""Access to the admin server: known host names, and authentication before configuration is shown."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable

from aiohttp import web
from aiohttp.typedefs import Middleware

from headgate.admin.token import Token
from headgate.process.address import Address

FOR_ALL = frozenset({"/", "/healthz", "/readyz", "/metrics"})
"""Paths that need no token where other machines reach the address."""

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

May = Callable[[str, str], Awaitable[str]]
"""Takes a bearer token and a path; returns why its holder may not see that, "" if it may."""


def known_hosts(address: Address, hosts: Iterable[str] = ()) -> Middleware:
    """Refuse unknown host names, by which a web page could read the answers (DNS rebinding).

    A port-forward leads there from the loopback of somebody's machine, so this holds for any address. An IP address
    is what nobody can rebind, and names of one label or below ``svc`` are nobody's to register.

    Args:
        address: where the endpoints are; on loopback, only loopback's own names are known.
        hosts: other names that lead to it.
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
        text = f"this address does not answer for the host {host!r}; name it with --admin-host if it is yours"
        return web.Response(text=f"{text}\n", status=403)

    return check


def _host(request: web.Request) -> str | None:
    try:
        return request.url.host if "Host" in request.headers else None
    except ValueError:
        return None


def proven(token: Token, may: May | None) -> Middleware:
    """Require a token for configuration; health and metrics need none.

    Even with proof only by way of this machine, such as by `kubectl port-forward`: no token crosses a network in plain
    text. And loopback alone is no proof: whoever shares the network of the host comes from there.

    Args:
        token: the process' own.
        may: decides about other tokens.
    """

    @web.middleware
    async def check(request: web.Request, handler: Handler) -> web.StreamResponse:
        if request.path in FOR_ALL:
            return await handler(request)
        source = (request.remote or "").partition("%")[0]
        if not source or not Address(source, 0).is_loopback:
            return _refused("only this machine is told that: `kubectl port-forward` leads here by way of it", 403)
        scheme, _, shown = request.headers.get("Authorization", "").partition(" ")
        if scheme.lower() != "bearer" or not shown.strip():
            return _refused(f"send a token: authorization: Bearer TOKEN; that of this Headgate is in {token.path}", 401)
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
