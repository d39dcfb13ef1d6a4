"""Texts in ConfigMaps, which other objects refer to by a key."""

from __future__ import annotations

from typing import NamedTuple

from translator.db import Db
from translator.engine.query import query
from translator.objects.kubernetes.core import ConfigMap
from translator.outcome import Outcome, not_resolved
from translator.refs import Ref

NOT_FOUND = "ConfigMapNotFound"
"""The reason of a reference to a ConfigMap, or to a key of one, that does not exist."""


class _KeyText(NamedTuple):
    """The text of a key; None where there is none, and why in one sentence."""

    text: str | None
    fault: str = ""


@query(firewall=True)
def _text(db: Db, config_map: Ref, key: str, most_bytes: int) -> _KeyText:
    """Return the text of a key: an edit of another key changes nothing for those who read this one."""
    found = db.get(ConfigMap, config_map)
    if found is None:
        return _KeyText(None, f"{config_map} does not exist; create it with the key {key}.")
    if key in found.data:
        data = found.data[key].encode()
    elif key in found.binary_data:
        data = found.binary_data[key]
    else:
        return _KeyText(None, f"{config_map} has no key {key}; add it, or correct the reference.")
    if len(data) > most_bytes:
        return _KeyText(None, f"{config_map}: {key} has {len(data)} bytes, and {most_bytes} are the most; shorten it.")
    try:
        return _KeyText(data.decode())
    except UnicodeDecodeError:
        return _KeyText(None, f"{config_map}: {key} in its binaryData is no text in UTF-8; correct it.")


def config_map_text(db: Db, config_map: Ref, key: str, most_bytes: int, field: str) -> Outcome[str | None]:
    """Return the text of a key of a ConfigMap, or the problem of who refers to it.

    Args:
        db: the database.
        config_map: the ConfigMap.
        key: the key, of `data` or, where that holds UTF-8, of `binaryData`.
        most_bytes: the longest text that is taken.
        field: the path of the reference, for messages.
    """
    found = _text(db, config_map, key, most_bytes)
    return Outcome(found.text) if found.text is not None else not_resolved(NOT_FOUND, f"{field}: {found.fault}")
