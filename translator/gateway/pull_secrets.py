"""Secrets by which images are pulled (`kubernetes.io/dockerconfigjson`)."""

from __future__ import annotations

import base64
import binascii
import json
from dataclasses import dataclass, field
from typing import Any, Final
from urllib.parse import urlsplit

from translator.db import Db
from translator.gateway.secrets import NOT_FOUND, referenced_secret, secret_value
from translator.objects.headgate.references import SecretReference
from translator.outcome import Outcome, not_resolved
from translator.refs import Ref

DOCKER_CONFIG: Final = ".dockerconfigjson"
"""The key of such a Secret."""
_ALIASES: Final = {"index.docker.io": "docker.io", "registry-1.docker.io": "docker.io"}


@dataclass(frozen=True, slots=True)
class PullCredentials:
    """Who pulls an image; the password is in no repr."""

    user: str
    password: str = field(repr=False)


def registry_of(image: str) -> str:
    """Return the registry of an image: a host, and a port if it names one.

    >>> registry_of("ghcr.io:443/team/module:v1")
    'ghcr.io:443'
    """
    return image.partition("/")[0]


def pull_credentials(
    db: Db, owner: Ref, reference: SecretReference, image: str, where: str
) -> Outcome[PullCredentials | None]:
    """Return who pulls an image by a Secret, or why that is not known.

    Args:
        db: the database.
        owner: the object that refers to the Secret.
        reference: the reference.
        image: the image.
        where: the path of the reference, for messages, which tell nothing of the Secret's content.
    """
    secret = referenced_secret(db, owner, reference, DOCKER_CONFIG, where)
    if secret.value is None:
        return Outcome(None, secret.problems)
    found = _credentials(secret_value(db, secret.value) or b"", registry_of(image))
    if found is None:
        text = f"Secret {secret.value.namespace}/{secret.value.name} has no user and password for {registry_of(image)}"
        return not_resolved(NOT_FOUND, f"{where}: {text}; make one with `kubectl create secret docker-registry`.")
    return Outcome(found)


def _credentials(config: bytes, registry: str) -> PullCredentials | None:
    try:
        auths: Any = json.loads(config)["auths"]
        for server, entry in auths.items():
            host = (urlsplit(server).netloc if "://" in server else server.partition("/")[0]).lower()
            if _ALIASES.get(host, host) == _ALIASES.get(registry, registry):
                return _of_entry(entry)
    except (ValueError, KeyError, TypeError, AttributeError):
        pass
    return None


def _of_entry(entry: Any) -> PullCredentials | None:
    user, password = entry.get("username"), entry.get("password")
    if not (user and password):
        try:
            user, _, password = base64.b64decode(entry["auth"], validate=True).decode().partition(":")
        except (binascii.Error, KeyError):
            return None
    return PullCredentials(str(user), str(password)) if user and password else None
