"""Names and labels of the objects that are deployed for a Gateway."""

from __future__ import annotations

import re
from hashlib import blake2b
from typing import Final

from translator.api_group import GROUP
from translator.refs import Ref

LONGEST: Final = 63
"""Most characters of a label value, and of a name that becomes part of a DNS name."""

CONTAINER: Final = "envoy"
"""The container of Envoy in a proxy's pod."""

MANAGED_BY: Final = "app.kubernetes.io/managed-by"
GATEWAY_NAME: Final = "gateway.networking.k8s.io/gateway-name"
GATEWAY_CLASS_NAME: Final = "gateway.networking.k8s.io/gateway-class-name"
CONTROLLER: Final = f"{GROUP}/controller"
MANAGER: Final = "headgate"
"""The value of `MANAGED_BY`, and the field manager of applied fields."""

_UNFIT: Final = re.compile(r"[^a-z0-9]+")
_HASHED: Final = re.compile(r".*-[0-9a-f]{10}")
"""Names in the form of a shortened one, which are shortened, too, so that no name equals another one shortened."""


def resource_name(gateway: Ref) -> str:
    """Return the name of a Gateway's objects: a DNS label that never changes, unique in its namespace."""
    name = f"headgate-{gateway.name}"
    fit = _UNFIT.sub("-", name)
    return name if fit == name and len(name) <= LONGEST and not _HASHED.fullmatch(name) else _hashed(name, fit)


def own_service_name(prefix: str, gateway: Ref) -> str:
    """Return the name of the objects of a service of a Gateway, by its prefix; no proxies' objects have it."""
    name = f"{prefix}-{resource_name(gateway)}"
    return name if len(name) <= LONGEST else _hashed(name, name)


def label_value(text: str) -> str:
    """Return the label value of a name, shortened if it is too long."""
    fit = text.replace("/", ".")
    return text if fit == text and len(text) <= LONGEST else _hashed(text, fit)


def _hashed(text: str, fit: str) -> str:
    digest = blake2b(text.encode(), digest_size=5).hexdigest()
    return f"{fit[: LONGEST - len(digest) - 1].rstrip('-._')}-{digest}"


def identity(gateway: Ref, controller: str) -> dict[str, str]:
    """Return the labels of every object of a Gateway, which cannot be configured."""
    return {
        "app.kubernetes.io/name": "headgate-proxy",
        "app.kubernetes.io/component": "proxy",
        "app.kubernetes.io/instance": resource_name(gateway),
        MANAGED_BY: MANAGER,
        GATEWAY_NAME: label_value(gateway.name),
        CONTROLLER: label_value(controller),
    }


def selector(gateway: Ref) -> dict[str, str]:
    """Return the labels that select a Gateway's pods; they can never change."""
    return {"app.kubernetes.io/instance": resource_name(gateway), GATEWAY_NAME: label_value(gateway.name)}


def owned_by(controller: str) -> str:
    """Return the label selector of all objects that a controller deploys, in the API server's syntax."""
    return f"{MANAGED_BY}={MANAGER},{CONTROLLER}={label_value(controller)}"
