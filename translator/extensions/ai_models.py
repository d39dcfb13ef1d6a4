"""Models: the backends of a rule of a ModelRoute are providers that stand in for each other."""

from __future__ import annotations

from translator.extension import Extension
from translator.extensions.ai_failover import OneOfProviders, united
from translator.ir.ai import ModelBackend
from translator.ir.backend import Backend, BackendKey


def unite(key: BackendKey, found: tuple[ModelBackend, ...]) -> tuple[Backend | None, tuple[str, ...]]:
    """Return what the backends of a rule are together, and the names of providers that are left out of it."""
    made = united(key, (OneOfProviders(each.backend, each.weight, each.priority, each.model) for each in found))
    return made.backend, made.misplaced


EXTENSION = Extension("models", unite=unite)
