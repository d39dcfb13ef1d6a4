"""Strategies for Secrets, and for what policies take from them."""

from __future__ import annotations

import base64
from typing import Any

from hypothesis import strategies as st

from tests.certificates import key_pair
from tests.translator.strategies import NAMESPACES, Objects, Raw, fields, maybe, object_of, one

HASH = "{SHA}5NYfIeYNwfX+uIRZyBvoMJpB2kA="


def secrets() -> Objects:
    """Certificates, also with the key of another, and Secrets of users and keys, some of them of no use."""

    def data(found: tuple[str, str] | Raw) -> Raw:
        if isinstance(found, tuple):
            found = {"tls.crt": key_pair(found[0])[0], "tls.key": key_pair(found[1])[1]}
        return {key: base64.b64encode(value.encode()).decode() for key, value in found.items()}

    pairs = one(("one", "one"), ("one", "one"), ("two", "two"), ("one", "two"))
    users = ({"password": "a b\n", ".htpasswd": f"a:{HASH}"}, {".htpasswd": "a"})
    texts = one({"password": "x"}, {"password": "y"}, *users)
    labels = maybe(fields(keys=one("a", "b")))
    return object_of("v1", "Secret", ("s1", "s2"), data=(pairs | texts).map(data), labels=labels)


def credentials() -> dict[str, st.SearchStrategy[Any]]:
    """Return fields of policies that take passwords, keys and texts from Secrets, which may not be there."""
    secret = fields(name=one("s1", "s2"), namespace=one(None, None, *NAMESPACES))
    text = fields(name=one("s1", "s2"), namespace=one(None, None, *NAMESPACES), key="password")
    selector = fields(matchLabels=fields(keys=one("a", "b")))
    return {
        "basicAuth": one(None, None, {"disable": {}}) | fields(secretRef=secret, allowMissing=one(None, True)),
        "apiKeyAuth": one(None, None) | fields(secretRef=secret) | fields(secretSelector=selector),
        "credentialInjection": one(None, None) | fields(secretRef=text, overwrite=one(None, False)),
    }
