"""Fingerprints of configurations: equal for equal content, and under a secret key they tell nothing else of it.

Versions of resources are shown to those who may not read the content, such as keys of clients in a route. By a plain
hash they could try whether a guess of a weak one is right.
"""

from __future__ import annotations

from hashlib import blake2b
from typing import Final

_PERSON: Final = b"headgate-version"


class Fingerprints:
    """Makes fingerprints of 16 hexadecimal digits, without a key until there is one."""

    def __init__(self) -> None:
        self._key = b""

    def use_key(self, key: bytes) -> None:
        """Set the key for all that follow.

        Args:
            key: a secret, the same across restarts and replicas: by another one each client gets everything again.
        """
        self._key = blake2b(key, digest_size=32, person=_PERSON).digest() if key else b""

    def of(self, content: bytes) -> str:
        """Return the fingerprint of a content."""
        return blake2b(content, digest_size=8, key=self._key).hexdigest()


FINGERPRINTS: Final = Fingerprints()
"""Those of this process."""
