"""Credentials for tests: passwords, keys and tokens, and the Secrets that hold them."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Mapping
from typing import Final

from tests.live.objects import Manifest
from tests.live.proxy import Proxy

PASSWORD: Final = "correct-horse-battery"
OTHER_PASSWORD: Final = "staple-of-horses"
KEY: Final = "key-of-mobile-8fG2x"
OTHER_KEY: Final = "key-of-billing-Qz71p"
TOKEN: Final = "token-for-backend-4kWn9"


def hashed(password: str) -> str:
    """Return what stands for a password in a line of htpasswd, as ``htpasswd -s`` writes it."""
    return "{SHA}" + base64.b64encode(hashlib.sha1(password.encode()).digest()).decode()


def line(user: str, password: str = PASSWORD) -> str:
    """Return a line of htpasswd."""
    return f"{user}:{hashed(password)}"


def basic(user: str, password: str = PASSWORD, scheme: str = "Basic") -> str:
    """Return the value of Authorization for a user."""
    return f"{scheme} {base64.b64encode(f'{user}:{password}'.encode()).decode()}"


def secret(name: str, texts: Mapping[str, str], labels: Mapping[str, str] | None = None) -> Manifest:
    """Return a Secret with these texts."""
    metadata = {"name": name, **({"labels": dict(labels)} if labels else {})}
    return {"apiVersion": "v1", "kind": "Secret", "metadata": metadata, "stringData": dict(texts)}


def condition(proxy: Proxy, kind: str = "Accepted", policy: str = "policy") -> tuple[str, str, str]:
    """Return the status, the reason and the message of a condition of a policy."""
    conditions = proxy.status("TrafficPolicy", policy)["ancestors"][0]["conditions"]
    found = next(each for each in conditions if each["type"] == kind)
    return found["status"], found["reason"], found["message"]
