"""The types of Envoy's messages that configuration names by text, so that it can be parsed and checked."""

from __future__ import annotations

import pkgutil
from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache
from importlib import import_module
from typing import Any

from google.protobuf import descriptor_pool

import headgate_proto


def unknown_types(plain: Any) -> Iterator[str]:
    """Yield each type that is named by an "@type" in plain data and that no Envoy of this version knows.

    Those that it knows are loaded, as `google.protobuf.json_format` needs them to be.
    """
    pending = [plain]
    while pending:
        value = pending.pop()
        if isinstance(value, Mapping):
            name = value.get("@type")
            if isinstance(name, str) and not known(name.rpartition("/")[2]):
                yield name
            pending.extend(value.values())
        elif isinstance(value, Sequence) and not isinstance(value, str):
            pending.extend(value)


@lru_cache(maxsize=1024)
def known(name: str) -> bool:
    """Return whether a message of this full name, such as envoy.config.cluster.v3.Cluster, exists; load it if so."""
    package = name.rpartition(".")[0]
    for module in _modules(package):
        import_module(module)
    try:
        descriptor_pool.Default().FindMessageTypeByName(name)
    except KeyError:
        return False
    return True


def _modules(package: str) -> Iterator[str]:
    """Yield the generated modules of a package; only what looks like a package of Envoy's is ever imported."""
    parts = package.split(".")
    if not all(part.isidentifier() for part in parts):
        return
    try:
        found = import_module(".".join((headgate_proto.__name__, *parts)))
    except ModuleNotFoundError:
        return
    for each in pkgutil.iter_modules(getattr(found, "__path__", ())):
        if each.name.endswith("_pb2"):
            yield f"{found.__name__}.{each.name}"
