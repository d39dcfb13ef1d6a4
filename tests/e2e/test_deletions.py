"""Deletion of referenced objects: the rest is served, and a new object is used again."""

from __future__ import annotations

from typing import Any

import aiohttp

from tests.e2e.conftest import serving
from tests.e2e.installation import Installation
from tests.e2e.kube import Kube, Object, until
from tests.e2e.objects import GATEWAY, HTTP, gateway, route
from tests.e2e.traffic import answers
from tests.live.certificates import client, tls_secret

HTTPS: Object = {
    "name": "https",
    "protocol": "HTTPS",
    "port": 443,
    "tls": {"certificateRefs": [{"name": "certificate"}]},
}


async def listener(kube: Kube, name: str, type_: str, status: str) -> None:
    """Wait until a listener of the Gateway has a condition."""

    async def read() -> bool:
        found: list[Any] = (await kube.get("Gateway", GATEWAY))["status"].get("listeners", [])
        own: list[Any] = next((each["conditions"] for each in found if each["name"] == name), [])
        return any((each["type"], each["status"]) == (type_, status) for each in own)

    await until(f"listener {name} with {type_}={status}", read)


async def secured(address: str) -> None:
    """Wait until a request over TLS is answered."""

    async def read() -> bool:
        try:
            async with (
                aiohttp.ClientSession() as session,
                session.get(f"https://{address}/", headers={"Host": "example.com"}, ssl=client("http/1.1")) as response,
            ):
                return response.status == 200
        except (aiohttp.ClientError, OSError):
            return False

    await until("answer over TLS", read)


async def test_a_secret_is_deleted(kube: Kube, headgate: Installation) -> None:
    """The listener that needs it says so, the other one goes on, and a new Secret is used at once."""
    await kube.apply(tls_secret("certificate", "example.com"), gateway(HTTP, HTTPS), route())
    site = await serving(kube)
    await secured(site.address)
    await kube.delete("Secret", "certificate")
    await listener(kube, "https", "ResolvedRefs", "False")
    await answers(site.address, "example.com")
    await kube.apply(tls_secret("certificate", "example.com"))
    await listener(kube, "https", "ResolvedRefs", "True")
    await secured(site.address)


async def test_a_namespace_is_removed_with_its_gateway(kube: Kube, headgate: Installation) -> None:
    """It goes, all of it, because nothing of Headgate's holds it up; others are served meanwhile and after."""
    other = kube.of(f"{kube.namespace}-other")
    await other.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": other.namespace}})
    await other.apply(gateway(), route())
    await other.condition("Gateway", GATEWAY, "Programmed", "True")
    await kube.apply(gateway(), route())
    site = await serving(kube)
    await other.delete("Namespace", other.namespace)

    async def gone() -> bool:
        return await other.find("Namespace", other.namespace) is None

    await until("end of the namespace", gone)
    await kube.apply(route("later", ["later.example.com"]))
    await answers(site.address, "later.example.com")


async def test_a_backend_goes_and_comes(kube: Kube, headgate: Installation) -> None:
    """Without its Service a route answers 500 and says so; with it again, 200."""
    await kube.apply(gateway(), route())
    site = await serving(kube)
    service = await kube.get("Service", "echo")
    await kube.delete("Service", "echo")
    await kube.condition("HTTPRoute", "r", "ResolvedRefs", "False", "BackendNotFound")
    await answers(site.address, "example.com", 500)
    spec = {key: service["spec"][key] for key in ("selector", "ports")}
    await kube.apply({"apiVersion": "v1", "kind": "Service", "metadata": {"name": "echo"}, "spec": spec})
    await kube.condition("HTTPRoute", "r", "ResolvedRefs", "True")
    await answers(site.address, "example.com")
