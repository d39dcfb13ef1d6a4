"""Imports of libraries without the optional packages that they load only because they are installed."""

from __future__ import annotations

import sys
from importlib import import_module


def import_without(library: str, *optional: str) -> None:
    """Import a library as if packages that it can do without were not installed; nothing if it is imported already.

    Args:
        library: the library.
        optional: the packages. Those that are imported already stay, and all can be imported later.
    """
    absent = [each for each in optional if each not in sys.modules]
    # None is Python's own mark of a module that cannot be imported.
    sys.modules.update(dict.fromkeys(absent))  # type: ignore[arg-type]
    try:
        import_module(library)
    finally:
        for each in absent:
            del sys.modules[each]
