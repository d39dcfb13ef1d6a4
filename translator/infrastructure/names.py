"""Names and labels of the objects that are made for a Gateway."""

from __future__ import annotations

import re
from hashlib import blake2b
from typing import Final

from translator.api_group import GROUP
from translator.refs import Ref

LONGEST: Final = 63
"""The most characters of a label, and of a name of what becomes part of a DNS name."""

CONTAINER: Final = "envoy"
"""The container of a proxy's pod in which Envoy runs."""

MANAGED_BY: Final = "app.kubernetes.io/managed-by"
GATEWAY_NAME: Final = "gateway.networking.k8s.io/gateway-name"
GATEWAY_CLASS_NAME: Final = "gateway.networking.k8s.io/gateway-class-name"
CONTROLLER: Final = f"{GROUP}/controller"
MANAGER: Final = "headgate"
"""The value of `MANAGED_BY`, and the manager of the fields that are applied."""

_UNFIT: Final = re.compile(r"[^a-z0-9]+")
_HASHED: Final = re.compile(r".*-[0-9a-f]{10}")
"""What looks as if it had been shortened: such names are shortened too, so that nobody can take another's."""


def resource_name(gateway: Ref) -> str:
    """Name all objects of a Gateway: a DNS label, the same for ever, and of no other Gateway in its namespace."""
    name = f"headgate-{gateway.name}"
    fit = _UNFIT.sub("-", name)
    return name if fit == name and len(name) <= LONGEST and not _HASHED.fullmatch(name) else _hashed(name, fit)


def label_value(text: str) -> str:
    """Make a label's value of a name, which may be longer than a label can be."""
    fit = text.replace("/", ".")
    return text if fit == text and len(text) <= LONGEST else _hashed(text, fit)


def _hashed(text: str, fit: str) -> str:
    digest = blake2b(text.encode(), digest_size=5).hexdigest()
    return f"{fit[: LONGEST - len(digest) - 1].rstrip('-._')}-{digest}"


def identity(gateway: Ref, controller: str) -> dict[str, str]:
    """Return the labels that every object of a Gateway has, whatever is configured."""
    return {
        "app.kubernetes.io/name": "headgate-proxy",
        "app.kubernetes.io/component": "proxy",
        "app.kubernetes.io/instance": resource_name(gateway),
        MANAGED_BY: MANAGER,
        GATEWAY_NAME: label_value(gateway.name),
        CONTROLLER: label_value(controller),
    }


def selector(gateway: Ref) -> dict[str, str]:
    """Return the labels by which a Gateway's pods are selected; they can never change."""
    return {"app.kubernetes.io/instance": resource_name(gateway), GATEWAY_NAME: label_value(gateway.name)}


def owned_by(controller: str) -> str:
    """Return the labels of everything that is deployed by this controller, as a selector for the API server."""
    return f"{MANAGED_BY}={MANAGER},{CONTROLLER}={label_value(controller)}"
