"""Extensions of installed packages, by their entry points.

A package that brings an extension of its own says so in its `pyproject.toml`; the value is an `Extension`:

    [project.entry-points."headgate.extensions"]
    maintenance = "headgate_maintenance:EXTENSION"
"""

from __future__ import annotations

from collections.abc import Iterator
from importlib.metadata import EntryPoint, entry_points
from typing import Final

from translator.errors import ExtensionError
from translator.extension import Extension

GROUP: Final = "headgate.extensions"
"""The group of the entry points."""


def installed_extensions() -> Iterator[tuple[str, Extension]]:
    """Yield the extensions of installed packages, in the order of their names, each with its top-level package.

    Loading one executes the code of its package: whoever can install packages beside Headgate is trusted as Headgate.

    Raises:
        ExtensionError: one cannot be loaded, or is none.
    """
    for each in sorted(entry_points(group=GROUP), key=lambda found: (found.name, found.value)):
        yield each.module.partition(".")[0], _load(each)


def _load(entry: EntryPoint) -> Extension:
    package = f"of the package {entry.dist.name} " if entry.dist is not None else ""
    try:
        found = entry.load()
    except Exception as error:
        text = f"the extension {entry.name} {package}cannot be loaded: {type(error).__name__}: {error}"
        raise ExtensionError(f"{text}; mend the package or remove it") from error
    if not isinstance(found, Extension):
        text = f"the extension {entry.name} {package}is a {type(found).__name__}, not an Extension"
        raise ExtensionError(f"{text}: its entry point must name a translator.extension.Extension")
    return found
