"""Issuers of logins: Headgate fetches what they say of themselves, or tells in the status why it cannot."""

from __future__ import annotations

from tests.e2e.conftest import Site
from tests.e2e.kube import Kube, until
from tests.e2e.objects import extension, policy
from tests.e2e.traffic import answers, status
from tests.live.credentials import secret

HOST = "example.com"


async def login(kube: Kube, issuer: str) -> None:
    """Apply a policy that has users log in at an issuer."""
    credentials = {"clientID": "shop", "clientSecretRef": {"name": "login"}}
    await kube.apply(
        secret("login", {"client-secret": "secret-of-the-client"}),
        extension("login", oauth2={"issuerURI": issuer, "credentials": credentials}),
        policy(oauth2={"extensionRef": {"name": "login"}}),
    )


async def failure(kube: Kube, kind: str, name: str, words: str) -> str:
    """Wait until an object tells that discovery has failed, with these words; gives what it says."""

    async def read() -> str:
        message: str = (await kube.condition(kind, name, "ResolvedRefs", "False", "DiscoveryFailed"))["message"]
        return message if words in message else ""

    return await until(f"{words} in the status of {kind} {name}", read)


async def test_an_issuer_that_cannot_be_reached(site: Site) -> None:
    """Routes are closed, and the policy and its provider say which request failed and how."""
    issuer = f"https://echo.{site.kube.namespace}.svc:8080"
    await login(site.kube, issuer)
    for kind, name in (("GatewayExtension", "login"), ("TrafficPolicy", "policy")):
        told = await failure(site.kube, kind, name, f"GET {issuer}/.well-known/openid-configuration")
        assert "secret-of-the-client" not in told
    await answers(site.address, HOST, 500)
    # With endpoints of one's own nothing has to be fetched.
    credentials = {"clientID": "shop", "clientSecretRef": {"name": "login"}}
    ends = {"authorizationEndpoint": f"{issuer}/auth", "tokenEndpoint": f"{issuer}/token"}
    await site.kube.delete("GatewayExtension", "login")
    await site.kube.apply(extension("login", oauth2={**ends, "credentials": credentials}))
    await answers(site.address, HOST, 302)
    await site.kube.delete("Secret", "login")
    await site.kube.condition("TrafficPolicy", "policy", "ResolvedRefs", "False", "SecretNotFound")
    await answers(site.address, HOST, 500)


async def test_http_issuers_are_refused(site: Site) -> None:
    """An installation as it is usual trusts no issuer by http; the routes are closed."""
    await login(site.kube, f"http://echo.{site.kube.namespace}.svc:8080")
    await answers(site.address, HOST, 500)
    assert await status(site.address, HOST, headers={"Authorization": "Bearer x"}) == 500
