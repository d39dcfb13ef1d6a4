"""What tells the texts of Secrets, and must not: dumps, statuses and logs."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final

SHORTEST: Final = 8
"""Shorter texts are words that are elsewhere too."""
PUBLIC: Final = frozenset({"tls.crt", "ca.crt", "tls.ocsp-staple", "jwks"})
"""Keys of Secrets with what everybody may know."""


def secret_texts(manifest: Mapping[str, Any]) -> Iterator[str]:
    """Yield the texts of a Secret, line by line, as dumps may show one of them; of other objects none."""
    if manifest.get("kind") != "Secret":
        return
    texts = dict(manifest.get("stringData", {}))
    for key, value in manifest.get("data", {}).items():
        texts.setdefault(key, base64.b64decode(value).decode("latin-1"))
    for key, text in texts.items():
        if key not in PUBLIC:
            yield from _lines(text)


def _lines(text: str) -> Iterator[str]:
    for line in text.splitlines():
        # The hash of a line of htpasswd is what is secret, and of a private key all but the lines around it.
        found = line.rpartition("{SHA}")[2].strip()
        if len(found) >= SHORTEST and not found.startswith("-----"):
            yield found


def told(texts: Iterable[str], places: Mapping[str, str]) -> list[str]:
    """Return the places that tell one of the texts, as it is, in Base64, or with escapes, each with its beginning."""
    found = []
    for text in dict.fromkeys(texts):
        encoded = [base64.b64encode(text.encode()).decode(), json.dumps(text)[1:-1], text.encode().hex()]
        for place, shown in places.items():
            if any(each in shown for each in (text, *encoded)):
                found.append(f"{place} tells {text[:3]}…")
    return found
