"""Texts of Secrets in what Headgate and its Envoys tell: none, whether the objects are right or wrong."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Iterator
from pathlib import Path

import aiohttp
import yaml
from typer.testing import CliRunner

from headgate.cli import app
from tests.headgate.running import Headgate
from tests.live.leaks import secret_texts, told

POLICY = """
apiVersion: gateway.headgate.dev/v1alpha1
kind: TrafficPolicy
metadata: {name: NAME}
spec:
  targetRefs: [{group: gateway.networking.k8s.io, kind: HTTPRoute, name: shop}]
"""
UNITS = {
    "users": "  basicAuth: {secretRef: {name: users}}",
    "keys": "  apiKeyAuth: {secretSelector: {matchLabels: {keys: shop}}, keySources: [{query: key}]}",
    "credential": "  credentialInjection: {secretRef: {name: api}, prefix: 'Bearer '}",
    "header": "  headerModifiers: {request: {set: [{name: x-key, secretRef: {name: api, key: other}}]}}",
}
SECRETS = """
apiVersion: v1
kind: Secret
metadata: {name: users}
stringData: {.htpasswd: "alice:{SHA}5NYfIeYNwfX+uIRZyBvoMJpB2kA="}
---
apiVersion: v1
kind: Secret
metadata: {name: keys, labels: {keys: shop}}
stringData: {mobile: key-of-mobile-7Hq2, billing: key-of-billing-Xw4v}
---
apiVersion: v1
kind: Secret
metadata: {name: api}
stringData: {credential: text-of-api-Lm31, other: other-text-9Pq7}
"""
BROKEN = """
apiVersion: v1
kind: Secret
metadata: {name: users}
stringData: {.htpasswd: "alice:$2y$05$broken-hash-of-alice\\nbob:plain-password-of-bob"}
---
apiVersion: v1
kind: Secret
metadata: {name: keys, labels: {keys: shop}}
stringData: {mobile: key-of-both-Zt55, billing: key-of-both-Zt55}
---
apiVersion: v1
kind: Secret
metadata: {name: api}
stringData: {credential: "text-in-lines-Aa1\\nsecond-of-lines-Bb2", other: "tab\\0-in-text-Cc3"}
"""
UNREADABLE = """
apiVersion: v1
kind: Secret
metadata: {name: api}
data: {credential: not-base64-text-Dd4!}
stringData: {other: [list-of-text-Ee5]}
"""
TEXTS = (SECRETS, BROKEN)


def texts() -> Iterator[str]:
    """Yield the texts of all Secrets here."""
    for document in TEXTS:
        for each in yaml.safe_load_all(document):
            yield from secret_texts(each)
    yield from ("broken-hash-of-alice", "plain-password-of-bob", "not-base64-text-Dd4", "list-of-text-Ee5")


async def envoy_tells(headgate: Headgate) -> dict[str, str]:
    """Return what Envoy's admin interface and log tell."""
    state = headgate.state / f"127.0.0.1-{headgate.xds}" / "default.web"
    places = {f"file {each.name}": each.read_text(errors="replace") for each in state.glob("*.log")}
    connector = aiohttp.UnixConnector(path=str(state / "admin.sock"))
    async with aiohttp.ClientSession(connector=connector) as http:
        for path in ("/config_dump?include_eds", "/stats", "/clusters", "/init_dump"):
            async with http.get(f"http://envoy{path}") as response:
                places[f"Envoy's {path}"] = await response.text()
    return places


async def headgate_tells(headgate: Headgate) -> dict[str, str]:
    """Return what Headgate's admin server and log tell: of all objects, resources, and a request."""
    places = {"the log": headgate.log}
    config = await headgate.ask("/config")
    [client] = config["clients"]
    node = client["node"] if isinstance(client["node"], str) else client["node"]["id"]
    objects = (await headgate.ask("/status"))["objects"]
    paths = ["/status", "/config", f"/config?node={node}", "/metrics"]
    paths += [f"/explain?method=GET&url=http://localhost:{headgate.port}/a"]
    for each in objects:
        metadata = each["metadata"]
        paths.append(f"/explain?kind={each['kind']}&namespace={metadata.get('namespace', '')}&name={metadata['name']}")
    for section, named in config["snapshots"]["default/web"].items():
        paths += [f"/explain?gateway=default/web&type={section}&name={name}" for name in named]
    for path in paths:
        places[path] = repr(await headgate.ask(path))
    return places


def commands_tell(folder: Path, port: int) -> dict[str, str]:
    """Return what commands tell of a folder."""
    where = ("-f", str(folder))
    places = {}
    for arguments in (
        ("translate", *where, "--to", "xds"),
        ("translate", *where, "--to", "ir"),
        ("translate", *where, "--to", "status"),
        ("validate", *where),
        ("explain", "GET", f"http://localhost:{port}/a", *where),
    ):
        result = CliRunner().invoke(app, arguments)
        assert result.exception is None or isinstance(result.exception, SystemExit), arguments
        places[" ".join((arguments[0], *arguments[3:]))] = result.output + result.stderr
    return places


async def test_no_secret_is_told(headgate: Headgate) -> None:
    """No dump, log, status, error, trace or command tells a text of a Secret, of right, wrong or unreadable objects."""
    for name, unit in UNITS.items():
        headgate.write(name, f"{POLICY.replace('NAME', name)}{unit}\n")
    headgate.write("secrets", SECRETS)
    await headgate.start()
    await headgate.condition("web", "Programmed", "True")
    await headgate.answers("/a", 401)
    found = []
    for written, status in ((SECRETS, 401), (BROKEN, 500), (UNREADABLE, 500), (SECRETS, 401)):
        headgate.write("secrets", written)
        await headgate.answers("/a", status)
        places = {**await envoy_tells(headgate), **await headgate_tells(headgate)}
        places |= await asyncio.to_thread(commands_tell, headgate.folder, headgate.port)
        found += told(texts(), places)
        assert len([each for each in places.values() if re.search("TrafficPolicy|basic_auth", each)]) > 5
    assert not found


def fingerprints(text: str) -> set[str]:
    """Return the fingerprints of protection that routes have."""
    return set(re.findall(r"\b[0-9a-f]{16}\b", text))


async def test_fingerprints_tell_no_guesses(headgate: Headgate) -> None:
    """Whoever knows all but a weak secret cannot tell it by fingerprints: these are others in each installation.

    They are the same after a restart, so that proxies need not get everything again.
    """
    headgate.write("keys", f"{POLICY.replace('NAME', 'keys')}{UNITS['keys']}\n")
    headgate.write("secrets", SECRETS)
    await headgate.start()
    await headgate.condition("web", "Programmed", "True")
    known = await asyncio.to_thread(commands_tell, headgate.folder, headgate.port)
    plain = fingerprints(known["translate --to xds"])
    shown = await envoy_tells(headgate)
    versions = (await headgate.ask("/config"))["snapshots"]
    assert plain
    assert fingerprints(shown["Envoy's /config_dump?include_eds"])
    for text in (shown["Envoy's /config_dump?include_eds"], repr(versions)):
        assert not plain & fingerprints(text)
    await headgate.end()
    await headgate.start()
    await headgate.condition("web", "Programmed", "True")
    assert (await headgate.ask("/config"))["snapshots"] == versions
