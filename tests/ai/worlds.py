"""Three providers behind one Gateway: objects for tests that know nothing of how Headgate does what it promises."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from tests.ai.provider import Provider, provider
from tests.ai.vendors import Vendor

Manifest = dict[str, Any]
API = "gateway.headgate.dev/v1alpha1"
GATEWAY = "live"
CLIENT_KEY = "client-key-5f1d"
"""The credential of clients, which no provider may see."""


@dataclass(frozen=True)
class Style:
    """How three providers are declared.

    Attributes:
        members: of each, what says whose API it is, and by which headers its key comes.
        vendors: whose APIs the servers speak; None for all.
    """

    members: tuple[Manifest, ...]
    vendors: tuple[Vendor | None, ...]


def _headed(name: str, prefix: str) -> Manifest:
    return {"custom": {}, "auth": {"headerName": name, **({"prefix": prefix} if prefix else {})}}


VENDORS = (Vendor.OPENAI, Vendor.ANTHROPIC, Vendor.GEMINI)
STYLES = {
    "headers": Style(
        (_headed("Authorization", "Bearer "), _headed("X-Api-Key", ""), _headed("X-Goog-Api-Key", "")), (None,) * 3
    ),
    "vendors": Style(({"openai": {}}, {"anthropic": {}}, {"gemini": {}}), VENDORS),
    "native": Style(
        ({"openai": {}}, {"anthropic": {}, "translate": "Native"}, {"gemini": {}, "translate": "Native"}), VENDORS
    ),
}
NAMES = ("red", "green", "blue")


def key_of(name: str) -> str:
    """Return the key of a provider."""
    return f"sk-{name}-{sum(map(ord, name)):04x}"


@contextlib.asynccontextmanager
async def three(style: str = "vendors", *, judged: bool = True) -> AsyncIterator[dict[str, Provider]]:
    """Run the three providers; they judge keys if `judged`, and where their style says which vendor they are."""
    async with contextlib.AsyncExitStack() as stack:
        found = {}
        for name, vendor in zip(NAMES, STYLES[style].vendors, strict=True):
            key = key_of(name) if judged and vendor is not None else None
            found[name] = await stack.enter_async_context(provider(name, vendor, key))
        yield found


def declared(style: str, name: str, port: int, **fields: Any) -> Manifest:
    """Return one of the three as an entry of `ai.providers`, with its key in the Secret `key-NAME`."""
    member = STYLES[style].members[NAMES.index(name)]
    auth = {"secretRef": {"name": f"key-{name}"}, **member.get("auth", {})}
    place = {"host": "127.0.0.1", "port": port, "tls": {"disable": {}}}
    return {"name": name, **place, **member, "auth": auth, **fields}


def secrets(names: Iterable[str] = NAMES) -> list[Manifest]:
    """Return the Secrets of their keys."""
    return [
        {
            "apiVersion": "v1",
            "kind": "Secret",
            "metadata": {"name": f"key-{name}"},
            "stringData": {"apiKey": key_of(name)},
        }
        for name in names
    ]


def backend(*providers: Manifest, name: str = "ai", **fields: Any) -> Manifest:
    """Return a Backend of providers."""
    return {
        "apiVersion": API,
        "kind": "Backend",
        "metadata": {"name": name},
        "spec": {"ai": {"providers": list(providers), **fields}},
    }


def in_order(style: str, found: Mapping[str, Provider], order: Iterable[str], **fields: Any) -> Manifest:
    """Return the Backend `ai` of these providers, one after another."""
    return backend(*(declared(style, name, found[name].port) for name in order), **fields)


def reference(name: str = "ai", kind: str = "Backend", **fields: Any) -> Manifest:
    """Return a backendRef."""
    place: Manifest = {"group": "gateway.headgate.dev"} if kind == "Backend" else {"port": 80}
    return {**place, "kind": kind, "name": name, **fields}


def model_route(*rules: Manifest, name: str = "llm", **spec: Any) -> Manifest:
    """Return a ModelRoute of the Gateway; without rules, one that sends all models to the Backend `ai`."""
    return {
        "apiVersion": API,
        "kind": "ModelRoute",
        "metadata": {"name": name},
        "spec": {"parentRefs": [{"name": GATEWAY}], **spec, "rules": list(rules) or [{"backendRefs": [reference()]}]},
    }


def policy(
    target: str = "llm", name: str = "policy", rule: str = "", kind: str = "ModelRoute", **spec: Any
) -> Manifest:
    """Return a TrafficPolicy of a ModelRoute, or of a rule of it, or of a route of another kind."""
    group = "gateway.headgate.dev" if kind == "ModelRoute" else "gateway.networking.k8s.io"
    to = {"group": group, "kind": kind, "name": target, **({"sectionName": rule} if rule else {})}
    made = {"apiVersion": API, "kind": "TrafficPolicy", "metadata": {"name": name}}
    return {**made, "spec": {"targetRefs": [to], **spec}}
