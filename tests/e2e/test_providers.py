"""Providers that policies share (GatewayExtensions): tokens, rules about their claims, authorizers in the cluster."""

from __future__ import annotations

from typing import Any

import pytest

from tests.e2e.conftest import Site
from tests.e2e.kube import Object
from tests.e2e.objects import ECHO, extension, policy
from tests.e2e.test_serving import kubectl
from tests.e2e.traffic import answers, status, traffic
from tests.live.tokens import ISSUER, key, key_set, token
from watchers.kubernetes.errors import ApiError

HOST = "example.com"


def bearer(**claims: Any) -> dict[str, str]:
    """Return the header with a good token, but for these claims."""
    return {"Authorization": f"Bearer {token(**claims)}"}


def tokens(keys: str) -> Object:
    """Return the fields of a GatewayExtension for tokens of an issuer with these keys."""
    provider = {"name": "login", "issuer": ISSUER, "audiences": ["shop"], "jwks": {"local": {"inline": keys}}}
    return {"jwt": {"providers": [provider]}}


async def test_tokens_and_rules_about_their_claims(site: Site) -> None:
    """Tokens of the issuer come in, of these only those that rbac lets in; kubectl shows the state of the extension."""
    kube, address = site.kube, site.address
    await kubectl(kube, "apply", "-f", "-", manifests=[extension("login", **tokens(key_set(key("one"))))])
    admins = {
        "action": "Allow",
        "principal": {"jwt": {"provider": "login", "claims": [{"name": "sub", "values": ["admin"]}]}},
    }
    spec: Object = {"jwtAuth": {"extensionRef": {"name": "login"}}}
    await kubectl(kube, "apply", "-f", "-", manifests=[policy(**spec)])
    await answers(address, HOST, 401)
    async with traffic(address, HOST) as without:
        await answers(address, HOST, 200, headers=bearer())
        for wrong in (bearer(exp=1), bearer(iss="https://other.example.com"), {"Authorization": "Bearer x"}):
            assert await status(address, HOST, headers=wrong) == 401
        assert await status(address, HOST, headers=bearer(aud="other")) == 403
        await kubectl(kube, "apply", "-f", "-", manifests=[policy(**spec, rbac={"rules": [admins]})])
        await answers(address, HOST, 403, headers=bearer())
        assert await status(address, HOST, headers=bearer(sub="admin")) == 200
        for each in ("gatewayextension/login", "trafficpolicy/policy"):
            shown = (await kubectl(kube, "get", each)).splitlines()
            assert shown[0].split()[1:3] == ["ACCEPTED", "RESOLVEDREFS"]
            assert shown[1].split()[1:3] == ["True", "True"]
        # Another key: tokens of the former one are not valid any more.
        await kube.apply(extension("login", **tokens(key_set(key("two")))))
        await answers(address, HOST, 401, headers=bearer(sub="admin"))
        await answers(address, HOST, 200, headers=bearer(signing="two", sub="admin"))
        await kubectl(kube, "delete", "gatewayextension", "login")
        await kube.condition("TrafficPolicy", "policy", "ResolvedRefs", "False", "ExtensionNotFound")
        await answers(address, HOST, 500, headers=bearer(signing="two", sub="admin"))
    assert set(without) == {401, 500}


async def test_an_authorizer_of_the_cluster(site: Site) -> None:
    """A Service decides; without it, and while it is another's, requests are refused, and the status says why."""
    kube, address = site.kube, site.address
    await kube.apply(authorizer("/status/401"))
    await kube.apply(policy(extAuth={"extensionRef": {"name": "authorizer"}}))
    await answers(address, HOST, 401)
    await kube.apply(authorizer("/status/200"))
    await answers(address, HOST, 200)
    await kube.apply(authorizer("/status/200", "missing"))
    await answers(address, HOST, 500)
    for kind, name in (("GatewayExtension", "authorizer"), ("TrafficPolicy", "policy")):
        told = await kube.condition(kind, name, "ResolvedRefs", "False", "BackendNotFound")
        assert "missing" in told["message"]
    described = await kubectl(kube, "describe", "gatewayextension", "authorizer")
    assert "BackendNotFound" in described
    await kube.delete("GatewayExtension", "authorizer")
    await kube.condition("TrafficPolicy", "policy", "ResolvedRefs", "False", "ExtensionNotFound")
    assert await status(address, HOST) == 500


def authorizer(answer: str, service: str = ECHO) -> Object:
    """Return a GatewayExtension whose authorizer is asked at a path; the echo backend has one for each status."""
    asked = {"backendRef": {"name": service, "port": 8080}, "pathOverride": answer}
    return extension("authorizer", extAuth={"httpService": asked})


async def test_what_the_api_server_refuses(site: Site) -> None:
    """A GatewayExtension that is two things at once is refused when it is applied."""
    both = extension("both", **tokens(key_set(key("one"))), rateLimit={"domain": "d"})
    with pytest.raises(ApiError, match="exactly one of"):
        await site.kube.apply(both)
