"""Modules of WebAssembly: where they are, and what is known of those that are fetched."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import NamedTuple


class ModuleInConfigMap(NamedTuple):
    """A module in a ConfigMap."""

    namespace: str
    name: str
    key: str


class ModuleAtUrl(NamedTuple):
    """A module at a URL.

    Attributes:
        url: the URL.
        sha256: the hash of its content, in lower-case hexadecimal digits.
    """

    url: str
    sha256: str

    def __str__(self) -> str:
        return self.url.partition("?")[0]  # which may have a credential


@dataclass(frozen=True, slots=True, order=True)
class ModuleInImage:
    """A module in an image of a registry.

    Attributes:
        reference: the image, with a tag or a digest.
        user: who pulls it; "" for anybody.
        password: the password of the user.
        sha256: the hash of the module in it; "" if it may be any.
    """

    reference: str
    user: str = ""
    password: str = field(default="", repr=False)
    sha256: str = ""

    def __str__(self) -> str:
        return self.reference


FetchedSource = ModuleAtUrl | ModuleInImage
"""Where a module is that is fetched."""
ModuleSource = ModuleInConfigMap | FetchedSource
"""Where a module is."""


@dataclass(frozen=True, slots=True)
class FetchedModule:
    """What is known of a module that is fetched: the one that was fetched last; or why there is none.

    Attributes:
        code: the module; None if it never could be fetched.
        error: why it could not, in words for people; "" if it could.
    """

    code: bytes | None = field(default=None, repr=False)
    error: str = ""
