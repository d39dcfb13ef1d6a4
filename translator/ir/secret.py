"""Secret texts, such as passwords of clients and of providers, which proxies get by SDS."""

from __future__ import annotations

from enum import Enum
from typing import NamedTuple


class Derivation(Enum):
    """What is made of the value of a Secret's key."""

    NONE = ""
    HMAC = "hmac"
    """A key for signatures, by HKDF-SHA256 of the value: the same in every replica, and another one for every value."""


class GenericSecret(NamedTuple):
    """Names a secret text: a key of a Secret, and what is made of its value. The value is no part of it."""

    namespace: str
    name: str
    key: str
    derivation: Derivation = Derivation.NONE
    purpose: str = ""
    """What a derived key is for: with another purpose, it is another key."""

    def __lt__(self, other: tuple[object, ...]) -> bool:
        """Sort by name."""
        assert isinstance(other, GenericSecret)
        return (*self[:3], self.derivation.value, self.purpose) < (*other[:3], other.derivation.value, other.purpose)
