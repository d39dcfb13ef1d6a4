"""Modules of WebAssembly: those in ConfigMaps, and those that are fetched."""

from __future__ import annotations

from hashlib import sha256
from typing import Final, NamedTuple

from translator.db import Db
from translator.engine.query import query
from translator.gateway.config_maps import NOT_FOUND
from translator.ir.modules import ModuleInConfigMap, ModuleSource
from translator.languages.wasm import check_module
from translator.objects.kubernetes.core import ConfigMap
from translator.outcome import Outcome, Problem, not_resolved
from translator.refs import Ref

NOT_FETCHED: Final = "ModuleNotFetched"
"""The reason of a module that could not be fetched, or not yet."""


class _Digest(NamedTuple):
    """The hash of a module; b"" where there is none, and the problem that says why."""

    digest: bytes
    problem: Problem | None = None


def module_digest(db: Db, source: ModuleSource, field: str) -> Outcome[bytes | None]:
    """Return the SHA-256 of a module that Envoy may load, or the problem of who refers to it.

    Args:
        db: the database.
        source: where it is.
        field: the path of the reference, for messages.
    """
    found = _digest(db, source)
    if found.problem is None:
        return Outcome(found.digest)
    return Outcome(None, (found.problem._replace(message=f"{field}: {found.problem.message}"),))


def module_code(db: Db, source: ModuleSource) -> bytes | None:
    """Return a module; None if it is not there."""
    if isinstance(source, ModuleInConfigMap):
        config_map = db.get(ConfigMap, Ref(ConfigMap.kind, source.namespace, source.name))
        return config_map.binary_data.get(source.key) if config_map is not None else None
    fetched = db.module(source)
    return fetched.code if fetched is not None else None


@query(firewall=True)
def _digest(db: Db, source: ModuleSource) -> _Digest:
    """Return the hash of a module: an edit of another key changes nothing for those who read this one."""
    code = module_code(db, source)
    if code is None:
        return _Digest(b"", _missing(db, source))
    if fault := check_module(code):
        return _Digest(b"", Problem("Accepted", "Invalid", f"the module {fault}."))
    return _Digest(sha256(code).digest())


def _missing(db: Db, source: ModuleSource) -> Problem:
    if not isinstance(source, ModuleInConfigMap):
        found = db.module(source)
        why = found.error if found is not None else "it is being fetched"
        return not_resolved(NOT_FETCHED, f"the module {source} is not known: {why}.").problems[0]
    ref = Ref(ConfigMap.kind, source.namespace, source.name)
    config_map = db.get(ConfigMap, ref)
    if config_map is None:
        text = f"{ref} does not exist; create it with the key {source.key} in its binaryData."
    elif source.key in config_map.data:
        text = f"{ref} has the key {source.key} in its data, which is for texts; put the module into binaryData."
    else:
        text = f"{ref} has no key {source.key} in its binaryData; add it, or correct the reference."
    return not_resolved(NOT_FOUND, text).problems[0]
