"""The client of issuers with servers that do not do what they should."""

from __future__ import annotations

import asyncio
import re

import pytest
from aiohttp import web

from tests.ports import free_port, unaccepting
from tests.watchers.loopback import endless, serving
from translator.ir.oidc import ProviderMetadata
from watchers.oidc import client as module
from watchers.oidc.client import MOST_BYTES, DiscoveryClient
from watchers.oidc.document import DiscoveryError

PATH = "/.well-known/openid-configuration"


def document(issuer: str, size: int = 0) -> web.Response:
    """Return the response of a good issuer, of so many bytes or as many as it needs."""
    members = {
        "issuer": issuer,
        "authorization_endpoint": f"{issuer}/auth",
        "token_endpoint": f"{issuer}/token",
    }
    response = web.json_response(members)
    assert response.text is not None
    response.text = response.text.ljust(size)
    return response


async def test_the_metadata_of_an_issuer() -> None:
    """The document is fetched below the issuer, and may be as long as the limit says."""

    async def answer(request: web.Request) -> web.Response:
        assert (request.method, request.headers["Accept"]) == ("GET", "application/json")
        issuer = f"http://{request.host}{request.path.removesuffix(PATH)}"
        return document(issuer, MOST_BYTES)

    async with serving(answer) as url, DiscoveryClient(allow_http=True) as client:
        issuer = f"{url}/tenant"
        assert await client.fetch(issuer) == ProviderMetadata(f"{issuer}/auth", f"{issuer}/token")


async def test_a_document_that_is_too_long() -> None:
    """The read of an endless document ends at the limit."""
    async with serving(endless) as url, DiscoveryClient(allow_http=True) as client:
        with pytest.raises(DiscoveryError, match=f"longer than {MOST_BYTES} bytes"):
            await client.fetch(url)


@pytest.mark.parametrize(("status", "path"), [(404, "/x"), (500, "/x"), (302, "/elsewhere"), (204, "/x")])
async def test_other_answers_are_errors(status: int, path: str) -> None:
    """Any status but 200 is the error; a redirection is not followed, and no body is repeated."""

    async def answer(request: web.Request) -> web.Response:
        assert request.path == PATH
        return web.Response(status=status, headers={"Location": path}, text="" if status == 204 else "secret")

    async with serving(answer) as url, DiscoveryClient(allow_http=True) as client:
        with pytest.raises(DiscoveryError, match=f"GET {re.escape(url)}{PATH}: HTTP {status}$"):
            await client.fetch(url)


async def test_an_issuer_that_cannot_be_reached() -> None:
    """A refused connection, a name without an address, and silence are errors that say so."""
    async with DiscoveryClient(allow_http=True) as client:
        with pytest.raises(DiscoveryError, match=r"Connection refused|Connect call failed"):
            await client.fetch(f"http://127.0.0.1:{free_port()}")
        with pytest.raises(DiscoveryError, match=r"GET https://issuer\.invalid/.*: "):
            await client.fetch("https://issuer.invalid")


async def test_a_silent_issuer(monkeypatch: pytest.MonkeyPatch) -> None:
    """An issuer that does not answer is given up after the limit."""
    monkeypatch.setattr(module, "SECONDS", 0.1)
    with unaccepting() as port:
        async with DiscoveryClient(allow_http=True) as client:
            with pytest.raises(DiscoveryError, match="no answer within"):
                await client.fetch(f"http://127.0.0.1:{port}")


@pytest.mark.parametrize(
    "issuer",
    [
        "http://id.example.com",
        "https://127.0.0.1",
        "https://127.1",
        "https://localhost",
        "https://a.localhost.",
        "https://[::1]",
        "https://[::ffff:127.0.0.1]",
        "https://169.254.169.254",
        "https://[fe80::1%25lo]",
        "https://0.0.0.0",
        "https://2130706433",
    ],
)
async def test_issuers_on_this_machine_are_not_asked(issuer: str) -> None:
    """Without the permission for tests, nothing of this machine or its link is asked, in no spelling, nor by http."""
    async with DiscoveryClient() as client:
        with pytest.raises(
            DiscoveryError, match=r"no https URL|address is of this machine|not a canonical IPv4 address"
        ):
            await client.fetch(issuer)


async def test_requests_at_once_are_limited(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of many issuers no more than the limit are asked at once."""
    monkeypatch.setattr(module, "MOST_REQUESTS", 2)
    active, most = 0, 0

    async def answer(request: web.Request) -> web.Response:
        nonlocal active, most
        active += 1
        most = max(most, active)
        await asyncio.sleep(0)
        active -= 1
        return document(f"http://{request.host}{request.path.removesuffix(PATH)}")

    async with serving(answer) as url, DiscoveryClient(allow_http=True) as client:
        await asyncio.gather(*(client.fetch(f"{url}/{number}") for number in range(10)))
    assert most <= 2
