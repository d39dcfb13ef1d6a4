"""Backends that a URL names, such as where the keys of an issuer of tokens are."""

from __future__ import annotations

from typing import Final
from urllib.parse import urlsplit

from translator.backends.guarded import url_fault
from translator.backends.host_names import absolute
from translator.db import Db
from translator.extensions.upstream_tls import BackendTls
from translator.ir.backend import Backend, BackendKey, Protocol
from translator.outcome import Outcome, Problem

KIND: Final = "URL"
"""In the place of the kind of an object: the backend is of none."""
PORTS: Final = {"https": 443, "http": 80}


def url_backend(db: Db, url: str, field: str) -> Outcome[Backend | None]:
    """Return the backend that a URL names, whose host Envoy resolves; with https, its certificate is validated.

    Args:
        db: the database.
        url: an absolute URL of scheme https, or http if the settings allow it.
        field: its path, for messages.
    """
    try:
        parts = urlsplit(url)
        scheme, host, port = parts.scheme, parts.hostname or "", parts.port or PORTS.get(parts.scheme, 0)
    except ValueError:
        return _invalid(f"{field}: {url} is no URL; write one like https://idp.example.com/keys.")
    if parts.username is not None or parts.password is not None:
        return _invalid(f"{field}: a URL with a user or password is not supported; remove them.")
    if scheme not in PORTS or not host:
        return _invalid(f"{field}: {url} is no absolute URL of https; write one like https://idp.example.com/keys.")
    if scheme == "http" and not db.settings.allow_http_issuers:
        text = f"{field}: {url} is not encrypted; use https, or have Headgate started with --allow-http-issuers."
        return _invalid(text)
    if fault := url_fault(db.settings, host, port):
        return _invalid(f"{field}: {fault}.")
    settings = (BackendTls(host),) if scheme == "https" else ()
    hostname = absolute(db.settings, host)
    return Outcome(Backend(BackendKey(KIND, "", host), port, Protocol.HTTP1.value, hostname, settings))


def _invalid(text: str) -> Outcome[None]:
    return Outcome(None, (Problem("Accepted", "Invalid", text),))
