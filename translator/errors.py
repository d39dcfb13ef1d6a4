"""Errors of what is installed beside Headgate."""

from __future__ import annotations


class ExtensionError(Exception):
    """An installed extension cannot be used; the text names it, its package, the fault, and the way out."""
