"""Code of users in the proxies of `headgate run`: the operator's options, and modules that it fetches."""

from __future__ import annotations

import asyncio
import json
from hashlib import sha256

from tests.headgate.running import Headgate
from tests.live.modules import compiled, registry
from tests.live.objects import Manifest

WITHIN = 60
"""Seconds within which something is to happen, however busy the machine is."""
TARGETS = [{"group": "gateway.networking.k8s.io", "kind": "HTTPRoute", "name": "shop"}]
DENYING = 'function envoy_on_request(handle) handle:respond({[":status"] = "418"}, "tea") end'


def policy(**spec: object) -> str:
    """Return a policy of the route."""
    made: Manifest = {
        "apiVersion": "gateway.headgate.dev/v1alpha1",
        "kind": "TrafficPolicy",
        "metadata": {"name": "code"},
        "spec": {"targetRefs": TARGETS, **spec},
    }
    return json.dumps(made)


async def told(headgate: Headgate, kind: str, status: str) -> dict[str, str]:
    """Wait until a condition of the policy has a status; return it."""
    async with asyncio.timeout(WITHIN):
        while True:
            for each in ((await headgate.ask("/status")) or {"objects": []})["objects"]:
                for ancestor in each["status"].get("ancestors", ()):
                    for found in ancestor["conditions"]:
                        if (each["metadata"]["name"], found["type"], found["status"]) == ("code", kind, status):
                            return dict(found)
            await asyncio.sleep(0.05)


async def test_scripts_need_an_option(headgate: Headgate) -> None:
    """A script runs with the option of the operator; without it, its routes answer 500, after a restart too."""
    headgate.write("policy", policy(lua=[{"inline": DENYING}]))
    headgate.arguments = ("--allow-lua",)
    await headgate.start()
    await headgate.answers("/a", 418, WITHIN)
    await headgate.end()
    headgate.arguments = ()
    await headgate.start()
    await headgate.answers("/a", 500, WITHIN)
    assert (await told(headgate, "Accepted", "False"))["reason"] == "NotAllowed"


async def test_a_module_is_fetched_once_its_registry_is_up(headgate: Headgate) -> None:
    """Until a registry has an image its routes get 500; then they are served, and stay so without the registry."""
    async with registry() as found:
        image = {"url": f"{found.host}/team/module:v1", "sha256": sha256(compiled()).hexdigest()}
        headgate.write("policy", policy(wasm=[{"code": {"image": image}, "config": {"name": "one"}}]))
        headgate.arguments = ("--allow-wasm", "--allow-http-issuers")
        await headgate.start()
        await headgate.answers("/a", 500, WITHIN)
        why = await told(headgate, "ResolvedRefs", "False")
        assert why["reason"] == "ModuleNotFetched"
        assert "HTTP 404" in why["message"]
        found.push(compiled())
        await told(headgate, "ResolvedRefs", "True")
        await headgate.answers("/a", 200, WITHIN)
    headgate.write("other", json.dumps({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "other"}}))
    await headgate.answers("/a", 200, WITHIN)
