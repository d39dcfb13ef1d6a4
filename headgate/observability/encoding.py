"""Encoding of any value as text and JSON, including values without such a form: none can break a page or log."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping
from typing import Any

import orjson

MAX_DEPTH = 100
"""Most levels of nested values that are encoded."""


def to_text(text: str) -> bytes:
    r"""Encode text as UTF-8; invalid bytes of a file name are written like ``\udcff``."""
    return text.encode("utf-8", "backslashreplace")


def to_json(data: Any) -> bytes:
    """Encode data as JSON: dataclasses as objects, integers beyond 64 bits as text, unknown values as their text."""
    try:
        return orjson.dumps(data, default=_known)
    except (TypeError, ValueError, RecursionError):
        return json.dumps(_plain(data, MAX_DEPTH), separators=(",", ":")).encode()


def _known(value: Any) -> Any:
    """Return the JSON form of a type that orjson does not support."""
    if isinstance(value, tuple):
        fields = getattr(value, "_fields", None)
        return list(value) if fields is None else dict(zip(fields, value, strict=True))
    return list(value) if isinstance(value, set | frozenset) else str(value)


def _plain(value: Any, depth: int) -> Any:
    if value is None or isinstance(value, bool | float):
        return value
    if isinstance(value, int):
        return int(value) if -(1 << 63) <= value < 1 << 64 else hex(value)
    if isinstance(value, str):
        return to_text(value).decode()
    if not depth:
        return "…"
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        value = {each.name: getattr(value, each.name) for each in dataclasses.fields(value)}
    elif not isinstance(value, Mapping | list):
        value = _known(value)
    if isinstance(value, Mapping):
        return {to_text(str(key)).decode(): _plain(each, depth - 1) for key, each in value.items()}
    if isinstance(value, list):
        return [_plain(each, depth - 1) for each in value]
    return to_text(str(value)).decode()
