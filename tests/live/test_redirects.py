"""Redirects (Gateway API, `HTTPRequestRedirectFilter`): statuses, and every part of the Location."""

from __future__ import annotations

import socket
from typing import Any

import pytest

from tests.live.certificates import client, tls_secret
from tests.live.objects import Manifest, exact, gateway, prefix, route, rule
from tests.live.proxy import Proxy, Response
from tests.live.test_rewrites import PREFIXES, full, instead

ADDRESS = "127.0.0.77"
"""A loopback address whose ports 80 and 443 hardly anybody else uses."""


def redirect(**change: object) -> Manifest:
    """Return a rule that redirects."""
    return rule(filters=[{"type": "RequestRedirect", "requestRedirect": change}])


def told(response: Response) -> tuple[int, str]:
    """Return the status and the Location of a response."""
    return response.status, response.headers.get("location", "")


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
async def test_each_status(proxy: Proxy, status: int) -> None:
    """The status is the one asked for, the host is replaced, path and query stay."""
    await proxy.apply(route(redirect(hostname="example.org", statusCode=status)))
    expected = (status, f"http://example.org:{proxy.port}/a/b?c=d&e")
    assert told(await proxy.request("/a/b?c=d&e", host="example.com")) == expected


async def test_a_redirect_answers_any_method_with_302_unless_told_otherwise(proxy: Proxy) -> None:
    """The default status is 302, for requests with a body too."""
    await proxy.apply(route(redirect(hostname="example.org", port=80)))
    response = await proxy.request("/", method="POST", body=b"x")
    assert told(response) == (302, "http://example.org/")


@pytest.mark.parametrize(("path", "matched", "replacement", "expected"), PREFIXES)
async def test_replacing_the_prefix(proxy: Proxy, path: str, matched: str, replacement: str, expected: str) -> None:
    """The Location's path follows the same table as a rewrite's, and keeps the query."""
    change = redirect(hostname="example.org", port=80, path=instead(replacement))
    await proxy.apply(route({**change, "matches": [prefix(matched)]}))
    assert told(await proxy.request(path)) == (302, f"http://example.org{expected}")
    assert told(await proxy.request(f"{path}?a=/foo&b")) == (302, f"http://example.org{expected}?a=/foo&b")


@pytest.mark.parametrize(("replacement", "expected"), [("/new", "/new"), ("/new/", "/new/"), ("/", "/"), ("", "/")])
async def test_replacing_the_whole_path(proxy: Proxy, replacement: str, expected: str) -> None:
    """The Location's path is what is written; the query stays."""
    change = redirect(hostname="example.org", port=80, path=full(replacement))
    await proxy.apply(route({**change, "matches": [prefix("/one"), exact("/two")]}))
    for path in ("/one/more", "/two"):
        assert told(await proxy.request(path)) == (302, f"http://example.org{expected}")
        assert told(await proxy.request(f"{path}?a=b")) == (302, f"http://example.org{expected}?a=b")


async def test_the_host_of_the_request_stays(proxy: Proxy) -> None:
    """Without a hostname the Location has the request's, and the port of the listener."""
    await proxy.apply(route(redirect(path=full("/new"))))
    port = proxy.port
    assert told(await proxy.request("/", host="shop.example.com")) == (302, f"http://shop.example.com:{port}/new")
    assert told(await proxy.request("/", host=f"shop.example.com:{port}")) == (
        302,
        f"http://shop.example.com:{port}/new",
    )


# The listener, the redirect's scheme and port, and how the Location begins.
PORTS = [
    (80, None, None, "http://example.org/"),
    (80, None, 80, "http://example.org/"),
    (80, None, 8080, "http://example.org:8080/"),
    (80, "https", None, "https://example.org/"),
    (80, "https", 443, "https://example.org/"),
    (80, "https", 8443, "https://example.org:8443/"),
    (80, "http", None, "http://example.org/"),
    (8080, None, None, "http://example.org:8080/"),
    (8080, None, 80, "http://example.org/"),
    (8080, "https", None, "https://example.org/"),
    (8080, "http", None, "http://example.org/"),
    (8080, "http", 8080, "http://example.org:8080/"),
    (443, None, None, "https://example.org/"),
    (443, None, 443, "https://example.org/"),
    (443, None, 8443, "https://example.org:8443/"),
    (443, "http", None, "http://example.org/"),
    (443, "http", 80, "http://example.org/"),
    (443, "http", 8080, "http://example.org:8080/"),
    (8443, None, None, "https://example.org:8443/"),
    (8443, None, 443, "https://example.org/"),
    (8443, "https", None, "https://example.org/"),
    (8443, "http", None, "http://example.org/"),
]


@pytest.fixture(scope="module")
def well_known_ports() -> None:
    """Skips where ports below 1024 cannot be bound."""
    for port in (80, 443, 8080, 8443):
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((ADDRESS, port))
            except OSError as error:
                pytest.skip(f"{ADDRESS}:{port} cannot be bound: {error}")


@pytest.mark.usefixtures("well_known_ports")
@pytest.mark.parametrize("named", [True, False], ids=["hostname", "request's"])
async def test_ports_and_schemes(proxy: Proxy, named: bool) -> None:
    """The port is the one given, else that of the scheme given, else the listener's, and never the client's.

    A well-known port is not named, whatever the Host of the request says.
    """
    listeners: list[Manifest] = [
        {"name": f"p{port}", "port": port, "protocol": "HTTP" if port in (80, 8080) else "HTTPS"}
        for port in (80, 8080, 443, 8443)
    ]
    for each in listeners:
        if each["protocol"] == "HTTPS":
            each["tls"] = {"certificateRefs": [{"name": "own"}]}
    rules = []
    for number, (_, scheme, port, _) in enumerate(PORTS):
        given: dict[str, Any] = {"hostname": "example.org"} if named else {}
        given |= {name: value for name, value in (("scheme", scheme), ("port", port)) if value}
        path = {"path": full("/")} if not given else {}
        rules.append({**redirect(**given, **path), "matches": [prefix(f"/{number}")]})
    await proxy.apply(
        tls_secret("own", "example.org"),
        gateway(*listeners, addresses=[ADDRESS]),
        *(route(*rules[start : start + 16], name=f"r{start}") for start in range(0, len(rules), 16)),
    )
    for number, (port, _, _, expected) in enumerate(PORTS):
        tls: dict[str, Any] = {"ssl": client(), "server_hostname": "example.org"} if port in (443, 8443) else {}
        for host in ("example.org", f"example.org:{port}", "example.org:30080"):
            response = await proxy.request(f"/{number}", host=host, port=port, address=ADDRESS, **tls)
            location = response.headers["location"].removesuffix(str(number))
            assert (PORTS[number], response.status, location) == (PORTS[number], 302, expected)
